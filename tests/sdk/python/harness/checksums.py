"""S3's five checksums, computed on this side of the wire."""

import base64
import hashlib
import zlib

from awscrt import checksums as crt

# Name in the API → (bytes to raw checksum, whether S3 combines it over a whole multipart object).
_RAW = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": lambda data: crt.crc32c(data).to_bytes(4, "big"),
    "CRC64NVME": lambda data: crt.crc64nvme(data).to_bytes(8, "big"),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}

ALGORITHMS = list(_RAW)
FULL_OBJECT = ["CRC32", "CRC32C", "CRC64NVME"]
COMPOSITE = ["CRC32", "CRC32C", "SHA1", "SHA256"]


def checksum(algorithm: str, data: bytes) -> str:
    return base64.b64encode(_RAW[algorithm](data)).decode()


def composite(algorithm: str, parts: list[bytes]) -> str:
    """The checksum of the parts' checksums, as S3 writes it."""
    joined = b"".join(_RAW[algorithm](part) for part in parts)
    return f"{checksum(algorithm, joined)}-{len(parts)}"


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def multipart_etag(parts: list[bytes]) -> str:
    joined = b"".join(hashlib.md5(part).digest() for part in parts)
    return f'"{hashlib.md5(joined).hexdigest()}-{len(parts)}"'
