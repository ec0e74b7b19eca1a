"""Where R2 and Spaces differ from S3, and what each service says of operations it does not have."""

import pytest
from harness.doors import Door
from harness.expect import body, headers, noise, refused
from harness.names import bucket_name
from harness.wire import Wire

R2 = Door("cloudflare_r2", "http", "prefix")
SPACES = Door("do_spaces", "http", "prefix")
PART = 5 * 1024 * 1024

# Operation → a request that asks for it (`{}`: bucket).
REQUESTS = {
    "PutBucketVersioning": ("PUT", "/{}?versioning=", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
    "PutBucketPolicy": ("PUT", "/{}?policy=", b"{}"),
    "PutBucketWebsite": ("PUT", "/{}?website=", b"<WebsiteConfiguration/>"),
    "PutBucketReplication": ("PUT", "/{}?replication=", b"<ReplicationConfiguration/>"),
    "PutBucketLifecycleConfiguration": ("PUT", "/{}?lifecycle=", b"<LifecycleConfiguration/>"),
    "PutBucketAcl": ("PUT", "/{}?acl=", b""),
    "GetBucketAcl": ("GET", "/{}?acl=", b""),
    "PutBucketTagging": ("PUT", "/{}?tagging=", b"<Tagging/>"),
    "GetBucketTagging": ("GET", "/{}?tagging=", b""),
    "PutObjectTagging": ("PUT", "/{}/k?tagging=", b"<Tagging/>"),
    "GetObjectTagging": ("GET", "/{}/k?tagging=", b""),
    "DeleteObjectTagging": ("DELETE", "/{}/k?tagging=", b""),
    "PutObjectAcl": ("PUT", "/{}/k?acl=", b""),
    "GetObjectAcl": ("GET", "/{}/k?acl=", b""),
    "GetObjectTorrent": ("GET", "/{}/k?torrent=", b""),
    "SelectObjectContent": ("POST", "/{}/k?select=&select-type=2", b"<SelectObjectContentRequest/>"),
    "RestoreObject": ("POST", "/{}/k?restore=", b"<RestoreRequest/>"),
    "PutObjectLegalHold": ("PUT", "/{}/k?legal-hold=", b"<LegalHold/>"),
    "PutObjectRetention": ("PUT", "/{}/k?retention=", b"<Retention/>"),
    "GetBucketPolicy": ("GET", "/{}?policy=", b""),
    "PutBucketNotificationConfiguration": ("PUT", "/{}?notification=", b"<NotificationConfiguration/>"),
    "PutBucketLogging": ("PUT", "/{}?logging=", b"<BucketLoggingStatus/>"),
    "PutBucketRequestPayment": ("PUT", "/{}?requestPayment=", b"<RequestPaymentConfiguration/>"),
    "PutBucketAccelerateConfiguration": ("PUT", "/{}?accelerate=", b"<AccelerateConfiguration/>"),
    "PutBucketInventoryConfiguration": ("PUT", "/{}?inventory=&id=a", b"<InventoryConfiguration/>"),
    "PutPublicAccessBlock": ("PUT", "/{}?publicAccessBlock=", b"<PublicAccessBlockConfiguration/>"),
    "PutBucketEncryption": ("PUT", "/{}?encryption=", b"<ServerSideEncryptionConfiguration/>"),
}


@pytest.mark.parametrize("operation", REQUESTS)
def test_absent_operation(cloud, door, wire, s3, bucket, operation):
    level = cloud.levels(door.service).get(operation, "absent")
    if level != "absent":
        pytest.skip(f"{door.service} has it")
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    method, target, sent = REQUESTS[operation]
    reply = wire.send(method, target.format(bucket), sent)
    assert (reply.status, reply.code) == (501, "NotImplemented"), reply.body
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"data"


@pytest.mark.doors("each")
def test_table_lists_every_operation(cloud, door):
    """What the catalogue says of a service names only operations S3 has, and the core of them is there."""
    import botocore.session

    known = set(botocore.session.get_session().get_service_model("s3").operation_names) | {"PostObject", "PreflightRequest"}
    levels = cloud.levels(door.service)
    assert set(levels) <= known, set(levels) - known
    core = {"PutObject", "GetObject", "HeadObject", "DeleteObject", "DeleteObjects", "CopyObject", "ListObjectsV2", "ListObjects",
            "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload", "ListParts",
            "ListMultipartUploads", "CreateBucket", "HeadBucket", "DeleteBucket", "ListBuckets", "GetBucketLocation"}  # fmt: skip
    assert {name for name in core if levels.get(name) in ("full", "partial")} == core


# ---- R2 -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def r2(environment):
    return R2.client(environment)


@pytest.fixture
def r2_bucket(r2):
    name = bucket_name("r2")
    r2.create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize("region", ["auto", "us-east-1", "wnam", "eeur", "mars-north-1"])
def test_r2_regions(environment, region):
    name = bucket_name("r2")
    client = R2.client(environment, region=region)
    if region == "mars-north-1":
        with refused("InvalidRegionName", 400):
            client.list_buckets()
        return
    client.create_bucket(Bucket=name)
    assert name in [one["Name"] for one in client.list_buckets()["Buckets"]]


@pytest.mark.parametrize("hint", ["wnam", "enam", "weur", "eeur", "apac", "auto", None])
def test_r2_location_hints(r2, hint):
    name = bucket_name("r2")
    where = {"CreateBucketConfiguration": {"LocationConstraint": hint}} if hint else {}
    r2.create_bucket(Bucket=name, **where)
    r2.head_bucket(Bucket=name)


def test_r2_conditional_writes_by_time(environment, r2, r2_bucket):
    wire = Wire(R2, environment)
    r2.put_object(Bucket=r2_bucket, Key="k", Body=b"first")
    past, future = "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
    for field, value, status in [
        ("If-Unmodified-Since", past, 412), ("If-Unmodified-Since", future, 200),
        ("If-Modified-Since", future, 412), ("If-Modified-Since", past, 200),
    ]:  # fmt: skip
        reply = wire.send("PUT", f"/{r2_bucket}/k", b"next", {field: value})
        assert reply.status == status, (field, value, reply.body)


def test_r2_put_if_none_match_of_an_etag(r2, r2_bucket):
    etag = r2.put_object(Bucket=r2_bucket, Key="k", Body=b"first")["ETag"]
    with refused("PreconditionFailed", 412):
        r2.put_object(Bucket=r2_bucket, Key="k", Body=b"second", IfNoneMatch=etag)
    r2.put_object(Bucket=r2_bucket, Key="k", Body=b"third", IfNoneMatch='"other"')


def test_r2_conditions_on_the_copys_destination(environment, r2, r2_bucket):
    wire = Wire(R2, environment)
    r2.put_object(Bucket=r2_bucket, Key="from", Body=b"x")
    etag = r2.put_object(Bucket=r2_bucket, Key="to", Body=b"y")["ETag"]
    for field, value, status in [
        ("cf-copy-destination-if-none-match", "*", 412), ("cf-copy-destination-if-match", '"other"', 412),
        ("cf-copy-destination-if-match", etag, 200),
    ]:  # fmt: skip
        reply = wire.send("PUT", f"/{r2_bucket}/to", b"", {"x-amz-copy-source": f"/{r2_bucket}/from", field: value})
        assert reply.status == status, (field, value, reply.body)


def test_r2_creates_a_missing_bucket_when_asked_to(environment, r2):
    wire, name = Wire(R2, environment), bucket_name("r2-missing")
    assert wire.send("PUT", f"/{name}/k", b"x").code == "NoSuchBucket"
    assert wire.send("PUT", f"/{name}/k", b"x", {"cf-create-bucket-if-missing": "true"}).status == 200
    assert body(r2.get_object(Bucket=name, Key="k")) == b"x"


def test_r2_parts_of_equal_size(r2, r2_bucket):
    upload = {"Bucket": r2_bucket, "Key": "k"}
    upload["UploadId"] = r2.create_multipart_upload(**upload)["UploadId"]
    parts = []
    for number, size in enumerate([PART, PART + 1, 10], 1):
        etag = r2.upload_part(PartNumber=number, Body=noise(size), **upload)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    with refused("InvalidPart", 400):
        r2.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)


def test_r2_metadata_beyond_ascii(environment, r2, r2_bucket):
    wire = Wire(R2, environment)
    encoded = "=?utf-8?B?" + __import__("base64").b64encode("grün".encode()).decode() + "?="
    assert wire.send("PUT", f"/{r2_bucket}/k", b"x", {"x-amz-meta-colour": encoded}).status == 200
    told = headers(r2.head_object(Bucket=r2_bucket, Key="k"))["x-amz-meta-colour"]
    assert told in (encoded, "grün") or told.lower().startswith("=?utf-8?")


# ---- Spaces ---------------------------------------------------------------------------------------------------------


def test_spaces_regions(environment):
    for region in ("nyc3", "ams3", "us-east-1"):
        name = bucket_name("spaces")
        SPACES.client(environment, region=region).create_bucket(Bucket=name)


def test_spaces_region_stands_in_the_host(environment, cloud):
    """`<bucket>.<region>.…` as DigitalOcean's own hosts have it."""
    s3 = SPACES.client(environment)
    name = bucket_name("spaces")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"data", ACL="public-read")
    wire = Wire(Door("do_spaces", "http", "host"), environment)
    for front, target in ((f"{name}.nyc3.", "/k"), ("nyc3.", f"/{name}/k"), (f"{name}.", "/k")):
        reply = wire.plain("GET", target, headers={"Host": front + wire.host})
        assert (reply.status, reply.body) == (200, b"data"), (front, reply.body)
