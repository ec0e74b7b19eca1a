"""Checksums: five algorithms, in headers and trailers, verified on the way in and told on the way out."""

import base64

import pytest
from harness.checksums import ALGORITHMS, COMPOSITE, FULL_OBJECT, checksum, composite, md5
from harness.expect import body, headers, noise, refused
from harness.raw import aws_chunks

MIB = 1024 * 1024
DATA = noise(70_001)
# What each service's table allows for multipart uploads: (algorithm, type) pairs.
S3_MULTIPART = [(name, "COMPOSITE") for name in COMPOSITE] + [(name, "FULL_OBJECT") for name in FULL_OBJECT]
MULTIPART = {
    "aws_s3": S3_MULTIPART,
    "cloudflare_r2": [(name, "COMPOSITE") for name in COMPOSITE] + [("CRC64NVME", "FULL_OBJECT")],
    "do_spaces": S3_MULTIPART,
}


def wrong(algorithm: str) -> str:
    return checksum(algorithm, DATA + b"!")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_value_given_by_the_client(s3, bucket, algorithm):
    name = f"Checksum{algorithm}"
    value = checksum(algorithm, DATA)
    put = s3.put_object(Bucket=bucket, Key="k", Body=DATA, **{name: value})
    assert put[name] == value
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (body(got), got[name]) == (DATA, value)
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[name] == value


@pytest.mark.doors("aws-both")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_computed_by_the_sdk(s3, bucket, algorithm):
    """A header over HTTP; an aws-chunked body with a trailer over HTTPS."""
    name = f"Checksum{algorithm}"
    for data in (b"", b"x", DATA):
        put = s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm=algorithm)
        assert put[name] == checksum(algorithm, data)
        head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert (head[name], head["ChecksumType"]) == (checksum(algorithm, data), "FULL_OBJECT")
        assert body(s3.get_object(Bucket=bucket, Key="k")) == data


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_wrong_value(s3, bucket, algorithm):
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=DATA, **{f"Checksum{algorithm}": wrong(algorithm)})
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("value", ["!!!", "AAAA", base64.b64encode(b"x" * 40).decode()], ids=["no-base64", "short", "long"])
def test_value_that_is_none(wire, s3, bucket, algorithm, value):
    reply = wire.send("PUT", f"/{bucket}/k", DATA, {f"x-amz-checksum-{algorithm.lower()}": value})
    assert (reply.status, reply.code) == (400, "InvalidRequest")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_trailer(wire, s3, bucket, algorithm):
    name = f"x-amz-checksum-{algorithm.lower()}"
    fields = {
        "Content-Encoding": "aws-chunked", "X-Amz-Trailer": name, "X-Amz-Decoded-Content-Length": str(len(DATA)),
    }  # fmt: skip
    for value, expected in ((checksum(algorithm, DATA), (200, "")), (wrong(algorithm), (400, "BadDigest"))):
        framed = aws_chunks(DATA, 16 * 1024, {name: value})
        reply = wire.send("PUT", f"/{bucket}/{expected[0]}", framed, fields, payload_hash="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        assert (reply.status, reply.code) == expected
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["200"]
    assert body(s3.get_object(Bucket=bucket, Key="200")) == DATA


def test_content_md5(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA, ContentMD5=md5(DATA))
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"other", ContentMD5=md5(DATA))
    with refused("InvalidDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"other", ContentMD5="bm90IG1kNQ==")
    assert body(s3.get_object(Bucket=bucket, Key="k")) == DATA


@pytest.mark.doors("aws-both")
def test_default_is_crc64nvme(door, environment, bucket):
    s3 = door.client(environment, request_checksum_calculation="when_required")
    put = s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert (put["ChecksumCRC64NVME"], put["ChecksumType"]) == (checksum("CRC64NVME", DATA), "FULL_OBJECT")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC64NVME"] == put["ChecksumCRC64NVME"]


def test_told_only_to_who_asks(door, environment, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA, ChecksumSHA256=checksum("SHA256", DATA))
    quiet = door.client(environment, response_checksum_validation="when_required")
    assert not [name for name in headers(quiet.get_object(Bucket=bucket, Key="k")) if "checksum" in name]
    assert not [name for name in headers(quiet.head_object(Bucket=bucket, Key="k")) if "checksum" in name]


@pytest.mark.doors("aws")
def test_two_values_at_once(wire, bucket):
    both = {"x-amz-checksum-sha1": checksum("SHA1", DATA), "x-amz-checksum-crc32": checksum("CRC32", DATA)}
    reply = wire.send("PUT", f"/{bucket}/k", DATA, both)
    assert (reply.status, reply.code) == (400, "InvalidRequest")


@pytest.mark.doors("aws")
def test_copy_keeps_or_changes_the_algorithm(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA, ChecksumAlgorithm="SHA1")
    kept = s3.copy_object(Bucket=bucket, Key="kept", CopySource=f"{bucket}/k")["CopyObjectResult"]
    assert kept["ChecksumSHA1"] == checksum("SHA1", DATA)
    changed = s3.copy_object(Bucket=bucket, Key="new", CopySource=f"{bucket}/k", ChecksumAlgorithm="SHA256")
    assert changed["CopyObjectResult"]["ChecksumSHA256"] == checksum("SHA256", DATA)
    head = s3.head_object(Bucket=bucket, Key="new", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == checksum("SHA256", DATA) and "ChecksumSHA1" not in head


def begin(s3, bucket, algorithm, kind):
    made = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert (made["ChecksumAlgorithm"], made["ChecksumType"]) == (algorithm, kind)
    return {"Bucket": bucket, "Key": "k", "UploadId": made["UploadId"]}


def upload_parts(s3, upload, algorithm, pieces):
    name = f"Checksum{algorithm}"
    parts = []
    for number, piece in enumerate(pieces, 1):
        answer = s3.upload_part(PartNumber=number, Body=piece, ChecksumAlgorithm=algorithm, **upload)
        assert answer[name] == checksum(algorithm, piece)
        parts.append({"PartNumber": number, "ETag": answer["ETag"], name: answer[name]})
    return parts


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_multipart(door, s3, bucket, algorithm, kind):
    if (algorithm, kind) not in MULTIPART[door.service]:
        with refused("InvalidRequest", 400):
            s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)
        return
    name = f"Checksum{algorithm}"
    pieces = [noise(5 * MIB, 1), noise(5 * MIB, 2), noise(12345, 3)]
    upload = begin(s3, bucket, algorithm, kind)
    parts = upload_parts(s3, upload, algorithm, pieces)
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    whole = b"".join(pieces)
    expected = composite(algorithm, pieces) if kind == "COMPOSITE" else checksum(algorithm, whole)
    assert (done[name], done["ChecksumType"]) == (expected, kind)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[name], head["ChecksumType"], head["ContentLength"]) == (expected, kind, len(whole))
    assert body(s3.get_object(Bucket=bucket, Key="k")) == whole


@pytest.mark.doors("aws")
def test_wrong_part(s3, bucket):
    upload = begin(s3, bucket, "SHA256", "COMPOSITE")
    with refused("BadDigest", 400):
        s3.upload_part(PartNumber=1, Body=DATA, ChecksumSHA256=wrong("SHA256"), **upload)
    assert "Parts" not in s3.list_parts(**upload)


@pytest.mark.doors("aws")
def test_complete_names_another_checksum(s3, bucket):
    upload = begin(s3, bucket, "CRC32C", "COMPOSITE")
    parts = upload_parts(s3, upload, "CRC32C", [DATA])
    parts[0]["ChecksumCRC32C"] = wrong("CRC32C")
    with refused("InvalidPart", 400):
        s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)


@pytest.mark.doors("aws")
def test_composite_wants_each_parts_checksum(s3, bucket):
    upload = begin(s3, bucket, "CRC32", "COMPOSITE")
    parts = upload_parts(s3, upload, "CRC32", [DATA])
    bare = [{name: part[name] for name in ("PartNumber", "ETag")} for part in parts]
    with refused("InvalidRequest", 400):
        s3.complete_multipart_upload(MultipartUpload={"Parts": bare}, **upload)
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")["CopyObjectResult"]
    assert (copied["ChecksumCRC32"], copied["ChecksumType"]) == (checksum("CRC32", DATA), "FULL_OBJECT")


@pytest.mark.doors("aws")
def test_complete_declares_the_whole(s3, bucket):
    upload = begin(s3, bucket, "CRC64NVME", "FULL_OBJECT")
    parts = upload_parts(s3, upload, "CRC64NVME", [DATA])
    with refused("BadDigest", 400):
        s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, ChecksumCRC64NVME=wrong("CRC64NVME"), **upload)
    with refused("InvalidRequest", 400):
        s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, MpuObjectSize=len(DATA) + 1, **upload)
    s3.complete_multipart_upload(
        MultipartUpload={"Parts": parts}, ChecksumCRC64NVME=checksum("CRC64NVME", DATA), MpuObjectSize=len(DATA), **upload
    )


@pytest.mark.doors("aws")
def test_parts_are_listed_with_their_checksums(s3, bucket):
    upload = begin(s3, bucket, "SHA1", "COMPOSITE")
    upload_parts(s3, upload, "SHA1", [DATA, b"second"])
    listed = s3.list_parts(**upload)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == ("SHA1", "COMPOSITE")
    assert [part["ChecksumSHA1"] for part in listed["Parts"]] == [checksum("SHA1", DATA), checksum("SHA1", b"second")]


@pytest.mark.doors("aws")
def test_listing_names_the_algorithm(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA, ChecksumAlgorithm="SHA256")
    entry = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (entry["ChecksumAlgorithm"], entry["ChecksumType"]) == (["SHA256"], "FULL_OBJECT")
