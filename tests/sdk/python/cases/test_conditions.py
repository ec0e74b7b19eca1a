"""Conditional requests: RFC 9110's order for reads, S3's rules for writes."""

import concurrent.futures
import datetime

import pytest
from botocore.exceptions import ClientError
from harness.expect import body, noise, refused, status

HOUR = datetime.timedelta(hours=1)
WRONG = '"00000000000000000000000000000000"'

# conditions (E: the object's ETag, W: a wrong one, past/future around its time) → status
READS = [
    ({"IfMatch": "E"}, 200),
    ({"IfMatch": "W"}, 412),
    ({"IfMatch": "*"}, 200),
    ({"IfMatch": "W, E"}, 200),
    ({"IfNoneMatch": "E"}, 304),
    ({"IfNoneMatch": "W"}, 200),
    ({"IfNoneMatch": "*"}, 304),
    ({"IfNoneMatch": "W, E"}, 304),
    ({"IfModifiedSince": "past"}, 200),
    ({"IfModifiedSince": "same"}, 304),
    ({"IfUnmodifiedSince": "past"}, 412),
    ({"IfUnmodifiedSince": "same"}, 200),
    ({"IfUnmodifiedSince": "future"}, 200),
    ({"IfMatch": "E", "IfUnmodifiedSince": "past"}, 200),
    ({"IfMatch": "W", "IfUnmodifiedSince": "future"}, 412),
    ({"IfNoneMatch": "W", "IfModifiedSince": "same"}, 200),
    ({"IfNoneMatch": "E", "IfModifiedSince": "past"}, 304),
    ({"IfMatch": "E", "IfNoneMatch": "E"}, 304),
    ({"IfMatch": "W", "IfNoneMatch": "E"}, 412),
]


def fill(conditions, etag, modified):
    times = {"past": modified - HOUR, "same": modified, "future": modified + HOUR}
    return {
        name: times[value] if value in times else value.replace("W", WRONG).replace("E", etag)
        for name, value in conditions.items()
    }


def outcome(call) -> int:
    try:
        return status(call())
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


def test_reads(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    head = s3.head_object(Bucket=bucket, Key="k")
    for conditions, expected in READS:
        asked = fill(conditions, head["ETag"], head["LastModified"])
        for read in (s3.get_object, s3.head_object):
            assert outcome(lambda: read(Bucket=bucket, Key="k", **asked)) == expected, (read.__name__, conditions)


def test_copy_sources(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    head = s3.head_object(Bucket=bucket, Key="k")
    for conditions, expected in READS:
        asked = fill(conditions, head["ETag"], head["LastModified"])
        asked = {f"CopySource{name}": value for name, value in asked.items()}
        expected = 412 if expected == 304 else expected
        got = outcome(lambda: s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k", **asked))
        assert got == expected, conditions


def test_not_modified_has_no_body_and_says_its_etag(wire, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"data")["ETag"]
    reply = wire.send("GET", f"/{bucket}/k", headers={"If-None-Match": etag})
    assert (reply.status, reply.body, reply.headers["etag"], reply.kept) == (304, b"", etag, True)


def test_put_creates_only(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"first", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"second", IfNoneMatch="*")
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"first"


def test_put_replaces_only_what_it_knows(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"]
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"second", IfMatch=WRONG)
    s3.put_object(Bucket=bucket, Key="k", Body=b"third", IfMatch=etag)
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"fourth", IfMatch=etag)
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"third"


@pytest.mark.doors("aws")
def test_put_over_what_is_not_there(s3, bucket):
    with refused("NoSuchKey", 404):
        s3.put_object(Bucket=bucket, Key="absent", Body=b"x", IfMatch=WRONG)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_refused_large_body_leaves_the_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"first")
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=noise(2 * 1024 * 1024), IfNoneMatch="*")
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"first"


@pytest.mark.doors("aws")
def test_put_if_none_match_knows_only_the_star(s3, bucket):
    with refused("NotImplemented", 501):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", IfNoneMatch=WRONG)


def test_delete_what_it_knows(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch=WRONG)
    assert status(s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)) == 204
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_complete_creates_only(s3, bucket):
    def upload():
        made = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key="k", UploadId=made, PartNumber=1, Body=b"part")
        return {"UploadId": made, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}}

    first = upload()
    second = upload()
    etag = s3.complete_multipart_upload(Bucket=bucket, Key="k", IfNoneMatch="*", **first)["ETag"]
    with refused("PreconditionFailed", 412):
        s3.complete_multipart_upload(Bucket=bucket, Key="k", IfNoneMatch="*", **second)
    with refused("PreconditionFailed", 412):
        s3.complete_multipart_upload(Bucket=bucket, Key="k", IfMatch=WRONG, **second)
    s3.complete_multipart_upload(Bucket=bucket, Key="k", IfMatch=etag, **second)


@pytest.mark.doors("aws")
def test_copy_creates_only(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/source", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/source", IfNoneMatch="*")


def test_one_of_many_creators_wins(s3, bucket):
    def create(number):
        try:
            s3.put_object(Bucket=bucket, Key="k", Body=str(number).encode(), IfNoneMatch="*")
            return number
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")
            return None

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(create, range(48)) if number is not None]
    assert len(winners) == 1
    assert body(s3.get_object(Bucket=bucket, Key="k")) == str(winners[0]).encode()


@pytest.mark.doors("aws")
def test_counter_by_compare_and_swap(s3, bucket):
    """Writers that read, add one and write back if nothing changed lose no addition."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"0")

    def add(_):
        while True:
            now = s3.get_object(Bucket=bucket, Key="k")
            value = int(body(now)) + 1
            try:
                s3.put_object(Bucket=bucket, Key="k", Body=str(value).encode(), IfMatch=now["ETag"])
                return
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(24)))
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"24"
