"""rclone: copies, syncs, checks and streams."""

import json

import pytest
from harness.doors import Door
from harness.expect import noise
from harness.names import bucket_name
from harness.tools import Rclone

DOORS = [
    Door("aws_s3", "http", "prefix"),
    Door("aws_s3", "https", "virtual"),
    Door("cloudflare_r2", "https", "mount"),
    Door("do_spaces", "http", "host"),
]
LARGE = 12 * 1024 * 1024 + 3
NAMES = ["a.txt", "sub/b c.txt", "sub/ü+%.txt", "empty", "deep/er/日本.bin"]


@pytest.fixture(params=DOORS, ids=[door.name for door in DOORS])
def rclone(request, environment, tmp_path, forward_proxy):
    door = request.param
    named = door.addressing not in ("bare", "prefix")
    return Rclone(door, environment, tmp_path, forward_proxy.url if named else None)


@pytest.fixture
def bucket(rclone):
    name = bucket_name("rclone")
    rclone("mkdir", f"m:{name}")
    return name


@pytest.fixture
def source(tmp_path):
    for name in NAMES:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100 if name != "empty" else b"")
    (tmp_path / "source" / "large.bin").write_bytes(noise(LARGE))
    return tmp_path / "source"


def test_sync_check_and_purge(rclone, bucket, source):
    rclone("sync", "source", f"m:{bucket}/copy", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M")
    rclone("check", "source", f"m:{bucket}/copy", "--download")
    rclone("check", "source", f"m:{bucket}/copy")
    listed = json.loads(rclone("lsjson", "-R", "--files-only", f"m:{bucket}/copy").stdout)
    assert sorted(row["Path"] for row in listed) == sorted([*NAMES, "large.bin"])
    (source / "a.txt").unlink()
    rclone("sync", "source", f"m:{bucket}/copy")
    assert b"a.txt" not in rclone("lsf", f"m:{bucket}/copy").stdout
    rclone("copy", f"m:{bucket}/copy", f"m:{bucket}/second")
    rclone("check", f"m:{bucket}/copy", f"m:{bucket}/second")
    rclone("copy", f"m:{bucket}/second", "back")
    rclone("check", "source", "back")
    rclone("purge", f"m:{bucket}")
    assert bucket.encode() not in rclone("lsd", "m:").stdout


def test_modification_times_are_kept(rclone, bucket, source):
    rclone("copy", "source/a.txt", f"m:{bucket}")
    row = json.loads(rclone("lsjson", f"m:{bucket}").stdout)[0]
    local = json.loads(rclone("lsjson", "source/a.txt").stdout)[0]
    assert row["ModTime"][:19] == local["ModTime"][:19]


def test_stream_and_move(rclone, bucket):
    data = noise(LARGE)
    rclone("rcat", f"m:{bucket}/stream", "--s3-chunk-size", "5M", stdin=data)
    assert rclone("cat", f"m:{bucket}/stream").stdout == data
    assert rclone("cat", "--offset", "5", "--count", "10", f"m:{bucket}/stream").stdout == data[5:15]
    rclone("moveto", f"m:{bucket}/stream", f"m:{bucket}/dir/moved")
    assert rclone("lsf", "-R", "--files-only", f"m:{bucket}").stdout == b"dir/moved\n"
    rclone("deletefile", f"m:{bucket}/dir/moved")
    assert rclone("lsf", "-R", "--files-only", f"m:{bucket}").stdout == b""


def test_uploads_are_listed_and_cleaned(rclone, bucket, environment):
    rclone.door.client(environment).create_multipart_upload(Bucket=bucket, Key="left behind")
    assert b"left behind" in rclone("backend", "list-multipart-uploads", f"m:{bucket}").stdout
    rclone("backend", "cleanup", "-o", "max-age=0", f"m:{bucket}")
    assert b"left behind" not in rclone("backend", "list-multipart-uploads", f"m:{bucket}").stdout


def test_link(rclone, bucket, environment):
    from harness.wire import Wire

    rclone("rcat", f"m:{bucket}/k", stdin=b"data")
    url = rclone("link", f"m:{bucket}/k").stdout.decode().strip()
    assert Wire(rclone.door, environment).follow(url).body == b"data"
