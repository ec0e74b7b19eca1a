"""CORS: rules kept, preflights answered, and headers on the requests themselves."""

import pytest
from harness.expect import refused

RULES = [
    {
        "ID": "site", "AllowedOrigins": ["https://site.example", "https://*.wild.example"], "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["content-type", "x-amz-*"], "ExposeHeaders": ["ETag", "x-amz-request-id"], "MaxAgeSeconds": 600,
    },
    {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]},
]  # fmt: skip

# origin, method, headers asked for → allowed?
PREFLIGHTS = [
    ("https://site.example", "GET", "", True),
    ("https://site.example", "PUT", "content-type", True),
    ("https://site.example", "PUT", "Content-Type, X-Amz-Date", True),
    ("https://a.wild.example", "PUT", "x-amz-meta-a", True),
    ("https://site.example", "PUT", "x-other", False),
    ("https://site.example", "DELETE", "", False),
    ("https://other.example", "GET", "", True),
    ("https://other.example", "PUT", "", False),
    ("https://wild.example", "PUT", "", False),
    ("http://site.example", "PUT", "", False),
]


@pytest.fixture
def ruled(s3, bucket, requires):
    requires("PutBucketCors")
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    return bucket


def preflight(wire, target, origin, method, asked=""):
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    if asked:
        headers["Access-Control-Request-Headers"] = asked
    return wire.plain("OPTIONS", target, headers=headers)


def test_rules_are_kept(s3, ruled):
    assert s3.get_bucket_cors(Bucket=ruled)["CORSRules"] == RULES
    s3.delete_bucket_cors(Bucket=ruled)
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=ruled)


@pytest.mark.parametrize("origin,method,asked,allowed", PREFLIGHTS)
def test_preflight(wire, ruled, origin, method, asked, allowed):
    reply = preflight(wire, f"/{ruled}/k", origin, method, asked)
    if not allowed:
        assert (reply.status, reply.code) == (403, "AccessForbidden")
        return
    assert reply.status == 200
    assert method in reply.headers["access-control-allow-methods"]
    specific = "other" not in origin
    assert reply.headers["access-control-allow-origin"] == (origin if specific else "*")
    if specific:
        assert reply.headers["access-control-max-age"] == "600"
        assert "ETag" in reply.headers["access-control-expose-headers"]
        assert "Origin" in reply.headers["vary"]
    if asked:
        allowed_headers = reply.headers["access-control-allow-headers"].lower()
        assert all(name.strip().lower() in allowed_headers for name in asked.split(","))


def test_headers_on_real_requests(wire, ruled):
    reply = wire.send("GET", f"/{ruled}/k", headers={"Origin": "https://site.example"})
    assert (reply.status, reply.body) == (200, b"data")
    assert reply.headers["access-control-allow-origin"] == "https://site.example"
    assert "ETag" in reply.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in wire.send("GET", f"/{ruled}/k").headers
    refused_put = wire.send("PUT", f"/{ruled}/k2", b"x", {"Origin": "https://other.example"})
    assert refused_put.status == 200 and "access-control-allow-origin" not in refused_put.headers


def test_errors_carry_the_headers_too(wire, ruled):
    reply = wire.send("GET", f"/{ruled}/absent", headers={"Origin": "https://site.example"})
    assert (reply.status, reply.code) == (404, "NoSuchKey")
    assert reply.headers["access-control-allow-origin"] == "https://site.example"


def test_preflight_without_rules(wire, s3, bucket):
    reply = preflight(wire, f"/{bucket}/k", "https://site.example", "GET")
    assert (reply.status, reply.code) == (403, "AccessForbidden")


@pytest.mark.doors("aws")
@pytest.mark.parametrize("headers", [{}, {"Origin": "https://a.example"}, {"Access-Control-Request-Method": "GET"}])
def test_preflight_that_is_none(wire, bucket, headers):
    reply = wire.plain("OPTIONS", f"/{bucket}/k", headers=headers)
    assert (reply.status, reply.code) == (400, "BadRequest")


@pytest.mark.doors("aws")
@pytest.mark.parametrize("rule,code", [
    ({"AllowedOrigins": ["*"], "AllowedMethods": ["PATCH"]}, "InvalidRequest"),
    ({"AllowedOrigins": ["https://*.a.*"], "AllowedMethods": ["GET"]}, "InvalidRequest"),
    ({"AllowedOrigins": [], "AllowedMethods": ["GET"]}, "MalformedXML"),
])  # fmt: skip
def test_rule_refused(s3, bucket, rule, code):
    with refused(code, 400):
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})


@pytest.mark.doors("aws")
def test_a_hundred_rules_and_no_more(s3, bucket):
    rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule] * 100})
    with refused("MalformedXML", 400):
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule] * 101})
