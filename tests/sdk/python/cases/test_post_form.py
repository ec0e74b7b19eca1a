"""Uploads by HTML form: POST with a signed policy."""

import base64
import datetime
import hmac
import json

import pytest
from harness.expect import body, noise
from harness.raw import amz_date, form_data, Signer


@pytest.fixture(autouse=True)
def _has_forms(requires):
    requires("PostObject")


def post(wire, form, file, fields=(), drop=(), url=None, filename="file.bin"):
    """Sends a form as generate_presigned_post answered it, with fields added or left out."""
    pairs = [(name, value) for name, value in form["fields"].items() if name not in drop]
    sent, content_type = form_data([*pairs, *fields], file, filename)
    return wire.follow(url or form["url"], "POST", sent, {"Content-Type": content_type})


@pytest.fixture
def sign(s3, bucket):
    def form(key="k", fields=None, conditions=None, expires=3600):
        return s3.generate_presigned_post(bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=expires)

    return form


@pytest.mark.doors("every")
def test_upload(s3, wire, bucket, sign):
    reply = post(wire, sign("dir/a b.bin"), noise(40_000))
    assert reply.status == 204, reply.body
    assert reply.headers["etag"] and reply.headers["location"]
    assert body(s3.get_object(Bucket=bucket, Key="dir/a b.bin")) == noise(40_000)


def test_filename_stands_in_the_key(s3, wire, bucket, sign):
    assert post(wire, sign("in/${filename}"), b"x", filename="résumé 1.txt").status == 204
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["in/résumé 1.txt"]


def test_fields_become_headers(s3, wire, bucket, sign):
    fields = {"Content-Type": "text/plain", "Cache-Control": "no-store", "x-amz-meta-colour": "blue", "Content-Disposition": "inline"}
    form = sign(fields=fields, conditions=[{name: value} for name, value in fields.items()])
    assert post(wire, form, b"x").status == 204
    got = s3.head_object(Bucket=bucket, Key="k")
    assert (got["ContentType"], got["CacheControl"], got["Metadata"]) == ("text/plain", "no-store", {"colour": "blue"})


@pytest.mark.parametrize("status", ["200", "201", "204", "299"])
def test_success_status(wire, bucket, sign, status):
    fields = {"success_action_status": status}
    reply = post(wire, sign(fields=fields, conditions=[fields]), b"x")
    assert reply.status == (int(status) if status != "299" else 204)
    if status == "201":
        assert reply.element("Key") == "k" and reply.element("Bucket") == bucket and reply.element("ETag")
        assert reply.element("Location")


def test_success_redirect(wire, bucket, sign):
    fields = {"success_action_redirect": "https://site.example/done?a=1"}
    reply = post(wire, sign(fields=fields, conditions=[fields]), b"x")
    assert reply.status == 303
    assert reply.headers["location"].startswith("https://site.example/done?a=1&bucket=" + bucket)
    assert "key=k" in reply.headers["location"] and "etag=" in reply.headers["location"]


# conditions, extra fields, file size → status, code
CONDITIONS = [
    ([["content-length-range", 1, 10]], {}, 10, 204, ""),
    ([["content-length-range", 1, 10]], {}, 11, 400, "EntityTooLarge"),
    ([["content-length-range", 1, 10]], {}, 0, 400, "EntityTooSmall"),
    ([["starts-with", "$Content-Type", "image/"]], {"Content-Type": "image/png"}, 1, 204, ""),
    ([["starts-with", "$Content-Type", "image/"]], {"Content-Type": "text/html"}, 1, 403, "AccessDenied"),
    ([["starts-with", "$x-amz-meta-a", ""]], {"x-amz-meta-a": "anything"}, 1, 204, ""),
    ([["eq", "$acl", "private"]], {"acl": "private"}, 1, 204, ""),
    ([["eq", "$acl", "private"]], {"acl": "public-read"}, 1, 403, "AccessDenied"),
    ([["eq", "$acl", "private"]], {}, 1, 403, "AccessDenied"),
    ([], {"x-amz-meta-extra": "1"}, 1, 403, "AccessDenied"),
    ([], {"x-ignore-this": "1"}, 1, 204, ""),
]


@pytest.mark.parametrize("conditions,fields,size,status,code", CONDITIONS, ids=range(len(CONDITIONS)))
def test_policy(s3, wire, bucket, sign, conditions, fields, size, status, code):
    reply = post(wire, sign(conditions=conditions), b"x" * size, fields.items())
    assert (reply.status, reply.code) == (status, code), reply.body
    assert ("Contents" in s3.list_objects_v2(Bucket=bucket)) == (status == 204)


def test_another_key_or_bucket(s3, wire, bucket, new_bucket, sign):
    form = sign("mine")
    elsewhere = new_bucket()
    assert post(wire, form, b"x", [("key", "theirs")], drop=["key"]).code == "AccessDenied"
    assert post(wire, form, b"x", url=form["url"].replace(bucket, elsewhere)).code == "AccessDenied"
    assert "Contents" not in s3.list_objects_v2(Bucket=elsewhere)


def test_expired(wire, sign):
    form = sign(expires=-10)
    reply = post(wire, form, b"x")
    assert (reply.status, reply.code) == (403, "AccessDenied") and b"expired" in reply.body


def test_tampered(wire, sign):
    form = sign()
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    policy["conditions"] = [condition for condition in policy["conditions"] if condition != {"key": "k"}]
    form["fields"]["policy"] = base64.b64encode(json.dumps(policy).encode()).decode()
    reply = post(wire, form, b"x")
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")


@pytest.mark.doors("aws")
@pytest.mark.parametrize("field,status", [("policy", (400, 403)), ("key", (400,)), ("signature", (400, 403))])
def test_field_left_out(door, environment, wire, bucket, field, status):
    client = door.client(environment, signature="s3v4")
    form = client.generate_presigned_post(bucket, "k")
    name = "x-amz-signature" if field == "signature" else field
    reply = post(wire, form, b"x", drop=[name])
    assert reply.status in status and reply.code


@pytest.mark.doors("aws")
def test_without_a_file(wire, bucket, sign):
    form = sign()
    sent, content_type = form_data(list(form["fields"].items()), b"x")
    sent = sent.replace(b'name="file"', b'name="other"')
    reply = wire.follow(form["url"], "POST", sent, {"Content-Type": content_type})
    assert (reply.status, reply.code) == (400, "IncorrectNumberOfFilesInPostRequest")


@pytest.mark.doors("aws")
@pytest.mark.parametrize("sent", [b"", b"junk", b"------mockfactory-boundary\r\n", b"------mockfactory-boundary--\r\n"])
def test_body_that_is_no_form(wire, bucket, sent):
    reply = wire.plain("POST", f"/{bucket}", sent, {"Content-Type": "multipart/form-data; boundary=----mockfactory-boundary"})
    assert reply.status == 400 and reply.code


@pytest.mark.doors("aws-both")
@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_both_signature_versions(door, environment, wire, s3, bucket, signature):
    form = door.client(environment, signature=signature).generate_presigned_post(bucket, "k")
    assert ("AWSAccessKeyId" in form["fields"]) == (signature == "s3")
    assert post(wire, form, b"x").status == 204
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"x"


@pytest.mark.doors("aws")
def test_large_file_is_streamed(wire, s3, bucket, sign):
    data = noise(20 * 1024 * 1024)
    assert post(wire, sign(), data).status == 204
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == len(data)


@pytest.mark.doors("aws")
def test_policy_of_ones_own_making(wire, s3, bucket):
    """Conditions written as a browser library might: upper-case names, spaces, an exact object form."""
    signer, date = Signer(wire.keys), amz_date()
    credential = f"{wire.keys.access_key}/{signer.scope(date)}"
    expires = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    policy = {
        "expiration": expires,
        "conditions": [
            {"Bucket": bucket}, ["Starts-With", "$Key", "user/"], {"X-Amz-Credential": credential},
            {"X-Amz-Algorithm": "AWS4-HMAC-SHA256"}, {"X-Amz-Date": date}, ["CONTENT-LENGTH-RANGE", "0", "1000"],
        ],
    }  # fmt: skip
    encoded = base64.b64encode(json.dumps(policy, indent=1).encode()).decode()
    fields = [
        ("Key", "user/me"), ("X-Amz-Credential", credential), ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Date", date),
        ("Policy", encoded), ("X-Amz-Signature", hmac.digest(signer.key(date), encoded.encode(), "sha256").hex()),
    ]  # fmt: skip
    sent, content_type = form_data(fields, b"mine")
    reply = wire.plain("POST", f"/{bucket}", sent, {"Content-Type": content_type})
    assert reply.status == 204, reply.body
    assert body(s3.get_object(Bucket=bucket, Key="user/me")) == b"mine"
