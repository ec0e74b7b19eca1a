"""s5cmd: many small files at once, copies, streams, presigned URLs."""

import json

import pytest
from harness.doors import Door
from harness.expect import noise
from harness.names import bucket_name
from harness.tools import S5cmd

# s5cmd has no place for a path in its endpoint: the bare endpoint and host names only.
DOORS = [Door("aws_s3", "http", "bare"), Door("aws_s3", "https", "host"), Door("cloudflare_r2", "https", "host"), Door("do_spaces", "http", "host")]
LARGE = 12 * 1024 * 1024 + 3


@pytest.fixture(params=DOORS, ids=[door.name for door in DOORS])
def s5cmd(request, environment, tmp_path, forward_proxy):
    door = request.param
    return S5cmd(door, environment, tmp_path, None if door.addressing == "bare" else forward_proxy.url)


@pytest.fixture
def bucket(s5cmd):
    name = bucket_name("s5cmd")
    s5cmd("mb", f"s3://{name}")
    return name


def test_many_files(s5cmd, bucket, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(200):
        (source / f"file {number:03}.txt").write_bytes(b"%d" % number * 100)
    (source / "large.bin").write_bytes(noise(LARGE))
    s5cmd("cp", "--part-size", "5", "source/", f"s3://{bucket}/copy/")
    assert len(s5cmd("ls", f"s3://{bucket}/copy/*").stdout.splitlines()) == 201
    s5cmd("sync", f"s3://{bucket}/copy/*", "back/")
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == {
        path.name: path.read_bytes() for path in source.iterdir()
    }
    assert str(LARGE).encode() in s5cmd("du", f"s3://{bucket}/copy/large.bin").stdout
    s5cmd("rm", f"s3://{bucket}/*")
    s5cmd("rb", f"s3://{bucket}")
    assert bucket.encode() not in s5cmd("ls").stdout


def test_copy_move_and_streams(s5cmd, bucket):
    s5cmd("pipe", f"s3://{bucket}/a", stdin=b"streamed")
    s5cmd("cp", f"s3://{bucket}/a", f"s3://{bucket}/b")
    s5cmd("mv", f"s3://{bucket}/b", f"s3://{bucket}/dir/c")
    assert s5cmd("cat", f"s3://{bucket}/dir/c").stdout == b"streamed"
    head = json.loads(s5cmd("--json", "head", f"s3://{bucket}/a").stdout)
    assert head["size"] == 8
    missing = s5cmd("cat", f"s3://{bucket}/absent", check=False)
    assert missing.returncode != 0 and b"not found" in missing.stderr


def test_presigned(s5cmd, bucket, environment):
    from harness.wire import Wire

    s5cmd("pipe", f"s3://{bucket}/k", stdin=b"data")
    url = s5cmd("presign", f"s3://{bucket}/k").stdout.decode().strip()
    assert Wire(s5cmd.door, environment).follow(url).body == b"data"
