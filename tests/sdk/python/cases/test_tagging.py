"""Tags of objects and buckets."""

import pytest
from harness.expect import headers, refused


@pytest.fixture(autouse=True)
def _has_tags(requires):
    requires("PutObjectTagging")


def tag_set(**tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tags_of(s3, bucket, key="k"):
    return {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}


def test_life_of_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert tags_of(s3, bucket) == {}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(a="1", b=""))
    assert tags_of(s3, bucket) == {"a": "1", "b": ""}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(c="3"))
    assert tags_of(s3, bucket) == {"c": "3"}
    assert headers(s3.get_object(Bucket=bucket, Key="k"))["x-amz-tagging-count"] == "1"
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert tags_of(s3, bucket) == {}
    assert "x-amz-tagging-count" not in headers(s3.get_object(Bucket=bucket, Key="k"))


def test_given_with_the_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=two%20words&c=%2B%3D&d=")
    assert tags_of(s3, bucket) == {"a": "1", "b": "two words", "c": "+=", "d": ""}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert tags_of(s3, bucket) == {}


def test_given_with_the_upload(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Tagging="a=1")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(
        Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    assert tags_of(s3, bucket) == {"a": "1"}


@pytest.mark.parametrize("tags,code", [
    ({f"k{number}": "v" for number in range(10)}, None),
    ({f"k{number}": "v" for number in range(11)}, "BadRequest"),
    ({"k" * 128: "v" * 256}, None),
    ({"k" * 129: "v"}, "InvalidTag"),
    ({"k": "v" * 257}, "InvalidTag"),
    ({"é 日本": "ü+-=._:/@"}, None),
    ({"a<b": "v"}, "InvalidTag"),
    ({"k": "{}"}, "InvalidTag"),
    ({"aws:reserved": "v"}, "InvalidTag"),
], ids=range(9))  # fmt: skip
def test_limits(s3, bucket, tags, code):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    if code is None:
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**tags))
        assert tags_of(s3, bucket) == tags
        return
    with refused(code, 400):
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**tags))
    assert tags_of(s3, bucket) == {}


def test_key_given_twice(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    with refused("InvalidTag", 400):
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=twice)
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=bucket, Key="k2", Body=b"x", Tagging="a=1&a=2")


def test_of_what_is_not_there(s3, bucket):
    with refused("NoSuchKey", 404):
        s3.get_object_tagging(Bucket=bucket, Key="absent")
    with refused("NoSuchKey", 404):
        s3.put_object_tagging(Bucket=bucket, Key="absent", Tagging=tag_set(a="1"))


def test_bucket_tags(s3, bucket, requires):
    requires("PutBucketTagging")
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(team="blue", cost="1"))
    assert {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]} == {"team": "blue", "cost": "1"}
    s3.delete_bucket_tagging(Bucket=bucket)
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)


def test_tags_change_neither_etag_nor_time(s3, bucket):
    before = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(a="1"))
    after = s3.head_object(Bucket=bucket, Key="k")
    assert (after["ETag"], after["LastModified"]) == (before, modified)
