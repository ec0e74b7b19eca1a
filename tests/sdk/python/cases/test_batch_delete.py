"""DeleteObjects: up to a thousand keys in one request."""

import pytest
from harness.checksums import checksum, md5
from harness.expect import noise, refused

KEYS = ["a", "a b", "a+b", "a%b", "ü", "🎉", "<&>\"'", "dir/", "//", "k" * 1024, "tab\there", "new\nline"]


def named(keys, **fields):
    return {"Objects": [{"Key": key} for key in keys], **fields}


def names(rows):
    return sorted(row["Key"] for row in rows)


@pytest.mark.doors("every")
def test_deletes_and_tells(s3, bucket):
    for key in ("a", "b", "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    answer = s3.delete_objects(Bucket=bucket, Delete=named(["a", "b", "absent"]))
    assert names(answer["Deleted"]) == ["a", "absent", "b"] and "Errors" not in answer
    assert names(s3.list_objects_v2(Bucket=bucket)["Contents"]) == ["c"]


def test_keys_of_every_kind(s3, bucket):
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert names(s3.delete_objects(Bucket=bucket, Delete=named(KEYS))["Deleted"]) == sorted(KEYS)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_quiet(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"")
    answer = s3.delete_objects(Bucket=bucket, Delete=named(["a", "absent"], Quiet=True))
    assert "Deleted" not in answer and "Errors" not in answer
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_thousand_and_no_more(s3, bucket):
    keys = [f"key-{number:04}" for number in range(1001)]
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete=named(keys))
    assert len(s3.delete_objects(Bucket=bucket, Delete=named(keys[:1000]))["Deleted"]) == 1000


def test_error_of_one_key(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"")
    answer = s3.delete_objects(Bucket=bucket, Delete=named(["a", "k" * 1025]))
    assert names(answer["Deleted"]) == ["a"]
    assert [(row["Key"], row["Code"]) for row in answer["Errors"]] == [("k" * 1025, "KeyTooLongError")]


XML = b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object></Delete>'
# body, headers → status, code
RAW = [
    (XML, {"Content-MD5": md5(XML)}, 200, ""),
    (XML, {"x-amz-checksum-sha256": checksum("SHA256", XML)}, 200, ""),
    (XML, {"x-amz-checksum-crc64nvme": checksum("CRC64NVME", XML)}, 200, ""),
    (XML.replace(b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', b""), "md5", 200, ""),
    (XML, {}, 400, "InvalidRequest"),
    (XML, {"Content-MD5": md5(b"other")}, 400, "BadDigest"),
    (XML, {"x-amz-checksum-crc32": checksum("CRC32", b"other")}, 400, "BadDigest"),
    (b"<Delete><Object></Object></Delete>", "md5", 400, "MalformedXML"),
    (b"<Delete></Delete>", "md5", 400, "MalformedXML"),
    (b"<Other/>", "md5", 400, "MalformedXML"),
    (b"<Delete><Object><Key>a</Key></Object>", "md5", 400, "MalformedXML"),
    (b"not xml", "md5", 400, "MalformedXML"),
    (b"", "md5", 400, "MissingRequestBodyError"),
]


@pytest.mark.doors("aws")
@pytest.mark.parametrize("sent,fields,status,code", RAW, ids=range(len(RAW)))
def test_body(wire, s3, bucket, sent, fields, status, code):
    s3.put_object(Bucket=bucket, Key="a", Body=noise(10))
    fields = {"Content-MD5": md5(sent)} if fields == "md5" else fields
    reply = wire.send("POST", f"/{bucket}?delete=", sent, fields)
    expected = ("MalformedXML", "MissingRequestBodyError") if code == "MissingRequestBodyError" else (code,)
    assert reply.status == status and reply.code in expected, reply.body
    assert ("Contents" in s3.list_objects_v2(Bucket=bucket)) == (status != 200)
