"""Presigned URLs, signature versions 4 and 2: followed, expired, tampered with."""

import dataclasses

import pytest
from harness.checksums import checksum
from harness.cloud import Keys
from harness.expect import body
from harness.raw import UNSIGNED, Signer, amz_date, canonical_query
from harness.wire import Wire

HOUR = 3600
# boto3's own default for an endpoint of ours is version 2, with one argument changed it is version 4.
VERSIONS = {"v4": "s3v4", "v2": "s3"}
# R2 takes version 4 only.
V2_SERVICES = ("aws_s3", "do_spaces")


@pytest.fixture(params=VERSIONS)
def version(request, door):
    if request.param == "v2" and door.service not in V2_SERVICES:
        pytest.skip(f"{door.service} has no version 2")
    return request.param


@pytest.fixture
def presign(door, environment, version):
    client = door.client(environment, signature=VERSIONS[version])

    def url(operation, expires=HOUR, **parameters):
        return client.generate_presigned_url(operation, parameters, ExpiresIn=expires)

    return url


KEYS = ["plain", "with space+plus", "per%cent/ünïcödé 🎉", "a//b", "q?m&x=y"]


@pytest.mark.doors("every")
def test_get_and_put(s3, wire, bucket, presign):
    put = wire.follow(presign("put_object", Bucket=bucket, Key="a b/k"), "PUT", b"by url")
    assert put.status == 200, put.body
    got = wire.follow(presign("get_object", Bucket=bucket, Key="a b/k"))
    assert (got.status, got.body) == (200, b"by url")


@pytest.mark.parametrize("key", KEYS)
def test_key(s3, wire, bucket, presign, key):
    assert wire.follow(presign("put_object", Bucket=bucket, Key=key), "PUT", b"by url").status == 200
    assert body(s3.get_object(Bucket=bucket, Key=key)) == b"by url"
    assert wire.follow(presign("get_object", Bucket=bucket, Key=key)).body == b"by url"


def test_other_operations(s3, wire, bucket, presign):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    assert wire.follow(presign("head_object", Bucket=bucket, Key="k"), "HEAD").headers["content-length"] == "4"
    assert b"<Key>k</Key>" in wire.follow(presign("list_objects_v2", Bucket=bucket)).body
    assert wire.follow(presign("delete_object", Bucket=bucket, Key="k"), "DELETE").status == 204
    assert wire.follow(presign("get_object", Bucket=bucket, Key="k")).code == "NoSuchKey"


def test_response_overrides(s3, wire, bucket, presign):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    url = presign("get_object", Bucket=bucket, Key="k", ResponseContentType="image/png", ResponseContentDisposition='inline; filename="ä b"')
    reply = wire.follow(url)
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")


def test_range_with_a_url(s3, wire, bucket, presign):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert wire.follow(presign("get_object", Bucket=bucket, Key="k"), headers={"Range": "bytes=2-4"}).body == b"234"


def test_upload_in_parts_by_url(s3, wire, bucket, presign):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    sent = wire.follow(presign("upload_part", Bucket=bucket, Key="k", UploadId=upload, PartNumber=1), "PUT", b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": sent.headers["etag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"part"


def test_signed_headers_must_come_along(s3, wire, bucket, presign):
    url = presign("put_object", Bucket=bucket, Key="k", ContentType="text/plain", Metadata={"a": "1"})
    headers = {"Content-Type": "text/plain", "x-amz-meta-a": "1"}
    assert wire.follow(url, "PUT", b"x", headers).status == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "1"}
    bad = wire.follow(url, "PUT", b"y", {**headers, "Content-Type": "text/html"})
    assert (bad.status, bad.code) == (403, "SignatureDoesNotMatch")


def test_wrong_method(s3, wire, bucket, presign):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    reply = wire.follow(presign("get_object", Bucket=bucket, Key="k"), "DELETE")
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"data"


def test_tampered(s3, wire, bucket, presign):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    s3.put_object(Bucket=bucket, Key="other", Body=b"secret")
    url = presign("get_object", Bucket=bucket, Key="k")
    bad = [url.replace("/k?", "/other?"), url.replace("Signature=", "Signature=0"), url + "&response-content-type=text/html"]
    for tampered in bad:
        reply = wire.follow(tampered)
        assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch"), tampered
        assert reply.body.count(b"secret") == 0


def test_expired(cloud, door, spare_environment, version):
    client = door.client(spare_environment, signature=VERSIONS[version])
    client.create_bucket(Bucket="expiring")
    client.put_object(Bucket="expiring", Key="k", Body=b"data")
    wire = Wire(door, spare_environment)
    short, long = (
        client.generate_presigned_url("get_object", {"Bucket": "expiring", "Key": "k"}, ExpiresIn=seconds)
        for seconds in (HOUR, 6 * 24 * HOUR)
    )
    assert wire.follow(short).status == 200
    spare_environment.advance(2 * HOUR)
    reply = wire.follow(short)
    assert (reply.status, reply.code) == (403, "AccessDenied") and b"Request has expired" in reply.body
    assert wire.follow(long).body == b"data"


def test_unknown_key(wire, door, environment, bucket, version):
    client = door.client(environment, Keys("AKIAUNKNOWNUNKNOWN00", "x" * 40, "us-east-1"), signature=VERSIONS[version])
    reply = wire.follow(client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}))
    assert (reply.status, reply.code) == (403, "InvalidAccessKeyId")


@pytest.mark.doors("each")
def test_version_2_where_there_is_none(door, environment, s3, wire, bucket):
    if door.service in V2_SERVICES:
        pytest.skip("has version 2")
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    url = door.client(environment, signature="s3").generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert 400 <= wire.follow(url).status < 500


@pytest.mark.doors("aws-both")
def test_url_of_the_default_client(door, environment, s3, wire, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    url = door.client(environment).generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert wire.follow(url).body == b"data"


@dataclasses.dataclass
class Query:
    """The query of a version 4 URL, with any parameter changed or left out before it is signed."""

    wire: Wire

    def target(self, bucket, key="k", drop=(), **changed):
        signer, date = Signer(self.wire.keys), amz_date()
        fields = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.wire.keys.access_key}/{signer.scope(date)}",
            "X-Amz-Date": date,
            "X-Amz-Expires": "60",
            "X-Amz-SignedHeaders": "host",
        }
        fields.update({name.replace("_", "-"): value for name, value in changed.items()})
        query = "&".join(f"{name}={value.replace('/', '%2F')}" for name, value in fields.items() if name not in drop)
        path = f"{self.wire.prefix}/{bucket}/{key}"
        canonical = "\n".join(["GET", path, canonical_query(query), f"host:{self.wire.host}", "", "host", UNSIGNED])
        signature = signer.signature(fields["X-Amz-Date"], canonical)
        return f"/{bucket}/{key}?{query}&X-Amz-Signature={signature}"


@pytest.mark.doors("aws")
@pytest.mark.parametrize("drop,changed,code", [
    ((), {}, ""),
    ((), {"X_Amz_Expires": "604800"}, ""),
    ((), {"X_Amz_Expires": "604801"}, "AuthorizationQueryParametersError"),
    ((), {"X_Amz_Expires": "-1"}, "AuthorizationQueryParametersError"),
    ((), {"X_Amz_Expires": "soon"}, "AuthorizationQueryParametersError"),
    ((), {"X_Amz_Date": "yesterday"}, "AuthorizationQueryParametersError"),
    ((), {"X_Amz_Credential": "short/scope"}, "AuthorizationQueryParametersError"),
    ((), {"X_Amz_Algorithm": "AWS4-HMAC-MD5"}, "AuthorizationQueryParametersError"),
    (("X-Amz-Expires",), {}, "AuthorizationQueryParametersError"),
    (("X-Amz-Date",), {}, "AuthorizationQueryParametersError"),
    (("X-Amz-Credential",), {}, "AuthorizationQueryParametersError"),
    (("X-Amz-SignedHeaders",), {}, "AuthorizationQueryParametersError"),
])  # fmt: skip
def test_parameters(s3, wire, bucket, drop, changed, code):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    reply = wire.plain("GET", Query(wire).target(bucket, drop=drop, **changed))
    assert reply.code == code, reply.body
    assert reply.status == (400 if code else 200)


@pytest.mark.doors("aws")
def test_checksum_in_the_query_is_only_a_hint(s3, wire, bucket, door, environment):
    """The JavaScript SDK puts the checksum of an empty body into the URL; no one holds the body to it."""
    client = door.client(environment, signature="s3v4")
    url = client.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"})
    signer, date = Signer(wire.keys), amz_date()
    fields = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{wire.keys.access_key}/{signer.scope(date)}".replace("/", "%2F"),
        "X-Amz-Date": date, "X-Amz-Expires": "60", "X-Amz-SignedHeaders": "host",
        "x-amz-checksum-crc32": "AAAAAA%3D%3D", "x-amz-sdk-checksum-algorithm": "CRC32", "x-id": "PutObject",
    }  # fmt: skip
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    canonical = "\n".join(["PUT", f"{wire.prefix}/{bucket}/k", canonical_query(query), f"host:{wire.host}", "", "host", UNSIGNED])
    target = f"/{bucket}/k?{query}&X-Amz-Signature={signer.signature(date, canonical)}"
    reply = wire.plain("PUT", target, b"not empty")
    assert reply.status == 200, reply.body
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED").get("ChecksumCRC32") in (None, checksum("CRC32", b"not empty"))
    assert wire.follow(url, "PUT", b"plain").status == 200
