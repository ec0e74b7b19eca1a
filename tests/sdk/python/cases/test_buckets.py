"""Buckets: their names, their life, where they lie, and the configurations they lack."""

import pytest
from harness.expect import headers, refused, status
from harness.names import bucket_name

NAMES_REFUSED = [
    "ab", "a" * 64, "Upper", "under_score", "double..dot", "-begins", "ends-", "192.168.5.4",
]  # fmt: skip
RESERVED_BY_AWS = ["xn--punycode", "sthree-x", "ends-s3alias", "ends--ol-s3"]
NAMES_ACCEPTED = ["abc", "a1-b2", "0digits", "b" * 63]

# Asked for by tools at every turn; what an untouched bucket answers.
ABSENT = [
    ("get_bucket_policy", "GetBucketPolicy", "NoSuchBucketPolicy"),
    ("get_bucket_lifecycle_configuration", "GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
    ("get_bucket_website", "GetBucketWebsite", "NoSuchWebsiteConfiguration"),
    ("get_bucket_tagging", "GetBucketTagging", "NoSuchTagSet"),
    ("get_bucket_cors", "GetBucketCors", "NoSuchCORSConfiguration"),
    ("get_bucket_replication", "GetBucketReplication", "ReplicationConfigurationNotFoundError"),
    ("get_object_lock_configuration", "GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
    ("get_public_access_block", "GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
]


@pytest.mark.doors("every")
def test_life_of_a_bucket(s3):
    name = bucket_name()
    assert status(s3.create_bucket(Bucket=name)) == 200
    assert status(s3.head_bucket(Bucket=name)) == 200
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    assert status(s3.delete_bucket(Bucket=name)) == 204
    with refused("404", 404):
        s3.head_bucket(Bucket=name)
    with refused("NoSuchBucket", 404):
        s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize("name", NAMES_REFUSED)
def test_name_refused(s3, name):
    with refused("InvalidBucketName", 400):
        s3.create_bucket(Bucket=name)


@pytest.mark.doors("aws")
@pytest.mark.parametrize("name", RESERVED_BY_AWS)
def test_name_reserved(s3, name):
    with refused("InvalidBucketName", 400):
        s3.create_bucket(Bucket=name)


@pytest.mark.parametrize("name", NAMES_ACCEPTED)
def test_name_accepted(s3, name):
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 1
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)


@pytest.mark.doors("aws-both")
def test_dotted_name(s3):
    name = f"{bucket_name()}.with.dots"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"dots")
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"dots"


@pytest.mark.doors("aws")
def test_create_again_in_us_east_1_by_its_owner(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert status(s3.create_bucket(Bucket=bucket)) == 200
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.doors("aws")
def test_create_again_elsewhere_by_its_owner(door, environment):
    s3 = door.client(environment, region="eu-west-1")
    name, where = bucket_name(), {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    with refused("BucketAlreadyOwnedByYou", 409):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)


@pytest.mark.doors("aws")
def test_create_again_by_another_account(cloud, door, environment, s3, bucket):
    answer = environment.call("POST", "/accounts", {"provider": "aws", "name": "stranger"})
    assert answer.status == 201, answer.text
    account = answer.json.get("credentials", answer.json)
    from harness.cloud import Keys

    stranger = door.client(environment, Keys(account["access_key_id"], account["secret_access_key"], "us-east-1"))
    with refused("BucketAlreadyExists", 409):
        stranger.create_bucket(Bucket=bucket)
    with refused("AccessDenied", 403):
        stranger.list_objects_v2(Bucket=bucket)
    assert bucket not in [one["Name"] for one in stranger.list_buckets()["Buckets"]]


@pytest.mark.doors("aws")
@pytest.mark.parametrize("region", [None, "eu-west-1", "ap-southeast-2"])
def test_location(s3, region):
    name = bucket_name()
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region else {}
    s3.create_bucket(Bucket=name, **where)
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == region
    assert headers(s3.head_bucket(Bucket=name))["x-amz-bucket-region"] == (region or "us-east-1")


@pytest.mark.doors("aws")
def test_location_refused(s3):
    with refused("InvalidLocationConstraint", 400):
        s3.create_bucket(Bucket=bucket_name(), CreateBucketConfiguration={"LocationConstraint": "mars-north-1"})


@pytest.mark.doors("aws")
def test_list_is_paged_and_filtered(s3):
    prefix = bucket_name("paged")
    names = [f"{prefix}-{number}" for number in range(5)]
    for name in reversed(names):
        s3.create_bucket(Bucket=name)
    for size in (1, 2, 5, 6):
        found, token = [], {}
        while True:
            page = s3.list_buckets(MaxBuckets=size, Prefix=prefix, **token)
            assert len(page["Buckets"]) <= size
            found += [bucket["Name"] for bucket in page["Buckets"]]
            if "ContinuationToken" not in page:
                break
            token = {"ContinuationToken": page["ContinuationToken"]}
        assert found == names


def test_owner_is_told(s3, bucket):
    answer = s3.list_buckets()
    assert answer["Owner"]["ID"]
    created = {one["Name"]: one["CreationDate"] for one in answer["Buckets"]}
    assert created[bucket].year >= 2024


@pytest.mark.parametrize("method,operation,code", ABSENT, ids=[row[1] for row in ABSENT])
def test_configuration_that_is_not_set(s3, bucket, requires, method, operation, code):
    requires(operation)
    with refused(code, 404):
        getattr(s3, method)(Bucket=bucket)


@pytest.mark.doors("aws")
def test_what_an_untouched_bucket_says(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_multipart_uploads", "get_bucket_location"])
def test_of_a_missing_bucket(s3, operation):
    with refused("NoSuchBucket", 404):
        getattr(s3, operation)(Bucket="no-such-bucket-here")
