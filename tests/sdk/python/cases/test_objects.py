"""Objects: bodies of every size class, metadata, headers, and keys of every kind."""

import datetime

import pytest
from harness.checksums import etag
from harness.expect import body, headers, noise, refused, status

# Around the engine's own borders: nothing, inline, the first byte in a file, several pieces.
SIZES = [0, 1, 4095, 32 * 1024, 32 * 1024 + 1, 256 * 1024 + 7, 3 * 1024 * 1024 + 11]

KEYS = [
    "plain", "with space", "two  spaces", " leading", "trailing ", "a/b/c", "trailing/", "/leading", "//", "a//b", "a///",
    ".", "..", "../up", "a/../b", "a/./b", "./x", "plus+plus", "per%cent", "%2F", "%252F", "100%", "amp&and=eq", "semi;colon",
    "question?mark", "hash#mark", "quote'single", 'quote"double', "less<more>", "back\\slash", "curly{}", "pipe|", "caret^",
    "tilde~", "dollar$", "at@sign", "excl!", "comma,", "colon:", "star*", "paren()", "square[]", "ünïcödé", "日本語/キー",
    "emoji-🎉-🏳️‍🌈", "combining-e\u0301", "nbsp-\u00a0", "rtl-\u202e", "\U0010ffff", "tab\there", "newline\nhere", "return\r", "bell\x07",
    "\x01", "del\x7f", "x-amz-meta", "?acl", "soap", "env/env-a/s3", "k" * 1024, "é" * 512, "a/" * 512,
]  # fmt: skip

STANDARD = {
    "CacheControl": "max-age=3600, public",
    "ContentDisposition": "attachment; filename=\"a b.txt\"",
    "ContentEncoding": "gzip",
    "ContentLanguage": "en-GB",
    "ContentType": "text/plain; charset=utf-8",
}


@pytest.mark.doors("every")
def test_round_trip(s3, bucket):
    data = noise(100_003)
    put = s3.put_object(Bucket=bucket, Key="dir/file name.bin", Body=data, Metadata={"a": "1"})
    assert put["ETag"] == etag(data)
    got = s3.get_object(Bucket=bucket, Key="dir/file name.bin")
    assert (body(got), got["ETag"], got["Metadata"]) == (data, etag(data), {"a": "1"})
    assert s3.head_object(Bucket=bucket, Key="dir/file name.bin")["ContentLength"] == len(data)
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["dir/file name.bin"]
    assert status(s3.delete_object(Bucket=bucket, Key="dir/file name.bin")) == 204
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="dir/file name.bin")


@pytest.mark.parametrize("size", SIZES)
def test_size(s3, bucket, size):
    data = noise(size)
    assert s3.put_object(Bucket=bucket, Key="k", Body=data)["ETag"] == etag(data)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert body(got) == data
    assert (got["ContentLength"], got["AcceptRanges"]) == (size, "bytes")


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_key(s3, bucket, key):
    data = key.encode()
    s3.put_object(Bucket=bucket, Key=key, Body=data)
    assert body(s3.get_object(Bucket=bucket, Key=key)) == data
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(data)
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [one["Key"] for one in s3.list_objects(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("key", ["k" * 1025, "é" * 513], ids=["ascii", "utf-8"])
def test_key_too_long(s3, bucket, key):
    with refused("KeyTooLongError", 400):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_keys_differ_in_every_byte(s3, bucket):
    keys = ["a", "A", "a/", "/a", "a ", "a+", "a%20", "á", "a\u0301"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in keys:
        assert body(s3.get_object(Bucket=bucket, Key=key)) == key.encode()


def test_standard_headers_and_metadata(s3, bucket):
    expires = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    metadata = {"colour": "blue", "with-dash": "a, b;c=d", "number": "1"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", Expires=expires, Metadata=metadata, **STANDARD)
    for got in (s3.get_object(Bucket=bucket, Key="k"), s3.head_object(Bucket=bucket, Key="k")):
        assert {name: got[name] for name in STANDARD} == STANDARD
        assert got["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
        assert got["Metadata"] == metadata


def test_metadata_names_are_lower_case(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"MixedCase": "Value"})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"mixedcase": "Value"}


def test_a_new_object_takes_nothing_from_the_old(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"first", Metadata={"a": "1"}, ContentType="text/plain")
    s3.put_object(Bucket=bucket, Key="k", Body=b"second one")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (body(got), got["Metadata"]) == (b"second one", {})
    assert got["ContentType"] != "text/plain"


@pytest.mark.doors("aws")
def test_default_content_type(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "binary/octet-stream"


@pytest.mark.doors("aws")
def test_storage_class_redirect_and_encryption(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="STANDARD_IA", WebsiteRedirectLocation="/other")
    got = s3.head_object(Bucket=bucket, Key="k")
    assert (got["StorageClass"], got["WebsiteRedirectLocation"]) == ("STANDARD_IA", "/other")
    assert got["ServerSideEncryption"] == "AES256"
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD_IA"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="k")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD"


@pytest.mark.doors("aws")
def test_storage_class_refused(s3, bucket):
    with refused("InvalidStorageClass", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="CHEAP")


def test_aws_chunked_is_no_encoding_of_the_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    s3.put_object(Bucket=bucket, Key="gzip", Body=b"x", ContentEncoding="gzip")
    assert "ContentEncoding" not in s3.head_object(Bucket=bucket, Key="plain")
    assert s3.head_object(Bucket=bucket, Key="gzip")["ContentEncoding"] == "gzip"


def test_response_overrides(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain")
    got = s3.get_object(
        Bucket=bucket, Key="k", ResponseContentType="image/png", ResponseCacheControl="no-store",
        ResponseContentDisposition="inline", ResponseContentEncoding="br", ResponseContentLanguage="de",
        ResponseExpires=datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc),
    )  # fmt: skip
    assert (got["ContentType"], got["CacheControl"]) == ("image/png", "no-store")
    assert (got["ContentDisposition"], got["ContentEncoding"], got["ContentLanguage"]) == ("inline", "br", "de")
    assert headers(got)["expires"] == "Wed, 01 Jan 2031 00:00:00 GMT"


def test_last_modified_is_now(s3, bucket):
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    after = datetime.datetime.now(datetime.timezone.utc)
    assert before <= s3.head_object(Bucket=bucket, Key="k")["LastModified"] <= after
    assert before <= s3.list_objects_v2(Bucket=bucket)["Contents"][0]["LastModified"] <= after


def test_missing_object(s3, bucket):
    with refused("NoSuchKey", 404) as caught:
        s3.get_object(Bucket=bucket, Key="absent")
    assert caught.value.response["Error"]["Key"] == "absent"
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="absent")
    assert status(s3.delete_object(Bucket=bucket, Key="absent")) == 204


@pytest.mark.parametrize("call", [
    lambda s3: s3.get_object(Bucket="no-such-bucket-here", Key="k"),
    lambda s3: s3.put_object(Bucket="no-such-bucket-here", Key="k", Body=b"x"),
    lambda s3: s3.delete_object(Bucket="no-such-bucket-here", Key="k"),
    lambda s3: s3.create_multipart_upload(Bucket="no-such-bucket-here", Key="k"),
], ids=["get", "put", "delete", "create-upload"])  # fmt: skip
def test_missing_bucket(s3, call):
    with refused("NoSuchBucket", 404) as caught:
        call(s3)
    assert caught.value.response["Error"]["BucketName"] == "no-such-bucket-here"


def test_every_answer_has_a_request_id(s3, bucket):
    one = headers(s3.put_object(Bucket=bucket, Key="k", Body=b"x"))
    two = headers(s3.head_object(Bucket=bucket, Key="k"))
    name = "x-amz-request-id" if "x-amz-request-id" in one else "cf-ray"
    assert one[name] and two[name] and one[name] != two[name]


@pytest.mark.doors("aws")
def test_metadata_too_large(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"m": "v" * 2047})
    with refused("MetadataTooLarge", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"m": "v" * 2048})
