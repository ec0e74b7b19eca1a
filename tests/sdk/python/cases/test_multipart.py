"""Multipart uploads: begun, resumed, replaced, refused, aborted, completed."""

import concurrent.futures

import pytest
from harness.checksums import etag, multipart_etag
from harness.expect import body, headers, noise, refused, status

MIB = 1024 * 1024
PART = 5 * MIB
PIECES = [noise(PART, 1), noise(PART, 2), noise(1000, 3)]


def begin(s3, bucket, key="k", **fields):
    made = s3.create_multipart_upload(Bucket=bucket, Key=key, **fields)
    assert (made["Bucket"], made["Key"]) == (bucket, key)
    return {"Bucket": bucket, "Key": key, "UploadId": made["UploadId"]}


def send(s3, upload, number, piece):
    answer = s3.upload_part(PartNumber=number, Body=piece, **upload)
    return {"PartNumber": number, "ETag": answer["ETag"]}


def complete(s3, upload, parts, **fields):
    return s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload, **fields)


@pytest.mark.doors("every")
def test_one_part(s3, bucket):
    upload = begin(s3, bucket, "dir/a b.bin", Metadata={"a": "1"})
    complete(s3, upload, [send(s3, upload, 1, b"small")])
    assert body(s3.get_object(Bucket=bucket, Key="dir/a b.bin")) == b"small"


def test_whole_life(s3, bucket):
    upload = begin(s3, bucket, Metadata={"a": "1"}, ContentType="text/plain", CacheControl="no-cache")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    parts = [send(s3, upload, number, piece) for number, piece in enumerate(PIECES, 1)]
    assert [part["ETag"] for part in parts] == [etag(piece) for piece in PIECES]
    done = complete(s3, upload, parts)
    whole = b"".join(PIECES)
    assert (done["Bucket"], done["Key"], done["ETag"]) == (bucket, "k", multipart_etag(PIECES))
    assert done["Location"].startswith("http")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (body(got), got["ETag"]) == (whole, multipart_etag(PIECES))
    assert (got["Metadata"], got["ContentType"], got["CacheControl"]) == ({"a": "1"}, "text/plain", "no-cache")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (listed["Size"], listed["ETag"]) == (len(whole), multipart_etag(PIECES))
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_ranges_across_parts(s3, bucket):
    upload = begin(s3, bucket)
    complete(s3, upload, [send(s3, upload, number, piece) for number, piece in enumerate(PIECES, 1)])
    whole = b"".join(PIECES)
    for first, last in [(PART - 1, PART), (PART, PART), (0, 0), (PART - 10, 2 * PART + 10), (2 * PART, len(whole) - 1)]:
        assert body(s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}")) == whole[first : last + 1]
    assert body(s3.get_object(Bucket=bucket, Key="k", Range="bytes=-1001")) == whole[-1001:]


def test_parts_by_number(s3, bucket):
    upload = begin(s3, bucket)
    parts = [send(s3, upload, number, piece) for number, piece in zip((2, 5, 9), PIECES)]
    complete(s3, upload, parts)
    for position, piece in enumerate(PIECES, 1):
        got = s3.get_object(Bucket=bucket, Key="k", PartNumber=position)
        assert (status(got), body(got), got["PartsCount"]) == (206, piece, 3)
        assert s3.head_object(Bucket=bucket, Key="k", PartNumber=position)["ContentLength"] == len(piece)
    with refused("InvalidPartNumber", 416):
        s3.get_object(Bucket=bucket, Key="k", PartNumber=4)


def test_resumed_from_the_list_of_parts(s3, bucket):
    upload = begin(s3, bucket)
    send(s3, upload, 1, PIECES[0])
    found = [one for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"] if one["Key"] == "k"]
    assert [one["UploadId"] for one in found] == [upload["UploadId"]]
    send(s3, upload, 2, PIECES[2])
    parts = s3.list_parts(**upload)["Parts"]
    assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in parts] == [
        (1, PART, etag(PIECES[0])), (2, len(PIECES[2]), etag(PIECES[2])),
    ]  # fmt: skip
    complete(s3, upload, [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts])
    assert body(s3.get_object(Bucket=bucket, Key="k")) == PIECES[0] + PIECES[2]


def test_part_replaced(s3, bucket):
    upload = begin(s3, bucket)
    old = send(s3, upload, 1, b"old")
    new = send(s3, upload, 1, b"new")
    assert [part["Size"] for part in s3.list_parts(**upload)["Parts"]] == [3]
    with refused("InvalidPart", 400):
        complete(s3, upload, [old])
    complete(s3, upload, [new])
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"new"


def test_only_named_parts_count(s3, bucket):
    upload = begin(s3, bucket)
    parts = [send(s3, upload, number, piece) for number, piece in enumerate(PIECES, 1)]
    complete(s3, upload, [parts[0], parts[2]])
    assert body(s3.get_object(Bucket=bucket, Key="k")) == PIECES[0] + PIECES[2]


def test_aborted(s3, bucket):
    upload = begin(s3, bucket)
    part = send(s3, upload, 1, b"x")
    assert status(s3.abort_multipart_upload(**upload)) == 204
    for call in (
        lambda: send(s3, upload, 2, b"x"), lambda: s3.list_parts(**upload), lambda: complete(s3, upload, [part]),
    ):  # fmt: skip
        with refused("NoSuchUpload", 404):
            call()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("upload_id", ["unknown", "a/b", "x" * 300, "%00"])
def test_unknown_upload(s3, bucket, upload_id):
    upload = {"Bucket": bucket, "Key": "k", "UploadId": upload_id}
    for call in (
        lambda: send(s3, upload, 1, b"x"), lambda: s3.list_parts(**upload), lambda: s3.abort_multipart_upload(**upload),
        lambda: complete(s3, upload, [{"PartNumber": 1, "ETag": etag(b"x")}]),
    ):  # fmt: skip
        with refused("NoSuchUpload", 404):
            call()


def test_upload_of_another_key(s3, bucket):
    upload = begin(s3, bucket, "one")
    with refused("NoSuchUpload", 404):
        send(s3, {**upload, "Key": "two"}, 1, b"x")


@pytest.mark.parametrize("number", [0, -1, 10_001, 100_000])
def test_part_number_refused(s3, bucket, number):
    upload = begin(s3, bucket)
    with refused("InvalidArgument", 400):
        send(s3, upload, number, b"x")


def test_largest_part_number(s3, bucket):
    upload = begin(s3, bucket)
    complete(s3, upload, [send(s3, upload, 10_000, b"last")])
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"last"


def test_complete_with_10_001_parts(s3, bucket):
    upload = begin(s3, bucket)
    part = send(s3, upload, 1, b"x")
    parts = [{"PartNumber": number, "ETag": part["ETag"]} for number in range(1, 10_002)]
    with refused("MalformedXML", 400):
        complete(s3, upload, parts)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_complete_refused(s3, bucket):
    upload = begin(s3, bucket)
    parts = [send(s3, upload, number, piece) for number, piece in enumerate(PIECES, 1)]
    unknown = {"PartNumber": 4, "ETag": etag(b"x")}
    table = [
        ("MalformedXML", []),
        ("InvalidPartOrder", [parts[1], parts[0]]),
        ("InvalidPartOrder", [parts[0], parts[0]]),
        ("InvalidPart", [*parts, unknown]),
        ("InvalidPart", [{"PartNumber": 1, "ETag": etag(b"x")}]),
    ]
    for code, named in table:
        with refused(code, 400):
            complete(s3, upload, named)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    complete(s3, upload, parts)


def test_part_too_small(s3, bucket):
    upload = begin(s3, bucket)
    parts = [send(s3, upload, 1, noise(PART - 1)), send(s3, upload, 2, b"last")]
    with refused("EntityTooSmall", 400):
        complete(s3, upload, parts)


def test_etags_without_quotes(s3, bucket):
    upload = begin(s3, bucket)
    part = send(s3, upload, 1, b"x")
    complete(s3, upload, [{"PartNumber": 1, "ETag": part["ETag"].strip('"')}])


def test_parts_listed_at_every_page_size(s3, bucket):
    upload = begin(s3, bucket)
    numbers = [1, 2, 3, 7, 8, 50, 10_000]
    for number in numbers:
        send(s3, upload, number, b"p%d" % number)
    for size in range(1, len(numbers) + 2):
        found, marker = [], {}
        while True:
            page = s3.list_parts(MaxParts=size, **upload, **marker)
            assert len(page["Parts"]) <= size
            found += [part["PartNumber"] for part in page["Parts"]]
            if not page["IsTruncated"]:
                break
            assert page["NextPartNumberMarker"] == found[-1]
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}
        assert found == numbers


def test_two_uploads_of_one_key(s3, bucket):
    one, two = begin(s3, bucket), begin(s3, bucket)
    first, second = send(s3, one, 1, b"one"), send(s3, two, 1, b"two")
    complete(s3, two, [second])
    complete(s3, one, [first])
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"one"


def test_upload_in_progress_does_not_hide_the_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"there")
    upload = begin(s3, bucket)
    send(s3, upload, 1, b"coming")
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"there"
    s3.abort_multipart_upload(**upload)
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"there"


def test_parts_in_parallel(s3, bucket):
    pieces = [noise(PART, seed) for seed in range(6)]
    upload = begin(s3, bucket)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        parts = list(pool.map(lambda one: send(s3, upload, one[0], one[1]), enumerate(pieces, 1)))
    complete(s3, upload, parts)
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"".join(pieces)


def test_copied_parts(s3, bucket, new_bucket):
    elsewhere = new_bucket()
    source = noise(6 * MIB, 9)
    s3.put_object(Bucket=elsewhere, Key="the source", Body=source)
    copy_source = {"Bucket": elsewhere, "Key": "the source"}
    upload = begin(s3, bucket)
    whole = s3.upload_part_copy(PartNumber=1, CopySource=copy_source, **upload)["CopyPartResult"]
    some = s3.upload_part_copy(PartNumber=2, CopySource=copy_source, CopySourceRange="bytes=100-199", **upload)
    assert (whole["ETag"], some["CopyPartResult"]["ETag"]) == (etag(source), etag(source[100:200]))
    complete(s3, upload, [
        {"PartNumber": 1, "ETag": whole["ETag"]}, {"PartNumber": 2, "ETag": some["CopyPartResult"]["ETag"]},
    ])  # fmt: skip
    s3.delete_object(Bucket=elsewhere, Key="the source")
    assert body(s3.get_object(Bucket=bucket, Key="k")) == source + source[100:200]


@pytest.mark.parametrize("asked", ["bytes=0-100", "bytes=50-200", "bytes=5-3", "bytes=5-", "bytes=-5", "0-5", "bytes=a-b"])
def test_copied_range_refused(s3, bucket, asked):
    s3.put_object(Bucket=bucket, Key="source", Body=noise(100))
    upload = begin(s3, bucket)
    with refused("InvalidArgument", 400):
        s3.upload_part_copy(PartNumber=1, CopySource=f"{bucket}/source", CopySourceRange=asked, **upload)


def test_copied_part_of_what_is_not_there(s3, bucket):
    upload = begin(s3, bucket)
    with refused("NoSuchKey", 404):
        s3.upload_part_copy(PartNumber=1, CopySource=f"{bucket}/absent", **upload)


def test_copied_part_on_condition(s3, bucket):
    tag = s3.put_object(Bucket=bucket, Key="source", Body=b"x")["ETag"]
    upload = begin(s3, bucket)
    source = {"PartNumber": 1, "CopySource": f"{bucket}/source", **upload}
    s3.upload_part_copy(CopySourceIfMatch=tag, **source)
    with refused("PreconditionFailed", 412):
        s3.upload_part_copy(CopySourceIfNoneMatch=tag, **source)


def test_copy_of_a_multipart_object(s3, bucket):
    upload = begin(s3, bucket)
    complete(s3, upload, [send(s3, upload, number, piece) for number, piece in enumerate(PIECES, 1)])
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    s3.delete_object(Bucket=bucket, Key="k")
    assert body(s3.get_object(Bucket=bucket, Key="copy")) == b"".join(PIECES)


@pytest.mark.doors("aws")
def test_copy_of_a_multipart_object_is_a_single_one(s3, bucket):
    upload = begin(s3, bucket)
    complete(s3, upload, [send(s3, upload, number, piece) for number, piece in enumerate(PIECES, 1)])
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")["CopyObjectResult"]
    assert copied["ETag"] == etag(b"".join(PIECES)) == s3.head_object(Bucket=bucket, Key="copy")["ETag"]
    with refused("InvalidPartNumber", 416):
        s3.get_object(Bucket=bucket, Key="copy", PartNumber=2)


@pytest.mark.doors("aws")
def test_bucket_with_an_upload_can_be_deleted(s3, new_bucket):
    name = new_bucket()
    upload = begin(s3, name)
    send(s3, upload, 1, b"x")
    s3.delete_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=name)


@pytest.mark.doors("aws")
def test_answer_says_how_many_parts(s3, bucket):
    upload = begin(s3, bucket)
    complete(s3, upload, [send(s3, upload, number, piece) for number, piece in enumerate(PIECES, 1)])
    assert headers(s3.head_object(Bucket=bucket, Key="k", PartNumber=1))["x-amz-mp-parts-count"] == "3"
