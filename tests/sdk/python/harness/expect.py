"""Expectations the cases share."""

import contextlib
import functools
import random

import pytest
from botocore.exceptions import ClientError


@contextlib.contextmanager
def refused(code: str, status: int | None = None):
    """The call fails with this error code and, where given, HTTP status."""
    with pytest.raises(ClientError) as caught:
        yield caught
    response = caught.value.response
    got = response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
    assert got == (code, status or got[1]), caught.value


@functools.lru_cache(maxsize=8)
def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not compress, the same in every run."""
    return random.Random(seed).randbytes(size)


def status(answer: dict) -> int:
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def headers(answer: dict) -> dict:
    return answer["ResponseMetadata"]["HTTPHeaders"]


def body(answer: dict) -> bytes:
    return answer["Body"].read()
