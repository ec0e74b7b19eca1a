"""GetObjectAttributes: what an object is, without its bytes."""

import pytest
from harness.checksums import checksum, etag, multipart_etag
from harness.expect import noise, refused

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
PART = 5 * 1024 * 1024


@pytest.fixture(autouse=True)
def _has_attributes(requires):
    requires("GetObjectAttributes")


def test_simple_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", ChecksumAlgorithm="SHA256")
    got = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)
    assert (got["ETag"], got["ObjectSize"], got["StorageClass"]) == (etag(b"data").strip('"'), 4, "STANDARD")
    assert got["Checksum"]["ChecksumSHA256"] == checksum("SHA256", b"data")
    assert got["Checksum"]["ChecksumType"] == "FULL_OBJECT" and "ObjectParts" not in got


def test_only_what_is_asked_for(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    got = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])
    assert got["ObjectSize"] == 4 and not {"ETag", "Checksum", "StorageClass"} & set(got)
    assert got["LastModified"].year >= 2024


def test_multipart_object(s3, bucket):
    pieces = [noise(PART, 1), noise(PART, 2), b"last"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, piece in enumerate(pieces, 1):
        answer = s3.upload_part(
            Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=piece, ChecksumAlgorithm="SHA256"
        )
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    got = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)
    assert (got["ETag"], got["ObjectSize"]) == (multipart_etag(pieces).strip('"'), 2 * PART + 4)
    listed = got["ObjectParts"]
    assert (listed["TotalPartsCount"], listed["IsTruncated"]) == (3, False)
    assert [(part["PartNumber"], part["Size"], part["ChecksumSHA256"]) for part in listed["Parts"]] == [
        (number, len(piece), checksum("SHA256", piece)) for number, piece in enumerate(pieces, 1)
    ]
    found, marker = [], 0
    while True:
        page = s3.get_object_attributes(
            Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=marker
        )["ObjectParts"]
        found += [part["PartNumber"] for part in page["Parts"]]
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert found == [1, 2, 3]


def test_of_what_is_not_there(s3, bucket):
    with refused("NoSuchKey", 404):
        s3.get_object_attributes(Bucket=bucket, Key="absent", ObjectAttributes=ALL)


@pytest.mark.doors("aws")
def test_unknown_attribute(wire, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    reply = wire.send("GET", f"/{bucket}/k?attributes=", headers={"x-amz-object-attributes": "Colour"})
    assert (reply.status, reply.code) == (400, "InvalidArgument")
