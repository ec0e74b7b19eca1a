"""Nothing acknowledged is lost: the appliance is killed under 64 concurrent writers and started again."""

import itertools
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from harness.cloud import Cloud
from harness.doors import Door
from harness.expect import body, noise

WRITERS = 64
# Acknowledged writes after which the appliance is killed.
KILL_AFTER = 1500
SIZES = [10, 4096, 33_000, 200_000]
PART = 5 * 1024 * 1024
SETTLE_SECONDS = 20

pytestmark = [pytest.mark.slow, pytest.mark.own_appliance]


class Writer(threading.Thread):
    """Writes its own keys in turn: new ones, one that it overwrites, and one that it deletes and makes again."""

    def __init__(self, s3, number, counter, dead):
        super().__init__(daemon=True)
        self.s3, self.number, self.counter, self.dead = s3, number, counter, dead
        self.created: dict[str, bytes] = {}
        self.rewritten = self.attempted = -1
        self.toggled: bool | None = False

    def run(self):
        for turn in itertools.count():
            if self.dead.is_set():
                return
            try:
                self.write(turn)
            except (BotoCoreError, ClientError, OSError):
                return
            next(self.counter)

    def content(self, turn: int) -> bytes:
        data = noise(SIZES[turn % len(SIZES)], self.number)
        return b"%d:%d:" % (self.number, turn) + data

    def write(self, turn):
        put = self.s3.put_object
        if turn % 4 == 1:
            self.attempted = turn
            put(Bucket="crash", Key=f"same/{self.number}", Body=self.content(turn))
            self.rewritten = turn
        elif turn % 4 == 3:
            there, self.toggled = self.toggled, None
            if there:
                self.s3.delete_object(Bucket="crash", Key=f"toggle/{self.number}")
            else:
                put(Bucket="crash", Key=f"toggle/{self.number}", Body=self.content(turn))
            self.toggled = not there
        else:
            key = f"new/{self.number}/{turn}"
            put(Bucket="crash", Key=key, Body=self.content(turn))
            self.created[key] = self.content(turn)


def load(s3, appliance):
    counter, dead = itertools.count(), threading.Event()
    writers = [Writer(s3, number, counter, dead) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    while next(counter) < KILL_AFTER and any(writer.is_alive() for writer in writers):
        time.sleep(0.01)  # the load runs in threads; this only looks at how far it is
    appliance.kill()
    dead.set()
    for writer in writers:
        writer.join()
    return writers


def check_objects(s3, writers):
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="crash"):
        found.update({one["Key"]: one["Size"] for one in page.get("Contents", [])})
    for key in found:
        got = s3.get_object(Bucket="crash", Key=key)
        assert len(body(got)) == found[key], f"{key} is half there"
    for writer in writers:
        for key, data in writer.created.items():
            assert key in found, f"{key} was acknowledged and is lost"
            assert body(s3.get_object(Bucket="crash", Key=key)) == data
        check_rewritten(s3, writer, found)
        key = f"toggle/{writer.number}"
        if writer.toggled is not None:
            assert (key in found) == writer.toggled, f"{key}: the last acknowledged change is lost"
    return found


def check_rewritten(s3, writer, found):
    key = f"same/{writer.number}"
    if writer.rewritten < 0 and key not in found:
        return
    data = body(s3.get_object(Bucket="crash", Key=key))
    turn = int(data.split(b":")[1])
    assert turn in (writer.rewritten, writer.attempted), f"{key} went back to turn {turn}"
    assert data == writer.content(turn)


def body_files(appliance):
    return [path for path in appliance.disk_files() if "bodies" in path.parts]


def test_kill_under_load(own_appliance):
    appliance = own_appliance()
    environment = Cloud(appliance).create()
    door = Door("aws_s3", "http", "prefix")
    s3 = door.client(environment)
    s3.create_bucket(Bucket="crash")
    upload = {"Bucket": "crash", "Key": "upload"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(PartNumber=1, Body=noise(PART), **upload)

    writers = load(s3, appliance)
    acknowledged = sum(len(writer.created) for writer in writers)
    assert acknowledged > WRITERS, "the load never ran"

    begun = time.monotonic()
    appliance.start()
    print(f"\nrestarted in {(time.monotonic() - begun) * 1000:.0f} ms with {acknowledged} acknowledged objects")
    s3 = door.client(Cloud(appliance).get(environment.id))
    found = check_objects(s3, writers)

    # The upload begun before the kill goes on after it.
    parts = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in s3.list_parts(**upload)["Parts"]]
    assert parts == [{"PartNumber": 1, "ETag": part["ETag"]}]
    parts.append({"PartNumber": 2, "ETag": s3.upload_part(PartNumber=2, Body=b"after", **upload)["ETag"]})
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    assert body(s3.get_object(Bucket="crash", Key="upload")) == noise(PART) + b"after"

    # With everything deleted no body is left on disk: none was orphaned by the kill.
    for key in [*found, "upload"]:
        s3.delete_object(Bucket="crash", Key=key)
    deadline = time.monotonic() + SETTLE_SECONDS
    while (left := body_files(appliance)) and time.monotonic() < deadline:
        time.sleep(0.1)  # files are removed in the background
    assert not left, f"{len(left)} orphans, such as {left[0]}"
    appliance.stop()
    assert not appliance.complaints()


def test_killed_again_and_again(own_appliance):
    """Ten short lives; each finds what the ones before it were told is stored."""
    appliance = own_appliance()
    environment = Cloud(appliance).create()
    door = Door("aws_s3", "http", "prefix")
    door.client(environment).create_bucket(Bucket="lives")
    for life in range(10):
        s3 = door.client(environment)
        s3.put_object(Bucket="lives", Key=f"{life}", Body=noise(50_000, life))
        s3.put_object(Bucket="lives", Key="last", Body=b"%d" % life)
        appliance.kill()
        appliance.start()
        s3 = door.client(environment)
        assert s3.list_objects_v2(Bucket="lives")["KeyCount"] == life + 2
        assert body(s3.get_object(Bucket="lives", Key="last")) == b"%d" % life
    assert all(body(s3.get_object(Bucket="lives", Key=f"{life}")) == noise(50_000, life) for life in range(10))


def test_ordinary_stop_and_start(own_appliance):
    appliance = own_appliance()
    environment = Cloud(appliance).create()
    door = Door("aws_s3", "http", "prefix")
    s3 = door.client(environment)
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="k", Body=noise(100_000), Metadata={"a": "1"})
    s3.close()
    seconds = appliance.stop()
    assert seconds < 2, f"an idle appliance took {seconds:.1f} s to stop"
    appliance.start()
    got = door.client(environment).get_object(Bucket="kept", Key="k")
    assert (body(got), got["Metadata"]) == (noise(100_000), {"a": "1"})
    assert not appliance.complaints()
