"""Memory stays flat whatever an object's size: 5 GiB in and out while the appliance grows by less than 64 MiB."""

import os
import threading
import time

import pytest
from harness.cloud import Cloud
from harness.doors import Door
from harness.raw import PIECE, head
from harness.wire import Wire

MIB = 1024 * 1024
SIZE = int(os.environ.get("SDK_LARGE_MIB", "5120")) * MIB
GROWTH_MAX_KIB = 64 * 1024
BLOCK = os.urandom(8 * MIB)

pytestmark = [pytest.mark.slow, pytest.mark.own_appliance, pytest.mark.doors("aws")]


class Peak(threading.Thread):
    """Samples the appliance's resident memory until told to stop."""

    def __init__(self, appliance):
        super().__init__(daemon=True)
        self.appliance, self.done, self.kib = appliance, threading.Event(), 0

    def run(self):
        while not self.done.wait(0.05):
            self.kib = max(self.kib, self.appliance.memory_kib())

    def stop(self) -> int:
        self.done.set()
        self.join()
        return self.kib


def send(connection, size):
    view = memoryview(BLOCK)
    for start in range(0, size, len(BLOCK)):
        connection.socket.sendall(view[: min(len(BLOCK), size - start)])


def receive(connection, size):
    """Reads the body and holds every byte against what was sent."""
    block = memoryview(BLOCK)
    piece, offset = memoryview(bytearray(4 * PIECE)), 0
    pending, connection.buffer = connection.buffer, b""
    while offset < size:
        if pending:
            got, pending = memoryview(pending), b""
        else:
            count = connection.socket.recv_into(piece)
            assert count, f"closed after {offset} bytes"
            got = piece[:count]
        while got:
            at = offset % len(BLOCK)
            part = got[: len(BLOCK) - at]
            assert part == block[at : at + len(part)], f"differs near byte {offset}"
            offset += len(part)
            got = got[len(part) :]
    assert offset == size


def test_five_gib_in_and_out(own_appliance, record_property):
    appliance = own_appliance()
    environment = Cloud(appliance).create()
    door = Door("aws_s3", "http", "prefix")
    s3, wire = door.client(environment), Wire(door, environment)
    s3.create_bucket(Bucket="large")
    for warm in range(20):
        s3.put_object(Bucket="large", Key="warm", Body=BLOCK[: 256 * 1024 * (warm % 8)])
        s3.get_object(Bucket="large", Key="warm")["Body"].read()
    before = appliance.memory_kib()
    peak = Peak(appliance)
    peak.start()
    with wire.connect() as connection:
        headers = wire.signed("PUT", "/large/k", payload_hash="UNSIGNED-PAYLOAD")
        headers["Content-Length"] = str(SIZE)
        begun = time.monotonic()
        connection.send(head("PUT", f"{wire.prefix}/large/k", headers))
        send(connection, SIZE)
        reply = connection.reply("PUT")
        assert reply.status == 200, reply.body
        stored = time.monotonic()
        connection.send(head("GET", f"{wire.prefix}/large/k", wire.signed("GET", "/large/k")))
        status, answered = connection._read_head()
        assert (status, answered["content-length"]) == (200, str(SIZE))
        receive(connection, SIZE)
        read = time.monotonic()
    growth = peak.stop() - before
    print(f"\n{SIZE // MIB} MiB: in {stored - begun:.1f} s, out {read - stored:.1f} s, grown by {growth // 1024} MiB at the peak")
    assert growth < GROWTH_MAX_KIB, f"grown by {growth} KiB"
    s3.delete_object(Bucket="large", Key="k")
