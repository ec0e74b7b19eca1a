"""Environments, services and hosts that do not exist, and requests that could name several."""

import pytest
from harness.doors import Door
from harness.raw import Connection
from harness.wire import Wire


@pytest.fixture
def get(cloud):
    def request(target, host="localhost", scheme="http"):
        secure = scheme == "https"
        with Connection(cloud.port(scheme), host.split(":")[0] if secure else None, cloud.ca if secure else None) as one:
            return one.request("GET", target, {"Host": host})

    return request


@pytest.mark.parametrize("target,host,statuses", [
    ("/env/env-none/s3/b", "localhost", (404,)),
    ("/b", "s3.env-none.mockfactory.localhost", (404,)),
    ("/b", "aws_sqs.env-none.mockfactory.localhost", (404, 501)),
    ("/env/", "localhost", (400, 404)),
    ("/env/env-none", "localhost", (400, 404)),
    ("/b", "example.com", (400, 404, 421)),
    ("/b", "a b", (400,)),
    ("/b", "", (400, 403, 404)),
])  # fmt: skip
def test_nothing_there(get, target, host, statuses):
    reply = get(target, host)
    assert reply.status in statuses and reply.body, (reply.status, reply.body)


def test_service_the_environment_was_not_made_with(cloud, get):
    environment = cloud.create(["aws_s3"])
    reply = get(f"/env/{environment.id}/r2/b")
    assert reply.status in (403, 404) and reply.body
    environment.delete()


def test_service_nobody_knows(environment, get):
    assert get(f"/env/{environment.id}/teleport/b").status == 404


def test_deleted_environment(cloud):
    environment = cloud.create()
    door = Door("aws_s3", "http", "prefix")
    wire = Wire(door, environment)
    door.client(environment).create_bucket(Bucket="gone")
    environment.delete()
    reply = wire.send("GET", "/gone")
    assert reply.status in (403, 404) and reply.body
    bare = Wire(Door("aws_s3", "http", "bare"), environment)
    assert bare.send("GET", "/gone").status in (403, 404)


def test_unknown_key_at_the_bare_endpoint_never_reaches_a_strict_environment(environment, cloud):
    """It is env-default's: relaxed, and with buckets of its own."""
    door = Door("aws_s3", "http", "prefix")
    door.client(environment).create_bucket(Bucket="strict-bucket")
    from harness.cloud import Keys

    stranger = Door("aws_s3", "http", "bare").client(environment, Keys("nobody", "nothing", "us-east-1"))
    assert "strict-bucket" not in [bucket["Name"] for bucket in stranger.list_buckets()["Buckets"]]
