"""The control plane as DESIGN has it; every answer is also held against its own OpenAPI document (harness/cloud.py)."""

import datetime
import re

import pytest
from harness.cloud import SERVICES
from harness.doors import Door
from harness.expect import body, refused
from openapi_spec_validator import validate

EXAMPLE = ["aws_s3", "azure_blob", "gcp_storage", "cloudflare_r2", "supabase_postgres", "neon_postgres"]
BARE = Door("aws_s3", "http", "bare")


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.fixture
def made(cloud):
    """Makes environments that end with the case."""
    environments = []

    def create(*arguments, **fields):
        environments.append(cloud.create(*arguments, **fields))
        return environments[-1]

    yield create
    for environment in environments:
        cloud.call("DELETE", f"/environments/{environment.id}")


# ---- environments ---------------------------------------------------------------------------------------------------


def test_create(cloud):
    answer = cloud.call("POST", "/environments", {"name": "mine", "provider": "multi-cloud", "services": SERVICES})
    record = answer.json
    assert (answer.status, answer.headers["Location"]) == (201, f"/api/v1/environments/{record['id']}")
    assert re.fullmatch(r"env-[a-z0-9]+", record["id"])
    assert (record["name"], record["provider"], record["state"], record["auth"]) == ("mine", "multi-cloud", "ready", "strict")
    assert set(record["services"]) == set(record["endpoints"]) == set(record["path_endpoints"]) == set(SERVICES)
    port = cloud.port("https")
    assert record["endpoints"]["aws_s3"] == f"https://s3.{record['id']}.{cloud.domain}:{port}"
    assert record["endpoints"]["cloudflare_r2"] == f"https://cloudflare.{record['id']}.{cloud.domain}:{port}/r2"
    assert record["endpoints"]["do_spaces"] == f"https://digitalocean.{record['id']}.{cloud.domain}:{port}/v2/spaces"
    assert record["path_endpoints"]["aws_s3"] == f"http://localhost:{cloud.port('http')}/env/{record['id']}/s3"
    credentials = record["credentials"]
    assert set(credentials["aws"]) == {
        "account_id", "access_key_id", "secret_access_key", "region", "canonical_user_id", "display_name",
    }  # fmt: skip
    assert set(credentials["cloudflare"]) == {"account_id", "api_token", "r2_access_key_id", "r2_secret_access_key"}
    assert set(credentials["digitalocean"]) == {"token", "spaces_access_key_id", "spaces_secret_access_key"}
    assert abs(instant(record["created_at"]) - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=1)
    assert cloud.call("DELETE", f"/environments/{record['id']}").status == 204


@pytest.mark.parametrize("service", SERVICES)
def test_endpoints_work_as_handed_out(made, cloud, service):
    import boto3
    from botocore.config import Config

    environment = made()
    keys = environment.keys(service)
    for url in (environment.record["endpoints"][service], environment.record["path_endpoints"][service]):
        s3 = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key,
            region_name=keys.region, verify=cloud.ca, config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip
        s3.create_bucket(Bucket="handed-out") if not s3.list_buckets()["Buckets"] else None
        s3.put_object(Bucket="handed-out", Key="k", Body=b"data")
        assert body(s3.get_object(Bucket="handed-out", Key="k")) == b"data"


def test_services_not_built_yet(cloud):
    answer = cloud.call("POST", "/environments", {"name": "later", "services": EXAMPLE})
    assert (answer.status, answer.error) == (501, "not_implemented")
    for service in ("azure_blob", "gcp_storage", "supabase_postgres", "neon_postgres"):
        assert service in answer.text
    assert "cloudflare_r2" not in answer.json["error"]["message"]


# body → status, code
CREATE_REFUSED = [
    (b"{", 400, "invalid_json"),
    (b"[]", 400, "invalid_request"),
    ({"services": ["aws_s3"], "colour": "blue"}, 400, "invalid_request"),
    ({"services": ["aws_teleport"]}, 400, None),
    ({"services": []}, 400, "invalid_request"),
    ({"services": "aws_s3"}, 400, "invalid_request"),
    ({"services": [1]}, 400, "invalid_request"),
    ({"services": ["aws_s3"], "name": ""}, 400, "invalid_request"),
    ({"services": ["aws_s3"], "name": "x" * 64}, 400, "invalid_request"),
    ({"services": ["aws_s3"], "auth": "open"}, 400, "invalid_request"),
    ({"services": ["aws_s3"], "expires_in": "soon"}, 400, "invalid_request"),
    ({"services": ["aws_s3"], "expires_in": -5}, 400, "invalid_request"),
    ({"provider": "acme"}, 400, "invalid_request"),
    ({"package": "everything-and-more"}, 400, "invalid_request"),
    (b'{"name": "' + b"x" * 3_000_000 + b'"}', 413, None),
]


@pytest.mark.parametrize("sent,status,code", CREATE_REFUSED, ids=range(len(CREATE_REFUSED)))
def test_create_refused(cloud, sent, status, code):
    before = len(cloud.environments())
    answer = cloud.call("POST", "/environments", sent)
    assert answer.status == status and code in (None, answer.error), answer.text
    assert set(answer.json["error"]) == {"code", "message", "detail"}
    assert len(cloud.environments()) == before


@pytest.mark.parametrize("fields,services", [
    ({"provider": "aws"}, ["aws_s3"]), ({"provider": "cloudflare"}, ["cloudflare_r2"]), ({"services": ["do_spaces", "do_spaces"]}, ["do_spaces"]),
])  # fmt: skip
def test_services_asked_for_otherwise(cloud, fields, services):
    record = cloud.must("POST", "/environments", {"name": "x", **fields})
    assert record["services"] == services
    cloud.must("DELETE", f"/environments/{record['id']}")


def test_list_is_paged_and_filtered(cloud, made):
    ids = [made(name="paged-one").id for _ in range(5)]
    found, cursor = [], ""
    while cursor is not None:
        page = cloud.must("GET", f"/environments?limit=2&name=paged-one{cursor and '&cursor=' + cursor}")
        assert len(page["environments"]) <= 2
        found += [one["id"] for one in page["environments"]]
        cursor = page["next_cursor"]
    assert found == ids
    assert cloud.call("GET", "/environments?limit=0").status == 400
    assert cloud.call("GET", "/environments?cursor=junk").status == 400


def test_patch(cloud, made):
    environment = made(["aws_s3"], name="before")
    path = f"/environments/{environment.id}"
    expires = "2099-01-31T12:00:00Z"
    record = cloud.must("PATCH", path, {"name": "after", "services": SERVICES, "expires_at": expires, "idle_stop": "2h"})
    assert (record["name"], set(record["services"]), record["idle_stop"]) == ("after", set(SERVICES), 7200)
    assert instant(record["expires_at"]) == instant(expires)
    assert {"aws", "cloudflare", "digitalocean"} == set(record["credentials"])
    assert record["credentials"]["aws"] == environment.record["credentials"]["aws"]
    environment.record = record
    Door("cloudflare_r2", "http", "prefix").client(environment).create_bucket(Bucket="added")
    assert cloud.must("PATCH", path, {"expires_at": None})["expires_at"] is None
    assert cloud.call("PATCH", path, {"id": "env-other"}).error == "invalid_request"


def test_stop_and_start(cloud, made):
    environment = made()
    s3 = BARE.client(environment)
    s3.create_bucket(Bucket="kept")
    cloud.must("PATCH", f"/environments/{environment.id}", {"state": "stopped"})
    with pytest.raises(Exception) as caught:
        s3.list_buckets()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 503)
    cloud.must("PATCH", f"/environments/{environment.id}", {"state": "ready"})
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["kept"]


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/environments/env-none", 404), ("DELETE", "/environments/env-none", 404), ("PATCH", "/environments/env-none", 404),
    ("POST", "/environments/env-none/branches", 404), ("POST", "/environments/env-none/reset", 404),
    ("GET", "/environments/env-none/usage", 404), ("GET", "/environments/..%2f..%2fetc", 404), ("GET", "/nothing", 404),
    ("PUT", "/environments", 405), ("DELETE", "/catalogue", 405), ("GET", "/tokens/none", 405), ("DELETE", "/tokens/none", 404),
])  # fmt: skip
def test_nothing_there(cloud, method, path, status):
    answer = cloud.call(method, path, {} if method in ("POST", "PATCH") else None)
    assert answer.status == status and answer.json["error"]["message"], answer.text
    if status == 405:
        assert answer.headers["Allow"]


# ---- branches, reset, clock, expiry ---------------------------------------------------------------------------------


def fill(environment, **objects):
    s3 = BARE.client(environment)
    if "box" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="box")
    for key, data in objects.items():
        s3.put_object(Bucket="box", Key=key, Body=data)


def read(environment, key):
    return body(BARE.client(environment).get_object(Bucket="box", Key=key))


def test_branch(cloud, made):
    parent = made()
    large = b"L" * 3_000_000
    fill(parent, same=b"parent", large=large)
    branch = parent.branch(name="a branch")
    assert (branch.record["parent"], branch.record["name"]) == (parent.id, "a branch")
    assert branch.keys("aws_s3").access_key != parent.keys("aws_s3").access_key
    assert (read(branch, "same"), read(branch, "large")) == (b"parent", large)
    fill(branch, same=b"branch", only=b"branch")
    fill(parent, later=b"parent")
    assert (read(parent, "same"), read(branch, "same")) == (b"parent", b"branch")
    for environment, key in ((parent, "only"), (branch, "later")):
        with refused("NoSuchKey", 404):
            read(environment, key)
    assert [one["id"] for one in cloud.must("GET", f"/environments/{parent.id}/branches")["environments"]] == [branch.id]
    nested = branch.branch()
    assert read(nested, "only") == b"branch"
    parent.delete()
    assert (read(branch, "large"), read(nested, "large")) == (large, large)
    branch.delete()
    nested.delete()


def test_reset(cloud, made):
    environment = made()
    fill(environment, k=b"x")
    cloud.must("POST", f"/environments/{environment.id}/reset")
    assert BARE.client(environment).list_buckets()["Buckets"] == []
    fill(environment, k=b"base")
    branch = environment.branch()
    fill(branch, k=b"changed", extra=b"x")
    cloud.must("POST", f"/environments/{branch.id}/reset")
    assert read(branch, "k") == b"base"
    with refused("NoSuchKey", 404):
        read(branch, "extra")
    branch.delete()


def test_clock(cloud, made):
    environment = made()
    fill(environment, before=b"x")
    answer = cloud.must("POST", f"/environments/{environment.id}/clock", {"advance": "10m"})
    assert answer["offset_seconds"] == 600
    fill(environment, after=b"x")
    s3 = BARE.client(environment)
    times = {one["Key"]: one["LastModified"] for one in s3.list_objects_v2(Bucket="box")["Contents"]}
    assert times["after"] - times["before"] >= datetime.timedelta(seconds=600)
    assert cloud.must("POST", f"/environments/{environment.id}/clock", {"advance": 60})["offset_seconds"] == 660
    # Clients go on signing with their own clocks.
    environment.advance(3600)
    assert s3.list_buckets()["Buckets"]
    for bad in ({}, {"advance": 0}, {"advance": -1}, {"advance": "x"}, {"advance": 1, "more": 2}):
        assert cloud.call("POST", f"/environments/{environment.id}/clock", bad).status == 400


def test_expiry(cloud, made):
    environment = made(expires_in="1h")
    left = instant(environment.record["expires_at"]) - instant(environment.record["created_at"])
    assert abs(left.total_seconds() - 3600) < 5
    fill(environment, k=b"x")
    environment.advance(3700)
    wait_for(lambda: cloud.must("GET", f"/environments/{environment.id}")["state"] == "stopped")
    assert cloud.must("GET", f"/environments/{environment.id}")["stop_reason"] == "expired"


def wait_for(condition, seconds=15):
    import time

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)  # what is waited for happens on the appliance's own ticks


def test_idle_stop(cloud, made):
    environment = made(idle_stop=1)
    fill(environment, k=b"x")
    wait_for(lambda: cloud.must("GET", f"/environments/{environment.id}")["state"] == "stopped")
    assert cloud.must("GET", f"/environments/{environment.id}")["stop_reason"] == "idle"


# ---- usage, requests, accounts --------------------------------------------------------------------------------------


def test_usage(cloud, made):
    environment = made()
    fill(environment, a=b"x" * 1000, large=b"x" * 50_000)
    BARE.client(environment).get_object(Bucket="box", Key="large")["Body"].read()
    usage = cloud.must("GET", f"/environments/{environment.id}/usage")
    counts = usage["services"]["aws_s3"]
    assert counts["requests"] >= 5 and counts["bytes_in"] >= 51_000 and counts["bytes_out"] >= 50_000
    assert (usage["objects"], usage["environment"]) == (2, environment.id) and usage["stored_bytes"] >= 51_000
    assert usage["cost"] >= 0


def test_requests(cloud, made):
    environment = made()
    fill(environment, k=b"data")
    with refused("NoSuchKey"):
        read(environment, "absent")
    rows = cloud.must("GET", f"/environments/{environment.id}/requests?limit=100")["requests"]
    operations = [(row["operation"], row["method"], row["status"], row["error"]) for row in rows]
    assert ("CreateBucket", "PUT", 200, None) in operations
    assert ("PutObject", "PUT", 200, None) in operations
    assert ("GetObject", "GET", 404, "NoSuchKey") in operations
    assert all(row["service"] == "aws_s3" and row["request_id"] for row in rows)
    some = cloud.must("GET", f"/environments/{environment.id}/requests?limit=2")
    more = cloud.must("GET", f"/environments/{environment.id}/requests?after={some['next']}")
    assert [row["sequence"] for row in some["requests"] + more["requests"]] == [row["sequence"] for row in rows]


def test_accounts(cloud, made):
    environment = made()
    answer = environment.call("POST", "/accounts", {"provider": "aws", "name": "second"})
    account = answer.json
    assert answer.status == 201 and account["account_id"] != environment.record["credentials"]["aws"]["account_id"]
    listed = environment.call("GET", "/accounts").json["accounts"]
    assert [one["account_id"] for one in listed] == [account["account_id"]]
    assert environment.call("POST", "/accounts", {"provider": "azure", "name": "x"}).status in (400, 501)
    assert environment.call("DELETE", f"/accounts/{account['account_id']}").status == 204


# ---- catalogue, prices, tokens, document, health --------------------------------------------------------------------


def test_catalogue(cloud):
    rows = cloud.catalogue()
    assert len(rows) == 45
    assert {name for name, row in rows.items() if row["built"]} >= set(SERVICES)
    assert rows["neon_postgres"]["hourly_rate"] == 0.25 and rows["aws_s3"]["hourly_rate"] == 0.10
    for service in SERVICES:
        levels = cloud.levels(service)
        assert levels["PutObject"] == "full" and set(levels.values()) <= {"full", "partial", "absent"}


@pytest.mark.parametrize("services,rate", [(["aws_s3"], 0.10), (["aws_s3", "do_spaces"], 0.20), (SERVICES, 0.30)])
def test_rate(made, services, rate):
    assert made(services).record["hourly_rate"] == rate


def test_packages(cloud):
    rates = {row["title"]: row["hourly_rate"] for row in cloud.must("GET", "/packages")["packages"]}
    assert sorted(rates.values()) == sorted([0.33, 0.75, 0.33, 0.33, 0.40, 0.25, 0.35, 0.40, 0.50, 1.00])


def test_tokens(cloud):
    environment = cloud.create()
    reader = cloud.must("POST", "/tokens", {"name": "reader", "scope": "read"})
    admin = cloud.must("POST", "/tokens", {"name": "second admin"})
    shown = cloud.call("GET", f"/environments/{environment.id}", token=reader["token"])
    assert shown.status == 200 and "credentials" not in shown.json
    assert cloud.call("DELETE", f"/environments/{environment.id}", token=reader["token"]).status == 403
    assert cloud.call("POST", "/environments", {"services": ["aws_s3"]}, token=reader["token"]).status == 403
    assert "credentials" in cloud.call("GET", f"/environments/{environment.id}", token=admin["token"]).json
    listed = cloud.must("GET", "/tokens")["tokens"]
    assert {"reader", "second admin"} <= {one["name"] for one in listed} and all("token" not in one for one in listed)
    for token in (reader, admin):
        cloud.must("DELETE", f"/tokens/{token['id']}")
        assert cloud.call("GET", "/environments", token=token["token"]).status == 401
    environment.delete()


@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_unauthenticated(cloud, headers):
    answer = cloud.call("GET", "/environments", headers=headers)
    assert answer.status == 401 and answer.json["error"]["code"]


def test_document(cloud):
    document = cloud.document().document
    validate(document)
    assert document["openapi"].startswith("3.1")
    for path in ("/environments", "/environments/{id}", "/environments/{id}/branches", "/catalogue", "/packages", "/tokens"):
        assert any(known.endswith(path) for known in document["paths"])


def test_health_and_metrics(cloud):
    assert (cloud.plain("GET", "/healthz").status, cloud.plain("GET", "/readyz").status) == (200, 200)
    answer = cloud.plain("GET", "/metrics", headers={"Authorization": f"Bearer {cloud.appliance.token}"})
    assert answer.status == 200 and "# TYPE" in answer.text and "requests" in answer.text


def test_control_plane_is_not_an_environments(environment, cloud):
    from harness.wire import Wire

    reply = Wire(Door("aws_s3", "http", "host"), environment).plain("GET", "/api/v1/environments")
    assert reply.status in (403, 404) and b"environments" not in reply.body.replace(b"/api/v1/environments", b"")


def test_creation_is_quick(cloud):
    """An S3-only environment under 20 ms at the median (here with Python's HTTP client in the count)."""
    import statistics
    import time

    times, made = [], []
    for _ in range(31):
        begun = time.perf_counter()
        made.append(cloud.create(["aws_s3"]))
        times.append(time.perf_counter() - begun)
    for environment in made:
        environment.delete()
    assert statistics.median(times) < 0.040, f"{statistics.median(times) * 1000:.1f} ms"
