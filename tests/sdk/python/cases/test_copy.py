"""Copies: directives, sources of every name, and what a copy onto itself may change."""

import pytest
from harness.checksums import etag
from harness.expect import body, noise, refused

KEYS = ["plain", "with space", "plus+plus", "per%cent", "a//b", "ünïcödé/🎉", "question?mark", "a&b=c", "trailing/"]


@pytest.mark.doors("every")
def test_round_trip(s3, bucket):
    data = noise(50_000)
    s3.put_object(Bucket=bucket, Key="from", Body=data, Metadata={"a": "1"}, ContentType="text/plain")
    done = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
    assert done["CopyObjectResult"]["ETag"] == etag(data)
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (body(got), got["Metadata"], got["ContentType"]) == (data, {"a": "1"}, "text/plain")


@pytest.mark.parametrize("key", KEYS)
def test_source_of_every_name(s3, bucket, new_bucket, key):
    elsewhere = new_bucket()
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3.copy_object(Bucket=elsewhere, Key=key, CopySource={"Bucket": bucket, "Key": key})
    assert body(s3.get_object(Bucket=elsewhere, Key=key)) == key.encode()


@pytest.mark.doors("aws")
@pytest.mark.parametrize("source", ["/{}/k", "{}/k", "{}/%6b"])
def test_source_written_otherwise(wire, s3, bucket, source):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    reply = wire.send("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": source.format(bucket)})
    assert reply.status == 200, reply.body
    assert body(s3.get_object(Bucket=bucket, Key="copy")) == b"data"


def test_metadata_replaced(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": "1"}, ContentType="text/plain", CacheControl="no-store")
    s3.copy_object(
        Bucket=bucket, Key="copy", CopySource=f"{bucket}/k", MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/css"
    )
    got = s3.head_object(Bucket=bucket, Key="copy")
    assert (got["Metadata"], got["ContentType"], got.get("CacheControl")) == ({"b": "2"}, "text/css", None)


def test_metadata_is_ignored_unless_replaced(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": "1"})
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k", Metadata={"b": "2"})
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"a": "1"}


@pytest.mark.doors("aws")
def test_onto_itself(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": "1"})
    itself = {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k"}
    with refused("InvalidRequest", 400):
        s3.copy_object(**itself)
    s3.copy_object(MetadataDirective="REPLACE", Metadata={"b": "2"}, **itself)
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"b": "2"}
    s3.copy_object(StorageClass="STANDARD_IA", **itself)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (body(got), got["StorageClass"], got["Metadata"]) == (b"x", "STANDARD_IA", {"b": "2"})


def test_tags(s3, bucket, requires):
    requires("PutObjectTagging")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=2")
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=f"{bucket}/k")
    s3.copy_object(Bucket=bucket, Key="new", CopySource=f"{bucket}/k", TaggingDirective="REPLACE", Tagging="c=3")
    tags = {key: s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] for key in ("kept", "new")}
    assert sorted(tag["Key"] for tag in tags["kept"]) == ["a", "b"]
    assert tags["new"] == [{"Key": "c", "Value": "3"}]


def test_of_what_is_not_there(s3, bucket):
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/absent")
    with refused("NoSuchBucket", 404):
        s3.copy_object(Bucket=bucket, Key="copy", CopySource="no-such-bucket-here/k")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.doors("aws")
@pytest.mark.parametrize("source", ["", "bucket-alone", "/", "%ff/k"])
def test_source_that_names_nothing(wire, bucket, source):
    reply = wire.send("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": source})
    assert reply.status in (400, 404) and reply.code, reply.body


@pytest.mark.doors("aws")
@pytest.mark.parametrize("field", ["x-amz-metadata-directive", "x-amz-tagging-directive"])
def test_directive_refused(wire, s3, bucket, field):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    reply = wire.send("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"{bucket}/k", field: "MERGE"})
    assert (reply.status, reply.code) == (400, "InvalidArgument")


def test_survives_its_source(s3, bucket):
    data = noise(200_000, 4)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    s3.put_object(Bucket=bucket, Key="k", Body=b"overwritten")
    s3.copy_object(Bucket=bucket, Key="copy2", CopySource=f"{bucket}/copy")
    s3.delete_object(Bucket=bucket, Key="copy")
    assert body(s3.get_object(Bucket=bucket, Key="copy2")) == data
