"""Writes clients.jsonl: what botocore sends, request by request, for the tests of the signature checks.

    pip install botocore && python vectors.py > clients.jsonl

Nothing leaves the machine: each request is caught just before it would be sent.
"""

import base64
import datetime
import io
import json
import sys
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEYS = [
    "plain.txt", "a b", "a+b", "a%b", "a%20b", "a%2Fb", "100%", "é/ü", "日本語/キー", "emoji😀", "a//b", "/lead", "trail/",
    "./dot", "a/../b", "~tilde", "a&b=c", "a?b", "a#b", "a;b", "a,b", "a:b@c", "(x)*'!'", "$HOME", "\\back", "quo\"te",
    "[br]{ace}", "|pipe^", "tab\there", "a=b", "env/env-a/s3/x", " lead space", "trail space ",
]
# Name, endpoint, addressing, bytes of the path that only route.
ENDPOINTS = [
    ("path", "http://localhost:8080", "path", 0),
    ("prefix", "http://localhost:8080/env/env-a1/s3", "path", len("/env/env-a1/s3")),
    ("host", "http://s3.env-a1.mockfactory.localhost:8080", "virtual", 0),
    ("host-https", "https://s3.env-a1.mockfactory.localhost:8443", "virtual", 0),
]
# Never signed, and of no interest here.
UNSIGNED = {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "expect", "transfer-encoding"}
out = []


class Raw:
    def stream(self, *_, **__):
        yield b""

    def read(self, *_, **__):
        return b""


def body_of(request):
    body = request.body
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "read"):
        pieces = []
        while piece := body.read(65536):
            pieces.append(piece)
        return b"".join(pieces)
    return bytes(body)


def note(name, method, url, headers, body, **more):
    parts = urlsplit(url)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    listed = [[k.lower(), v.decode() if isinstance(v, bytes) else str(v)] for k, v in headers
              if k.lower() not in UNSIGNED]
    if not any(k == "host" for k, _ in listed):
        listed.append(["host", parts.netloc])
    now = int(datetime.datetime.now(datetime.timezone.utc).timestamp())
    out.append(dict(name=name, method=method, target=target, headers=listed,
                    body=base64.b64encode(body).decode(), now=now,
                    bucket="bucket" if parts.netloc.startswith("bucket.") else None, **more))


def client(service, endpoint, **config):
    session = botocore.session.Session()
    made = session.create_client(
        service, endpoint_url=endpoint, region_name="eu-west-1",
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET,
        config=Config(retries={"max_attempts": 0}, **config))
    caught = []

    def catch(request, **_):
        caught.append(request)
        return AWSResponse(request.url, 200, {}, Raw())

    made.meta.events.register("before-send", catch)
    return made, caught


def send(label, made, caught, operation, more, **parameters):
    caught.clear()
    try:
        getattr(made, operation)(**parameters)
    except Exception as error:  # the empty answer need not make sense to the client
        if not caught:
            raise error
    request = caught[0]
    note(f"{label} {operation}", request.method, request.url, list(request.headers.items()), body_of(request), **more)


def s3(label, endpoint, style, prefix, version):
    more = dict(service="s3", prefix=prefix)
    made, caught = client("s3", endpoint, signature_version=version, s3={"addressing_style": style})

    def call(operation, **parameters):
        send(f"{label} {version}", made, caught, operation, more, **parameters)

    full = label == "path" or (label, version) == ("host", "s3v4")
    for key in KEYS if full else KEYS[:8]:
        call("get_object", Bucket="bucket", Key=key)
    call("list_buckets") if style == "path" else None
    call("create_bucket", Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    call("get_bucket_location", Bucket="bucket")
    call("get_bucket_acl", Bucket="bucket")
    call("head_bucket", Bucket="bucket")
    for odd in ("a b", "a+b", "é/", "100%", "a&b=c", ""):
        call("list_objects_v2", Bucket="bucket", Prefix=odd, Delimiter="/", StartAfter=odd or "z")
    call("put_object", Bucket="bucket", Key="k", Body=b"content", ContentType="text/plain",
         Metadata={"one": "  spaced   out ", "two": "plain"}, Tagging="a=b&c=d", ACL="private")
    call("put_object", Bucket="bucket", Key="k", Body=io.BytesIO(b"x" * 10_000))
    call("put_object", Bucket="bucket", Key="empty", Body=b"")
    call("get_object", Bucket="bucket", Key="k", Range="bytes=0-9", VersionId="v+/=1",
         ResponseContentDisposition='attachment; filename="a b+c é.txt"', ResponseContentType="text/plain; charset=utf-8")
    call("copy_object", Bucket="bucket", Key="k2", CopySource={"Bucket": "bucket", "Key": "a b/é+%"})
    call("delete_objects", Bucket="bucket", Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    call("create_multipart_upload", Bucket="bucket", Key="k")
    call("upload_part", Bucket="bucket", Key="k", PartNumber=3, UploadId="up/+=", Body=b"part")
    call("put_object_tagging", Bucket="bucket", Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    presigned(label, made, version, more)


def presigned(label, made, version, more):
    for operation, method, parameters, headers in [
        ("get_object", "GET", dict(Key="a b/é+%&=~"), []),
        ("get_object", "GET", dict(Key="k", VersionId="v", ResponseContentDisposition='attachment; filename="a b.txt"'), []),
        ("put_object", "PUT", dict(Key="k"), []),
        ("put_object", "PUT", dict(Key="k", ContentType="text/plain", Metadata={"a": "b"}),
         [("content-type", "text/plain"), ("x-amz-meta-a", "b")]),
        ("upload_part", "PUT", dict(Key="k", PartNumber=1, UploadId="u+/="), []),
        ("list_objects_v2", "GET", dict(Prefix="a b+c"), []),
        ("delete_object", "DELETE", dict(Key="k"), []),
    ]:
        url = made.generate_presigned_url(operation, Params=dict(Bucket="bucket", **parameters), ExpiresIn=600)
        note(f"{label} {version} presigned {operation}", method, url, headers, b"", **more)
        if headers and version == "s3":
            # The URL carries them too; not every client sends them again.
            note(f"{label} {version} presigned {operation}, bare", method, url, [], b"", **more)


def others():
    endpoint = "http://localhost:8080/env/env-a1/aws"
    for service, operation, parameters in [
        ("sqs", "send_message", dict(QueueUrl="http://localhost:8080/env/env-a1/aws/123456789012/q", MessageBody="é+ &=")),
        ("sns", "publish", dict(TopicArn="arn:aws:sns:eu-west-1:123456789012:t", Message="é+ &=")),
        ("dynamodb", "get_item", dict(TableName="t", Key={"k": {"S": "é"}})),
        ("lambda", "invoke", dict(FunctionName="arn:aws:lambda:eu-west-1:123456789012:function:f", Payload=b"{}")),
        ("lambda", "list_tags", dict(Resource="arn:aws:lambda:eu-west-1:123456789012:function:f")),
        ("route53", "list_resource_record_sets", dict(HostedZoneId="Z1", StartRecordName="a b.example.com", StartRecordType="A")),
        ("iam", "get_user", dict(UserName="u")),
    ]:
        made, caught = client(service, endpoint)
        send("other", made, caught, operation, dict(service=service, prefix=0), **parameters)
    made, _ = client("sts", endpoint)
    url = made.generate_presigned_url("get_caller_identity", ExpiresIn=600, HttpMethod="GET")
    note("other presigned sts", "GET", url, [], b"", service="sts", prefix=0)


for endpoint in ENDPOINTS:
    for version in ("s3v4", "s3"):
        s3(*endpoint, version)
others()
for vector in out:
    json.dump(vector, sys.stdout, ensure_ascii=False, separators=(",", ":"))
    print()
