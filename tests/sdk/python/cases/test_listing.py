"""Listings of objects, both versions, at every page size, held against a model."""

import pytest
from harness.checksums import etag
from harness.expect import refused
from harness.listing_model import entries, of_page

KEYS = [
    "a", "a b", "a+b", "a/", "a/1", "a/2", "a/b/1", "a/b/2", "a/b/c/1", "a//x", "a-1", "b", "b/1", "ba", "bé/1", "bé/2",
    "c%20d", "c&d<e>", "dir/sub/", "dir/sub/1", "e|1", "e|2", "é", "日本/1", "日本/2", "\U0001f389", "\ufffd", "z",
]  # fmt: skip

# prefix, delimiter
QUERIES = [
    ("", ""), ("", "/"), ("a", "/"), ("a/", "/"), ("a/b/", "/"), ("a/b", ""), ("none", "/"), ("", "|"), ("", "b/"),
    ("b", "é"), ("a/", "//"), ("dir/sub/", "/"), ("z", "/"), ("日本", "/"),
]  # fmt: skip


@pytest.fixture(scope="module")
def listed(environment):
    """One bucket per service with all the keys, made once for the module."""
    made = {}

    def bucket(door, s3):
        if door.service not in made:
            name = f"listed-{door.service.replace('_', '-')}"
            s3.create_bucket(Bucket=name)
            for key in KEYS:
                s3.put_object(Bucket=name, Key=key, Body=key.encode())
            made[door.service] = name
        return made[door.service]

    return bucket


def pages_v2(s3, **query):
    token = {}
    while True:
        page = s3.list_objects_v2(**query, **token)
        yield page
        if not page["IsTruncated"]:
            assert "NextContinuationToken" not in page
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def pages_v1(s3, **query):
    marker = {}
    while True:
        page = s3.list_objects(**query, **marker)
        yield page
        if not page["IsTruncated"]:
            return
        if query.get("Delimiter"):
            assert page["NextMarker"] == of_page(page)[-1][1]
        else:
            assert "NextMarker" not in page
        marker = {"Marker": page.get("NextMarker") or page["Contents"][-1]["Key"]}


@pytest.mark.parametrize("prefix,delimiter", QUERIES)
@pytest.mark.parametrize("pages", [pages_v1, pages_v2])
def test_every_page_size(door, s3, listed, pages, prefix, delimiter):
    expected = entries(KEYS, prefix, delimiter)
    query = {"Bucket": listed(door, s3), "Prefix": prefix, **({"Delimiter": delimiter} if delimiter else {})}
    for size in [*range(1, min(len(expected), 9) + 2), len(expected), 1000]:
        if size == 0:
            continue
        got = list(pages(s3, MaxKeys=size, **query))
        assert [one for page in got for one in of_page(page)] == expected, f"page size {size}"
        full = [len(of_page(page)) for page in got[:-1]]
        assert all(count == size for count in full), f"short pages at page size {size}"


@pytest.mark.parametrize("after", ["", "a", "a/", "a/1", "a/b/", "a/b/1", "a/zzz", "b", "bé", "m", "日本/1", "\U0010ffff"])
def test_start(door, s3, listed, after):
    for prefix, delimiter in [("", ""), ("", "/"), ("a/", "/")]:
        expected = entries(KEYS, prefix, delimiter, after)
        query = {"Bucket": listed(door, s3), "Prefix": prefix, **({"Delimiter": delimiter} if delimiter else {})}
        assert of_page(s3.list_objects_v2(StartAfter=after, **query)) == expected, (prefix, delimiter)
        assert of_page(s3.list_objects(Marker=after, **query)) == expected, (prefix, delimiter)


def test_entry(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    plain = s3.list_objects_v2(Bucket=bucket)
    entry = plain["Contents"][0]
    assert (entry["Key"], entry["Size"], entry["ETag"], entry["StorageClass"]) == ("k", 4, etag(b"data"), "STANDARD")
    assert "Owner" not in entry and plain["KeyCount"] == 1 and plain["MaxKeys"] == 1000 and plain["Name"] == bucket
    assert s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
    assert s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"]["ID"]


def test_query_is_echoed(door, s3, listed):
    query = {"Prefix": "a/", "Delimiter": "/", "MaxKeys": 3}
    page = s3.list_objects_v2(Bucket=listed(door, s3), StartAfter="a/1", **query)
    assert {name: page[name] for name in query} == query and page["StartAfter"] == "a/1"
    page = s3.list_objects(Bucket=listed(door, s3), Marker="a/1", **query)
    assert {name: page[name] for name in query} == query and page["Marker"] == "a/1"


def test_no_keys_asked_for(door, s3, listed):
    page = s3.list_objects_v2(Bucket=listed(door, s3), MaxKeys=0)
    assert (page["IsTruncated"], page["KeyCount"], page.get("Contents")) == (False, 0, None)


def test_more_keys_asked_for_than_there_may_be(door, s3, listed):
    assert s3.list_objects_v2(Bucket=listed(door, s3), MaxKeys=5000)["KeyCount"] == len(KEYS)


@pytest.mark.doors("aws")
@pytest.mark.parametrize("query", [
    "max-keys=-1", "max-keys=x", "list-type=2&max-keys=-1", "list-type=2&continuation-token=junk", "list-type=2&continuation-token=",
    "encoding-type=base64", "uploads=&max-uploads=x", "uploads=&encoding-type=base64",
])  # fmt: skip
def test_query_refused(wire, bucket, query):
    reply = wire.send("GET", f"/{bucket}?{query}")
    assert (reply.status, reply.code) == (400, "InvalidArgument"), reply.body


@pytest.mark.doors("aws")
def test_keys_as_the_wire_has_them(wire, s3, bucket):
    for key in ("a b+c/é", "<&>", "ctrl-\x01"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    encoded = wire.send("GET", f"/{bucket}?encoding-type=url&list-type=2").body
    assert b"<Key>a+b%2Bc/%C3%A9</Key>" in encoded or b"<Key>a%20b%2Bc/%C3%A9</Key>" in encoded
    assert b"<Key>ctrl-%01</Key>" in encoded and b"<EncodingType>url</EncodingType>" in encoded
    plain = wire.send("GET", f"/{bucket}?list-type=2").body
    assert "<Key>a b+c/é</Key>".encode() in plain and b"<Key>&lt;&amp;&gt;</Key>" in plain
    assert b"\x01" not in plain and b"ctrl-&#x1;" in plain


@pytest.mark.doors("aws")
def test_of_a_thousand_and_more(s3, bucket):
    keys = [f"{number:05}" for number in range(1100)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    pages = list(pages_v2(s3, Bucket=bucket))
    assert [page["KeyCount"] for page in pages] == [1000, 100]
    assert [one["Key"] for page in pages for one in page["Contents"]] == keys


def test_keys_that_come_and_go_between_pages(s3, bucket):
    for key in "abcdef":
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=3)
    s3.delete_object(Bucket=bucket, Key="c")
    s3.delete_object(Bucket=bucket, Key="d")
    s3.put_object(Bucket=bucket, Key="cc", Body=b"")
    rest = s3.list_objects_v2(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    assert [one["Key"] for one in rest["Contents"]] == ["cc", "e", "f"]


@pytest.mark.doors("aws")
def test_paginator(s3, bucket):
    for number in range(25):
        s3.put_object(Bucket=bucket, Key=f"p/{number:02}", Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="p/", PaginationConfig={"PageSize": 7})
    assert [one["Key"] for page in pages for one in page["Contents"]] == [f"p/{number:02}" for number in range(25)]
