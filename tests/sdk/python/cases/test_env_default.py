"""env-default: whoever comes from another emulator changes the port and nothing else."""

import pytest
from botocore import UNSIGNED
from harness.cloud import Environment, Keys
from harness.doors import Door
from harness.expect import body

TEST = Keys("test", "test", "us-east-1")
BARE = [Door("aws_s3", scheme, addressing) for scheme in ("http", "https") for addressing in ("bare", "bare-virtual")]


@pytest.fixture(scope="module")
def default(cloud):
    return cloud.get("env-default")


@pytest.mark.parametrize("door", BARE, ids=[door.name for door in BARE])
def test_bare_endpoint_with_any_keys(default, door):
    s3 = door.client(default, TEST)
    name = f"test-{door.name}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"data")
    assert body(door.client(default, Keys("anything", "at all", "eu-west-1")).get_object(Bucket=name, Key="k")) == b"data"


def test_the_first_command_of_the_readme(default, tmp_path):
    """`aws s3 mb s3://b`: S3 itself asks for three characters; who hard-codes `test` as a key does not care."""
    from harness.tools import AwsCli

    aws = AwsCli(Door("aws_s3", "http", "bare"), default, tmp_path, None)
    aws.env.update({"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"})
    aws("s3", "mb", "s3://b")
    aws("s3", "cp", "-", "s3://b/hello.txt", stdin=b"hello")
    assert b"hello.txt" in aws("s3", "ls", "s3://b").stdout
    assert aws("s3", "cp", "s3://b/hello.txt", "-").stdout == b"hello"


def test_it_is_relaxed_and_has_every_built_service(default, cloud):
    built = {row["id"] for row in cloud.catalogue().values() if row["built"]}
    assert (default.record["auth"], set(default.record["services"]), default.record["expires_at"]) == ("relaxed", built, None)


@pytest.mark.parametrize("service", ["aws_s3", "cloudflare_r2", "do_spaces"])
def test_every_service_by_path(default, service):
    s3 = Door(service, "http", "prefix").client(default, TEST)
    s3.create_bucket(Bucket="by-path")
    s3.put_object(Bucket="by-path", Key="k", Body=b"data")
    assert body(s3.get_object(Bucket="by-path", Key="k")) == b"data"


def test_twelve_digits_name_the_account(default):
    door = Door("aws_s3", "http", "bare")
    one, two = (door.client(default, Keys(account, "x", "us-east-1")) for account in ("111111111111", "222222222222"))
    one.create_bucket(Bucket="of-account-one")
    two.create_bucket(Bucket="of-account-two")
    listed = [{bucket["Name"] for bucket in client.list_buckets()["Buckets"]} for client in (one, two)]
    assert "of-account-one" in listed[0] and "of-account-one" not in listed[1]
    assert "of-account-two" in listed[1] and "of-account-two" not in listed[0]
    assert one.list_buckets()["Owner"]["ID"] != two.list_buckets()["Owner"]["ID"]


def test_framing_and_checksums_are_still_held_to(default):
    """Relaxed is about who signs, not about what arrives."""
    s3 = Door("aws_s3", "https", "bare").client(default, TEST)
    s3.create_bucket(Bucket="framing")
    s3.put_object(Bucket="framing", Key="k", Body=b"chunked with a trailer", ChecksumAlgorithm="SHA256")
    assert body(s3.get_object(Bucket="framing", Key="k")) == b"chunked with a trailer"


def test_relaxed_environment_of_ones_own(cloud):
    environment = cloud.create(auth="relaxed")
    assert isinstance(environment, Environment)
    door = Door("aws_s3", "http", "prefix")
    door.client(environment, TEST).create_bucket(Bucket="relaxed")
    cloud.must("PATCH", f"/environments/{environment.id}", {"auth": "strict"})
    from harness.expect import refused

    with refused("InvalidAccessKeyId", 403):
        door.client(environment, TEST).list_buckets()
    assert door.client(environment).list_buckets()["Buckets"]
    environment.delete()


@pytest.mark.own_appliance
def test_appliance_without_it(own_appliance):
    from harness.cloud import Cloud
    from harness.wire import Wire

    cloud = Cloud(own_appliance("--no-default-environment"))
    assert cloud.call("GET", "/environments/env-default").status == 404
    environment = cloud.create()
    wire = Wire(Door("aws_s3", "http", "bare"), environment)
    reply = wire.send("GET", "/", keys=TEST)
    assert (reply.status, reply.code) == (403, "InvalidAccessKeyId")
    assert wire.send("GET", "/").status == 200


def test_no_credentials_at_all(default):
    """A request without credentials is the owner's, as other emulators have it."""
    door = BARE[0]
    door.client(default, TEST).create_bucket(Bucket="unsigned")
    unsigned = door.client(default, TEST, signature=UNSIGNED)
    unsigned.put_object(Bucket="unsigned", Key="k", Body=b"data")
    assert body(unsigned.get_object(Bucket="unsigned", Key="k")) == b"data"
