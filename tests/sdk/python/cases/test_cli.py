"""The binary's own command line, with --json and without."""

import json
import os
import socket
import stat

import pytest
from harness.appliance import free_ports
from harness.cloud import Environment
from harness.doors import Door
from harness.expect import body

pytestmark = pytest.mark.own_appliance


@pytest.fixture
def cli(appliance):
    def run(*arguments, check=True, **options):
        done = appliance.cli(*arguments, "--json", "--data", str(appliance.data), check=False, **options)
        assert not check or done.returncode == 0, done.stderr
        return json.loads(done.stdout) if check else done

    return run


def test_life_of_an_environment(cli, cloud):
    made = cli("env", "create", "--name", "from-cli", "--services", "aws_s3,cloudflare_r2")
    environment = Environment(cloud, made)
    s3 = Door("aws_s3", "http", "prefix").client(environment)
    s3.create_bucket(Bucket="box")
    s3.put_object(Bucket="box", Key="k", Body=b"x")
    assert made["id"] in [one["id"] for one in cli("env", "list")["environments"]]
    assert cli("env", "show", made["id"])["name"] == "from-cli"
    branch = cli("env", "branch", made["id"])
    assert body(Door("aws_s3", "http", "prefix").client(Environment(cloud, branch)).get_object(Bucket="box", Key="k")) == b"x"
    assert cli("env", "clock", made["id"], "--advance", "5m")["offset_seconds"] == 300
    cli("env", "reset", made["id"])
    assert s3.list_buckets()["Buckets"] == []
    for one in (branch["id"], made["id"]):
        cli("env", "delete", one)
        assert cloud.call("GET", f"/environments/{one}").status == 404


def test_tokens(cli, cloud):
    made = cli("token", "create", "--name", "from-cli")
    assert cloud.call("GET", "/environments", token=made["token"]).status == 200
    assert made["id"] in [one["id"] for one in cli("token", "list")["tokens"]]
    cli("token", "revoke", made["id"])
    assert cloud.call("GET", "/environments", token=made["token"]).status == 401


def test_catalogue_and_doctor(cli, appliance):
    assert len(cli("catalogue")["services"]) == 45
    report = appliance.cli("doctor", "--json", "--data", str(appliance.data), "--port-offset", str(free_ports(1)[0] - 8080), check=False)
    assert json.loads(report.stdout)


def test_ca(appliance):
    path = appliance.ca
    assert "BEGIN CERTIFICATE" in open(path).read()
    private = [one for one in appliance.data.rglob("*key*.pem")]
    assert all(stat.S_IMODE(os.stat(one).st_mode) == 0o600 for one in private)


def test_for_people(appliance):
    told = appliance.cli("env", "create", "--name", "people", "--services", "aws_s3", "--data", str(appliance.data)).stdout
    assert "export AWS_ACCESS_KEY_ID=" in told and "env-" in told
    listed = appliance.cli("env", "list", "--data", str(appliance.data)).stdout
    assert "people" in listed
    assert "S3" in appliance.cli("catalogue", "--data", str(appliance.data)).stdout


def test_token_by_flag_and_variable(appliance, tmp_path):
    server = ["--url", appliance.url, "--data", str(tmp_path / "none")]
    for given in (["--token", appliance.token], []):
        env = {} if given else {"MOCKFACTORY_TOKEN": appliance.token}
        done = appliance.cli("env", "list", "--json", *server, *given, env=env, check=False)
        assert done.returncode == 0, done.stderr
    refused = appliance.cli("env", "list", *server, "--token", "wrong", check=False)
    assert refused.returncode != 0 and refused.stderr


@pytest.mark.parametrize("arguments", [
    ["env", "show", "env-none"], ["env", "create", "--services", "aws_teleport"], ["env", "create", "--services", "azure_blob"],
    ["env", "frobnicate"], ["--no-such-flag"],
])  # fmt: skip
def test_mistakes(cli, arguments):
    done = cli(*arguments, check=False)
    assert done.returncode != 0 and done.stderr.strip() and "panicked" not in done.stderr


def test_admin_token_is_private(appliance):
    assert stat.S_IMODE((appliance.data / "admin-token").stat().st_mode) == 0o600


def test_up_prints_what_a_newcomer_copies(appliance):
    log = appliance.log_text()
    assert str(appliance.http_port) in log and str(appliance.https_port) in log
    assert appliance.token in log and "aws --endpoint-url" in log


def test_port_taken(appliance, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free = free_ports(1)[0]
        done = appliance.cli(
            "up", "--data", str(tmp_path / "d"), "--http-port", str(port), "--https-port", str(free), check=False
        )
    assert done.returncode != 0 and str(port) in done.stderr + done.stdout and "--http-port" in done.stderr + done.stdout


def test_directory_taken(appliance):
    one, two = free_ports(2)
    done = appliance.cli("up", "--data", str(appliance.data), "--http-port", str(one), "--https-port", str(two), check=False)
    assert done.returncode != 0 and str(appliance.data) in done.stderr + done.stdout


def test_configuration(own_appliance, appliance, tmp_path):
    (tmp_path / "mockfactory.toml").write_text("no_such_key = 1\n")
    done = appliance.cli("up", "--config", str(tmp_path / "mockfactory.toml"), "--data", str(tmp_path / "d"), check=False)
    assert done.returncode != 0 and "no_such_key" in done.stderr + done.stdout


def test_start_is_quick(own_appliance):
    import time

    appliance = own_appliance()
    appliance.stop()
    times = []
    for _ in range(3):
        begun = time.monotonic()
        appliance.start()
        times.append(time.monotonic() - begun)
        assert appliance.stop() < 2
        assert appliance.process.returncode == 0, "ready, and deaf to signals"
    assert min(times) < 1.0, f"{min(times) * 1000:.0f} ms"
