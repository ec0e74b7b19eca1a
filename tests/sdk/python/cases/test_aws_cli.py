"""The AWS CLI: `s3` commands and `s3api` calls."""

import json
import os

import pytest
from harness.doors import Door
from harness.expect import noise
from harness.names import bucket_name
from harness.tools import AwsCli

DOORS = [
    Door("aws_s3", "http", "bare"),
    Door("aws_s3", "https", "virtual"),
    Door("cloudflare_r2", "https", "prefix"),
    Door("do_spaces", "http", "mount"),
]
EARLIER = 1_700_000_000
LARGE = 20 * 1024 * 1024 + 1


@pytest.fixture(params=DOORS, ids=[door.name for door in DOORS])
def aws(request, environment, tmp_path, forward_proxy):
    door = request.param
    named = door.addressing not in ("bare", "prefix")
    return AwsCli(door, environment, tmp_path, forward_proxy.url if named else None)


@pytest.fixture
def bucket(aws):
    name = bucket_name("awscli")
    aws("s3", "mb", f"s3://{name}")
    return name


def test_files_up_and_down(aws, bucket, tmp_path):
    (tmp_path / "large.bin").write_bytes(noise(LARGE))
    aws("s3", "cp", "large.bin", f"s3://{bucket}/dir/large.bin")
    aws("s3", "cp", f"s3://{bucket}/dir/large.bin", "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == noise(LARGE)
    assert aws("s3", "ls", f"s3://{bucket}/dir/").stdout.split()[-2:] == [str(LARGE).encode(), b"large.bin"]
    aws("s3", "mv", f"s3://{bucket}/dir/large.bin", f"s3://{bucket}/moved.bin")
    assert aws("s3", "ls", f"s3://{bucket}", "--recursive").stdout.split()[-1] == b"moved.bin"
    aws("s3", "rm", f"s3://{bucket}/moved.bin")
    aws("s3", "rb", f"s3://{bucket}")
    assert bucket.encode() not in aws("s3", "ls").stdout


def test_streams(aws, bucket):
    data = noise(9 * 1024 * 1024)
    aws("s3", "cp", "-", f"s3://{bucket}/stream", stdin=data)
    assert aws("s3", "cp", f"s3://{bucket}/stream", "-").stdout == data


def test_sync(aws, bucket, tmp_path):
    source = tmp_path / "source"
    for name in ("a.txt", "sub/b c.txt", "sub/ü+%.txt"):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        # Listings tell whole seconds: a file of this very second looks newer than its copy.
        os.utime(path, (EARLIER, EARLIER))
    aws("s3", "sync", "source", f"s3://{bucket}/copy")
    assert aws("s3", "sync", "source", f"s3://{bucket}/copy").stdout == b""
    (source / "a.txt").unlink()
    assert b"delete:" in aws("s3", "sync", "source", f"s3://{bucket}/copy", "--delete").stdout
    aws("s3", "sync", f"s3://{bucket}/copy", "back")
    assert sorted(path.name for path in (tmp_path / "back").rglob("*") if path.is_file()) == ["b c.txt", "ü+%.txt"]
    aws("s3", "rb", f"s3://{bucket}", "--force")


def test_api_calls(aws, bucket, tmp_path):
    (tmp_path / "body").write_bytes(b"data")
    put = json.loads(aws("s3api", "put-object", "--bucket", bucket, "--key", "k", "--body", "body", "--metadata", "a=1").stdout)
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "k").stdout)
    assert (head["ETag"], head["Metadata"], head["ContentLength"]) == (put["ETag"], {"a": "1"}, 4)
    refused = aws("s3api", "get-object", "--bucket", bucket, "--key", "absent", "out", check=False)
    assert refused.returncode != 0 and b"NoSuchKey" in refused.stderr
    listed = json.loads(aws("s3api", "list-objects-v2", "--bucket", bucket).stdout)
    assert [one["Key"] for one in listed["Contents"]] == ["k"]


def test_presigned(aws, bucket, tmp_path, environment):
    from harness.wire import Wire

    (tmp_path / "body").write_bytes(b"data")
    aws("s3", "cp", "body", f"s3://{bucket}/k")
    url = aws("s3", "presign", f"s3://{bucket}/k").stdout.decode().strip()
    assert Wire(aws.door, environment).follow(url).body == b"data"
