"""What no SDK sends: broken signatures, bodies, XML, paths. Each gets S3's own code and leaves nothing behind."""

import datetime

import pytest
from harness.checksums import md5
from harness.cloud import Keys
from harness.expect import body, noise
from harness.raw import Signer, aws_chunks, head, sha256

pytestmark = pytest.mark.doors("aws-both")
LATE = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
EARLY = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)


@pytest.fixture(autouse=True)
def nothing_stored(request, s3, bucket):
    """The bucket is as empty after the case as before."""
    yield
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def refused(reply, status, code):
    assert (reply.status, reply.code) == (status, code), (reply.status, reply.body[:600])


def test_error_is_s3s_own_xml(wire, bucket):
    reply = wire.send("GET", f"/{bucket}/absent")
    refused(reply, 404, "NoSuchKey")
    assert reply.headers["content-type"] == "application/xml"
    assert reply.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>')
    assert reply.element("RequestId") == reply.headers["x-amz-request-id"]
    assert reply.element("HostId") == reply.headers["x-amz-id-2"]
    assert reply.element("Message") == "The specified key does not exist." and reply.kept


# ---- signatures -----------------------------------------------------------------------------------------------------


def test_wrong_secret(wire, bucket):
    keys = Keys(wire.keys.access_key, "w" * 40, wire.keys.region)
    reply = wire.send("PUT", f"/{bucket}/k", b"data", keys=keys)
    refused(reply, 403, "SignatureDoesNotMatch")
    for element in ("AWSAccessKeyId", "StringToSign", "SignatureProvided", "CanonicalRequest"):
        assert reply.element(element), element


def test_unknown_key(wire, bucket):
    reply = wire.send("PUT", f"/{bucket}/k", b"data", keys=Keys("AKIAUNKNOWNUNKNOWN00", "w" * 40, "us-east-1"))
    refused(reply, 403, "InvalidAccessKeyId")
    assert reply.element("AWSAccessKeyId") == "AKIAUNKNOWNUNKNOWN00"


@pytest.mark.parametrize("when", [LATE, EARLY], ids=["late", "early"])
def test_skewed_clock(wire, bucket, when):
    reply = wire.send("PUT", f"/{bucket}/k", b"data", when=when)
    refused(reply, 403, "RequestTimeTooSkewed")
    assert reply.element("MaxAllowedSkewMilliseconds") == "900000" and reply.element("ServerTime") and reply.element("RequestTime")


@pytest.mark.parametrize("minutes", [-14, 14])
def test_clock_within_the_skew(wire, bucket, minutes):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    assert wire.send("GET", f"/{bucket}", when=when).status == 200


@pytest.mark.parametrize("name,value,status,code", [
    ("Authorization", "AWS4-HMAC-SHA256", 400, "AuthorizationHeaderMalformed"),
    ("Authorization", "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=0", 400, "AuthorizationHeaderMalformed"),
    ("Authorization", "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/s3/aws4_request, Signature=0", 400, "AuthorizationHeaderMalformed"),
    ("Authorization", "Bearer abc", 400, "InvalidArgument"),
    ("Authorization", "Basic dXNlcjpwYXNz", 400, "InvalidArgument"),
    ("X-Amz-Date", "yesterday", 403, "AccessDenied"),
    ("X-Amz-Content-Sha256", "junk", 400, "InvalidArgument"),
])  # fmt: skip
def test_header_malformed(wire, bucket, name, value, status, code):
    headers = wire.signed("PUT", f"/{bucket}/k", b"data")
    headers[name] = value
    reply = wire.plain("PUT", f"/{bucket}/k", b"data", headers)
    assert reply.status in (status, 403) and reply.code, reply.body
    assert reply.code in (code, "AuthorizationHeaderMalformed", "AccessDenied", "SignatureDoesNotMatch"), reply.body


def test_service_of_the_scope(wire, bucket):
    if wire.door.addressing == "bare":
        pytest.skip("there the scope names the service")
    reply = wire.send("GET", f"/{bucket}", service="sqs")
    assert reply.status in (400, 403) and reply.code in ("AuthorizationHeaderMalformed", "SignatureDoesNotMatch"), reply.body


@pytest.mark.parametrize("change", ["method", "path", "query", "header", "host"])
def test_anything_signed_is_held_to(wire, bucket, change):
    target = f"/{bucket}/k"
    headers = wire.signed("PUT", target, b"data", {"x-amz-meta-a": "1"})
    method = "PUT"
    if change == "method":
        method = "DELETE"
    elif change == "path":
        target = f"/{bucket}/other"
    elif change == "query":
        target += "?tagging="
    elif change == "header":
        headers["x-amz-meta-a"] = "2"
    else:
        headers["Host"] = headers["Host"].upper() if wire.door.scheme == "http" else headers["Host"]
        headers["x-amz-meta-a"] = "3"
    refused(wire.plain(method, target, b"data", headers), 403, "SignatureDoesNotMatch")


def test_date_missing(wire, bucket):
    headers = wire.signed("PUT", f"/{bucket}/k", b"data")
    del headers["X-Amz-Date"]
    reply = wire.plain("PUT", f"/{bucket}/k", b"data", headers)
    assert reply.status == 403 and reply.code in ("AccessDenied", "SignatureDoesNotMatch"), reply.body


def test_unsigned(wire, bucket):
    refused(wire.plain("PUT", f"/{bucket}/k", b"data"), 403, "AccessDenied")
    refused(wire.plain("GET", f"/{bucket}"), 403, "AccessDenied")


# ---- bodies ---------------------------------------------------------------------------------------------------------


def test_body_shorter_than_declared(wire, bucket):
    headers = wire.signed("PUT", f"/{bucket}/k", b"0123456789", payload_hash="UNSIGNED-PAYLOAD")
    headers["Content-Length"] = "20"
    if wire.door.scheme == "https":
        pytest.skip("half a TLS connection cannot be closed with Python's ssl")
    with wire.connect() as connection:
        connection.send(head("PUT", f"{wire.prefix}/{bucket}/k", headers) + b"0123456789")
        connection.finish()
        try:
            reply = connection.reply("PUT")
        except (EOFError, ConnectionError):
            return  # nobody is there to read the answer: closing is an answer too
        refused(reply, 400, "IncompleteBody")


def test_connection_lost_in_the_body(wire, bucket):
    for size in (10, 1024 * 1024):
        headers = wire.signed("PUT", f"/{bucket}/k", b"", payload_hash="UNSIGNED-PAYLOAD")
        headers["Content-Length"] = str(2 * size)
        with wire.connect() as connection:
            connection.send(head("PUT", f"{wire.prefix}/{bucket}/k", headers) + noise(size))


def test_body_longer_than_declared(wire, s3, bucket):
    """What follows the declared length is another request, and no good one."""
    headers = wire.signed("PUT", f"/{bucket}/k", b"0123456789")
    with wire.connect() as connection:
        connection.send(head("PUT", f"{wire.prefix}/{bucket}/k", headers) + b"0123456789" + b"SURPLUS\r\n\r\n")
        assert connection.reply("PUT").status == 200
        assert connection.reply().status == 400
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"0123456789"
    s3.delete_object(Bucket=bucket, Key="k")


def test_hash_of_another_body(wire, bucket):
    for size in (10, 100_000):
        with wire.connect() as connection:
            reply = wire.send("PUT", f"/{bucket}/k", noise(size), payload_hash=sha256(b"other"), connection=connection)
            refused(reply, 400, "XAmzContentSHA256Mismatch")
            assert reply.element("ClientComputedContentSHA256") == sha256(b"other")
            assert reply.element("S3ComputedContentSHA256") == sha256(noise(size))
            assert connection.alive(wire.host)


def test_length_missing(wire, bucket):
    headers = wire.signed("PUT", f"/{bucket}/k", payload_hash="UNSIGNED-PAYLOAD")
    del headers["Content-Length"]
    headers["Transfer-Encoding"] = "chunked"
    reply = wire.plain("PUT", f"/{bucket}/k", b"4\r\ndata\r\n0\r\n\r\n", headers)
    refused(reply, 411, "MissingContentLength")


def test_larger_than_one_put_may_be(wire, bucket):
    headers = wire.signed("PUT", f"/{bucket}/k", payload_hash="UNSIGNED-PAYLOAD")
    headers["Content-Length"] = str(5 * 1024**3 + 1)
    with wire.connect() as connection:
        connection.send(head("PUT", f"{wire.prefix}/{bucket}/k", {**headers, "Expect": "100-continue"}))
        refused(connection.reply("PUT"), 400, "EntityTooLarge")


@pytest.mark.parametrize("value", ["-1", "ten", "1, 2", "99999999999999999999999"])
def test_length_that_is_none(wire, bucket, value):
    headers = {**wire.signed("PUT", f"/{bucket}/k", payload_hash="UNSIGNED-PAYLOAD"), "Content-Length": value}
    with wire.connect() as connection:
        connection.send(head("PUT", f"{wire.prefix}/{bucket}/k", headers) + b"data")
        assert connection.reply("PUT").status == 400


CHUNKED = {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": "10"}
STREAMING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.mark.parametrize("framed,code", [
    (b"", "IncompleteBody"),
    (b"a\r\n0123456789\r\n", "IncompleteBody"),
    (b"5\r\n01234\r\n0\r\n\r\n", "IncompleteBody"),
    (b"b\r\n0123456789!\r\n0\r\n\r\n", "IncompleteBody"),
    (b"zz\r\n0123456789\r\n0\r\n\r\n", "InvalidRequest"),
    (b"a\r\n0123456789XX0\r\n\r\n", "InvalidRequest"),
    (b"f" * 2000, "InvalidRequest"),
    (b"-1\r\n\r\n0\r\n\r\n", "InvalidRequest"),
    (b"ffffffffffffffffff\r\n", "InvalidRequest"),
], ids=range(9))  # fmt: skip
def test_chunks_malformed(wire, bucket, framed, code):
    reply = wire.send("PUT", f"/{bucket}/k", framed, CHUNKED, payload_hash=STREAMING)
    assert reply.status == 400 and reply.code, reply.body
    assert reply.code in (code, "IncompleteBody", "InvalidRequest", "MalformedTrailerError"), reply.body


def test_chunk_signature(wire, s3, bucket):
    """Signed chunks: one changed byte anywhere, and nothing is stored."""
    data = noise(20_000)
    for damage, code in ((None, ""), (100, "SignatureDoesNotMatch"), (9000, "SignatureDoesNotMatch")):
        headers = wire.signed(
            "PUT", f"/{bucket}/k", headers={**CHUNKED, "X-Amz-Decoded-Content-Length": str(len(data))},
            payload_hash="STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        )  # fmt: skip
        framed = signed_chunks(wire, headers, data, 8192)
        if damage is not None:
            framed = framed[:damage] + bytes([framed[damage] ^ 1]) + framed[damage + 1 :]
        headers["Content-Length"] = str(len(framed))
        reply = wire.plain("PUT", f"/{bucket}/k", framed, headers)
        assert (reply.status, reply.code) == ((403, code) if code else (200, "")), reply.body
        if not code:
            assert body(s3.get_object(Bucket=bucket, Key="k")) == data
            s3.delete_object(Bucket=bucket, Key="k")


def signed_chunks(wire, headers, data, size):
    import hmac

    signer, date = Signer(wire.keys), headers["X-Amz-Date"]
    previous, framed = headers["Authorization"].rsplit("Signature=", 1)[1], b""
    pieces = [data[start : start + size] for start in range(0, len(data), size)] + [b""]
    for piece in pieces:
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, signer.scope(date), previous, sha256(b""), sha256(piece)])
        previous = hmac.digest(signer.key(date), text.encode(), "sha256").hex()
        framed += b"%x;chunk-signature=%s\r\n%s\r\n" % (len(piece), previous.encode(), piece)
    return framed


def test_trailer_missing(wire, bucket):
    fields = {**CHUNKED, "X-Amz-Trailer": "x-amz-checksum-crc32"}
    reply = wire.send("PUT", f"/{bucket}/k", aws_chunks(b"0123456789", 10), fields, payload_hash=STREAMING)
    refused(reply, 400, "MalformedTrailerError")


# ---- XML ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["?cors=", "?tagging=", "?delete=", "?acl="])
@pytest.mark.parametrize("sent", [
    b"junk", b"<", b"<Wrong/>", b"<Delete><Object>", b"\xff\xfe", b"<!DOCTYPE x [<!ENTITY e 'boom'>]><Delete>&e;</Delete>",
    b"<a>" * 5000, b"<CORSConfiguration/>", b"<?xml version='1.0'?>",
], ids=range(9))  # fmt: skip
def test_xml_malformed(wire, bucket, target, sent):
    method = "POST" if target == "?delete=" else "PUT"
    reply = wire.send(method, f"/{bucket}{target}", sent, {"Content-MD5": md5(sent)})
    assert reply.status == 400 and reply.code in ("MalformedXML", "MalformedACLError", "MissingSecurityHeader", "InvalidRequest"), reply.body
    assert reply.kept


def test_xml_too_large(wire, bucket):
    sent = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 200_000 + b"</Delete>"
    reply = wire.send("POST", f"/{bucket}?delete=", sent, {"Content-MD5": md5(sent)})
    assert reply.status == 400 and reply.code in ("MalformedXML", "MaxMessageLengthExceeded", "EntityTooLarge"), reply.body


# ---- paths, operations, headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method,query,status,codes", [
    ("GET", "unknown-thing=", 200, ()),
    ("PUT", "torrent=", 405, ("MethodNotAllowed", "NotImplemented")),
    ("POST", "", 400, ("MethodNotAllowed", "PreconditionFailed", "InvalidRequest", "MalformedPOSTRequest", "InvalidArgument")),
    ("PATCH", "", 405, ("MethodNotAllowed",)),
    ("PROPFIND", "", 405, ("MethodNotAllowed",)),
])  # fmt: skip
def test_unknown_operation(wire, bucket, method, query, status, codes):
    reply = wire.send(method, f"/{bucket}?{query}" if query else f"/{bucket}", headers={"Content-Length": "0"})
    if not codes:
        assert reply.status == status
        return
    assert reply.code in codes and reply.status in (status, 400, 405, 412, 501), (reply.status, reply.body)


@pytest.mark.parametrize("key", ["%ff", "%c3%28", "a%00b"])
def test_key_that_is_no_utf_8(wire, s3, bucket, key):
    reply = wire.send("PUT", f"/{bucket}/{key}", b"x")
    if key == "a%00b" and reply.status == 200:
        s3.delete_object(Bucket=bucket, Key="a\0b")
        return
    assert reply.status == 400 and reply.code in ("InvalidURI", "InvalidArgument", "SignatureDoesNotMatch"), reply.body


@pytest.mark.parametrize("key", ["../../../../etc/passwd", "%2e%2e/%2e%2e/x", "..%2f..%2fadmin-token", "a/../../../../b", "....//x"])
def test_path_traversal_is_but_a_name(wire, s3, bucket, key):
    reply = wire.send("PUT", f"/{bucket}/{key}", b"x")
    if reply.status != 200:
        assert reply.status in (400, 403) and reply.code
        return
    listed = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(listed) == 1 and ".." in listed[0]
    s3.delete_object(Bucket=bucket, Key=listed[0])


def test_percent_that_is_no_escape(wire, bucket):
    for target in (f"/{bucket}/%", f"/{bucket}/%zz", f"/{bucket}/a%2"):
        reply = wire.plain("GET", target)
        assert reply.status in (400, 403, 404) and reply.status < 500


def test_headers_too_large(wire, bucket):
    with wire.connect() as connection:
        reply = wire.send("PUT", f"/{bucket}/k", b"x", {"x-amz-meta-big": "v" * 12_000}, connection=connection)
        assert reply.status == 400 and reply.code in ("RequestHeaderSectionTooLarge", "MetadataTooLarge")
    with wire.connect() as connection:
        fields = {"Host": wire.host, **{f"x-filler-{number}": "v" * 8000 for number in range(40)}}
        connection.send(head("GET", f"{wire.prefix}/{bucket}", fields))
        assert connection.reply().status in (400, 431)


@pytest.mark.parametrize("line", [
    b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00\x01\x02\x03\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
])  # fmt: skip
def test_request_line_malformed(wire, bucket, line):
    with wire.connect() as connection:
        connection.send(line)
        try:
            assert connection.reply().status >= 400
        except (EOFError, ConnectionError):
            pass
    with wire.connect() as connection:
        assert connection.alive(wire.host)


def test_two_lengths(wire, bucket):
    headers = [*wire.signed("PUT", f"/{bucket}/k", b"data").items(), ("Content-Length", "5")]
    with wire.connect() as connection:
        connection.send(head("PUT", f"{wire.prefix}/{bucket}/k", headers) + b"data")
        try:
            assert connection.reply("PUT").status == 400
        except (EOFError, ConnectionError):
            pass


def test_requests_in_a_row_on_one_connection(wire, s3, bucket):
    with wire.connect() as connection:
        for number in range(20):
            assert wire.send("PUT", f"/{bucket}/k{number}", b"x" * number, connection=connection).status == 200
            refused(wire.send("GET", f"/{bucket}/absent", connection=connection), 404, "NoSuchKey")
            assert wire.send("GET", f"/{bucket}/k{number}", connection=connection).body == b"x" * number
            assert wire.send("DELETE", f"/{bucket}/k{number}", connection=connection).status == 204


def test_requests_sent_before_their_answers(wire, bucket):
    """HTTP/1.1 pipelining: answers in order."""
    with wire.connect() as connection:
        for number in range(5):
            target = f"/{bucket}/absent-{number}"
            connection.send(head("GET", wire.prefix + target, wire.signed("GET", target)))
        for number in range(5):
            assert connection.reply().element("Key") == f"absent-{number}"
