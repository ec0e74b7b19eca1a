"""Canned ACLs of the owner: private, or readable by everyone."""

import pytest
from harness.expect import refused


@pytest.fixture(autouse=True)
def _has_acl(requires):
    requires("PutObjectAcl")


def groups(answer):
    return {(grant["Grantee"].get("URI", "owner").rsplit("/", 1)[-1], grant["Permission"]) for grant in answer["Grants"]}


def test_private_by_default(wire, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    assert groups(s3.get_object_acl(Bucket=bucket, Key="k")) == {("owner", "FULL_CONTROL")}
    assert groups(s3.get_bucket_acl(Bucket=bucket)) == {("owner", "FULL_CONTROL")}
    for method, target in (("GET", f"/{bucket}/k"), ("PUT", f"/{bucket}/k2"), ("GET", f"/{bucket}"), ("DELETE", f"/{bucket}/k")):
        reply = wire.plain(method, target, headers={"Content-Length": "0"})
        assert (reply.status, reply.code) == (403, "AccessDenied"), (method, target)
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 6


def test_public_object(wire, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"open", ACL="public-read")
    reply = wire.plain("GET", f"/{bucket}/k")
    assert (reply.status, reply.body) == (200, b"open")
    assert wire.plain("GET", f"/{bucket}").status == 403
    assert wire.plain("PUT", f"/{bucket}/k", b"x").status == 403
    assert ("AllUsers", "READ") in groups(s3.get_object_acl(Bucket=bucket, Key="k"))
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    assert wire.plain("GET", f"/{bucket}/k").status == 403


def test_public_bucket(wire, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert wire.plain("GET", f"/{bucket}?list-type=2").status == 200
    assert wire.plain("GET", f"/{bucket}/k").status == 403
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert wire.plain("GET", f"/{bucket}?list-type=2").status == 403


def test_acl_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with refused("InvalidArgument", 400):
        s3.put_object_acl(Bucket=bucket, Key="k", ACL="everyone")


def test_anonymous_may_not_override_headers(wire, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"open", ACL="public-read")
    reply = wire.plain("GET", f"/{bucket}/k?response-content-type=text/html")
    assert (reply.status, reply.code) == (400, "InvalidRequest")
