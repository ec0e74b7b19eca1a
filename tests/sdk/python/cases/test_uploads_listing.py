"""Listings of uploads in progress: by key, then by when they began."""

import pytest
from harness.listing_model import entries

KEYS = ["a", "a/1", "a/2", "a/2", "b", "b", "b", "c/x/1", "é/1", "é/2", "z z"]


@pytest.fixture
def begun(s3, bucket):
    """(key, upload id) in the order they began."""
    return [(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in KEYS]


def pages(s3, **query):
    marker = {}
    while True:
        page = s3.list_multipart_uploads(**query, **marker)
        yield page
        if not page["IsTruncated"]:
            return
        marker = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextUploadIdMarker"):
            marker["UploadIdMarker"] = page["NextUploadIdMarker"]


def test_every_page_size(s3, bucket, begun):
    expected = sorted(begun, key=lambda one: one[0].encode())
    for size in range(1, len(KEYS) + 2):
        got = list(pages(s3, Bucket=bucket, MaxUploads=size))
        found = [(one["Key"], one["UploadId"]) for page in got for one in page.get("Uploads", [])]
        assert sorted(found) == sorted(expected), f"page size {size}"
        assert [key for key, _ in found] == [key for key, _ in expected], f"page size {size}"
        assert all(len(page["Uploads"]) == size for page in got[:-1])


@pytest.mark.parametrize("prefix", ["", "a", "a/", "b", "c/", "é", "none"])
def test_prefix_and_delimiter(s3, bucket, begun, prefix):
    page = s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix, Delimiter="/")
    expected = entries(set(KEYS), prefix, "/")
    assert {one["Key"] for one in page.get("Uploads", [])} == {text for kind, text in expected if kind == "key"}
    assert [one["Prefix"] for one in page.get("CommonPrefixes", [])] == [text for kind, text in expected if kind == "prefix"]


def test_delimiter_at_every_page_size(s3, bucket, begun):
    expected = entries(set(KEYS), "", "/")
    for size in range(1, 9):
        got = list(pages(s3, Bucket=bucket, MaxUploads=size, Delimiter="/"))
        prefixes = [one["Prefix"] for page in got for one in page.get("CommonPrefixes", [])]
        keys = [one["Key"] for page in got for one in page.get("Uploads", [])]
        assert prefixes == [text for kind, text in expected if kind == "prefix"], f"page size {size}"
        assert keys == ["a", "b", "b", "b", "z z"], f"page size {size}"


def test_key_marker_alone_skips_the_key(s3, bucket, begun):
    page = s3.list_multipart_uploads(Bucket=bucket, KeyMarker="b")
    assert [one["Key"] for one in page["Uploads"]] == ["c/x/1", "z z", "é/1", "é/2"]


def test_entry(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    page = s3.list_multipart_uploads(Bucket=bucket)
    entry = page["Uploads"][0]
    assert (page["Bucket"], page["IsTruncated"], page["MaxUploads"]) == (bucket, False, 1000)
    assert (entry["Key"], entry["UploadId"], entry["StorageClass"]) == ("k", upload, "STANDARD")
    assert entry["Initiated"].year >= 2024 and entry["Owner"]["ID"] and entry["Initiator"]["ID"]
