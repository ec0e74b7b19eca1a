"""Environments are walled off: neither keys nor names of one mean anything in another."""

import pytest
from harness.doors import Door
from harness.expect import body, refused
from harness.wire import Wire


@pytest.fixture(scope="module")
def other(cloud):
    one = cloud.create()
    yield one
    one.delete()


def test_keys_of_another_environment(door, environment, other, s3, bucket):
    stranger = door.client(environment, other.keys(door.service))
    if door.addressing.startswith("bare"):
        pytest.skip("there the keys name the environment")
    for call in (
        lambda: stranger.list_objects_v2(Bucket=bucket),
        lambda: stranger.put_object(Bucket=bucket, Key="k", Body=b"x"),
        lambda: stranger.list_buckets(),
    ):
        with refused("InvalidAccessKeyId", 403):
            call()
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_the_same_bucket_name(door, environment, other):
    here, there = door.client(environment), door.client(other)
    for client, data in ((here, b"here"), (there, b"there")):
        client.create_bucket(Bucket="same-name")
        client.put_object(Bucket="same-name", Key="k", Body=data)
    assert (body(here.get_object(Bucket="same-name", Key="k")), body(there.get_object(Bucket="same-name", Key="k"))) == (b"here", b"there")


@pytest.mark.doors("aws")
def test_services_of_one_environment_have_buckets_of_their_own(door, environment, s3, bucket):
    r2 = Door("cloudflare_r2", "http", "prefix").client(environment)
    assert bucket not in [one["Name"] for one in r2.list_buckets()["Buckets"]]
    r2.create_bucket(Bucket=bucket)
    r2.put_object(Bucket=bucket, Key="only-in-r2", Body=b"x")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.doors("aws")
def test_keys_of_another_service(door, environment, bucket):
    for service in ("cloudflare_r2", "do_spaces"):
        stranger = door.client(environment, environment.keys(service), region="us-east-1")
        with refused("InvalidAccessKeyId", 403):
            stranger.list_objects_v2(Bucket=bucket)


def test_bare_endpoint_finds_the_environment_by_its_key(environment, other):
    bare = Door("aws_s3", "http", "bare")
    for one, data in ((environment, b"first"), (other, b"second")):
        client = bare.client(one)
        client.create_bucket(Bucket="by-key")
        client.put_object(Bucket="by-key", Key="k", Body=data)
    assert body(Door("aws_s3", "http", "prefix").client(environment).get_object(Bucket="by-key", Key="k")) == b"first"
    assert body(Door("aws_s3", "https", "virtual").client(other).get_object(Bucket="by-key", Key="k")) == b"second"


def test_requests_show_only_ones_own(environment, other):
    door = Door("aws_s3", "http", "prefix")
    door.client(other).create_bucket(Bucket="secret-name")
    seen = environment.call("GET", "/requests?limit=1000").text
    assert "secret-name" not in seen
    assert "secret-name" in other.call("GET", "/requests?limit=1000").text


def test_signature_is_bound_to_its_environment(environment, other):
    """A request signed for one environment, replayed at another's address with the same Host."""
    door = Door("aws_s3", "http", "prefix")
    here, there = Wire(door, environment), Wire(door, other)
    headers = here.signed("GET", "/same-name")
    reply = there.plain("GET", "/same-name", headers=headers)
    assert (reply.status, reply.code) == (403, "InvalidAccessKeyId")
