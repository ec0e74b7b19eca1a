"""Bucket names that no other case uses."""

import itertools
import os

_numbers = itertools.count()


def bucket_name(prefix: str = "sdk") -> str:
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"
