"""Ranges of objects that lie inline, in one file, and in several parts."""

import pytest
from harness.expect import body, headers, noise, refused, status

SMALL, LARGE = 100, 300 * 1024

# range of a 100-byte object → bytes answered, or None for the whole with 200
RANGES = [
    ("bytes=0-9", (0, 9)),
    ("bytes=0-0", (0, 0)),
    ("bytes=99-99", (99, 99)),
    ("bytes=95-", (95, 99)),
    ("bytes=0-", (0, 99)),
    ("bytes=-5", (95, 99)),
    ("bytes=-100", (0, 99)),
    ("bytes=-1000", (0, 99)),
    ("bytes=90-5000", (90, 99)),
    ("bytes=5-3", None),
    ("bytes=a-b", None),
    ("lines=0-9", None),
    ("bytes=0-1,5-6", None),
    ("bytes=", None),
]


@pytest.fixture
def objects(s3, bucket):
    for name, size in (("small", SMALL), ("large", LARGE), ("empty", 0)):
        s3.put_object(Bucket=bucket, Key=name, Body=noise(size))
    return bucket


def test_of_a_small_object(s3, objects):
    data = noise(SMALL)
    for asked, expected in RANGES:
        got = s3.get_object(Bucket=objects, Key="small", Range=asked)
        if expected is None:
            assert (status(got), body(got)) == (200, data), asked
            continue
        first, last = expected
        assert (status(got), body(got)) == (206, data[first : last + 1]), asked
        assert got["ContentRange"] == f"bytes {first}-{last}/{SMALL}", asked
        assert got["ContentLength"] == last - first + 1, asked


def test_of_a_large_object(s3, objects):
    data = noise(LARGE)
    for first, last in [(0, 0), (32767, 32769), (262143, 262145), (1, LARGE - 2), (LARGE - 1, LARGE - 1)]:
        got = s3.get_object(Bucket=objects, Key="large", Range=f"bytes={first}-{last}")
        assert body(got) == data[first : last + 1]


@pytest.mark.parametrize("key,asked", [("small", "bytes=100-"), ("small", "bytes=100-200"), ("small", "bytes=-0"), ("empty", "bytes=0-0")])
def test_outside_the_object(s3, objects, key, asked):
    with refused("InvalidRange", 416) as caught:
        s3.get_object(Bucket=objects, Key=key, Range=asked)
    size = SMALL if key == "small" else 0
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"].get("content-range") == f"bytes */{size}"


def test_head_of_a_range(s3, objects):
    got = s3.head_object(Bucket=objects, Key="small", Range="bytes=10-19")
    assert (status(got), got["ContentLength"]) == (206, 10)
    assert headers(got)["content-range"] == f"bytes 10-19/{SMALL}"


def test_part_number_of_a_simple_object(s3, objects):
    got = s3.get_object(Bucket=objects, Key="small", PartNumber=1)
    assert body(got) == noise(SMALL)
    with refused("InvalidPartNumber", 416):
        s3.get_object(Bucket=objects, Key="small", PartNumber=2)
