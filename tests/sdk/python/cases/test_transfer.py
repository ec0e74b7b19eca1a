"""boto3's own transfer manager: large files up, down and across, and streams of unknown length."""

import io
import os

import pytest
from boto3.s3.transfer import TransferConfig
from harness.expect import body, noise

MIB = 1024 * 1024
LARGE = 120 * MIB + 12345


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("transfer") / "large.bin"
    block = noise(8 * MIB)
    with path.open("wb") as file:
        for start in range(0, LARGE, len(block)):
            file.write(block[: LARGE - start])
    return path


def test_large_file_up_and_down(s3, bucket, large_file, tmp_path):
    seen = []
    s3.upload_file(str(large_file), bucket, "large", Callback=seen.append, ExtraArgs={"Metadata": {"a": "1"}})
    head = s3.head_object(Bucket=bucket, Key="large")
    assert (head["ContentLength"], head["Metadata"], sum(seen)) == (LARGE, {"a": "1"}, LARGE)
    assert head["ETag"].strip('"').endswith("-16")
    back = tmp_path / "back.bin"
    s3.download_file(bucket, "large", str(back))
    assert back.stat().st_size == LARGE and same(large_file, back)
    os.unlink(back)


def same(one, two) -> bool:
    with one.open("rb") as first, two.open("rb") as second:
        while piece := first.read(MIB):
            if piece != second.read(MIB):
                return False
        return not second.read(1)


class Pipe(io.RawIOBase):
    """A stream that can neither seek nor say its length."""

    def __init__(self, data: bytes):
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return self.data.read(size)


@pytest.mark.parametrize("size", [0, 1000, 20 * MIB + 1])
def test_stream_of_unknown_length(s3, bucket, size):
    data = noise(size)
    s3.upload_fileobj(Pipe(data), bucket, "stream", Config=TransferConfig(multipart_threshold=8 * MIB))
    out = io.BytesIO()
    s3.download_fileobj(bucket, "stream", out)
    assert out.getvalue() == data


@pytest.mark.doors("aws-both")
def test_managed_copy_in_parts(s3, bucket):
    data = noise(20 * MIB)
    s3.put_object(Bucket=bucket, Key="from", Body=data)
    settings = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=6 * MIB)
    s3.copy({"Bucket": bucket, "Key": "from"}, bucket, "to", Config=settings)
    assert s3.head_object(Bucket=bucket, Key="to")["ETag"].strip('"').endswith("-4")
    assert body(s3.get_object(Bucket=bucket, Key="to")) == data


@pytest.mark.doors("aws")
def test_read_lazily_and_abandoned(s3, bucket):
    """A client that stops reading in the middle costs the next one nothing."""
    data = noise(32 * MIB)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    for _ in range(5):
        stream = s3.get_object(Bucket=bucket, Key="k")["Body"]
        assert stream.read(1000) == data[:1000]
        stream.close()
    assert body(s3.get_object(Bucket=bucket, Key="k")) == data
