"""What an appliance weighs: idle, and with a thousand environments that were each touched once."""

import concurrent.futures
import time

import pytest
from harness.cloud import Cloud
from harness.doors import Door
from harness.wire import Wire

MIB_KIB = 1024
IDLE_MAX_KIB = 40 * MIB_KIB
THOUSAND_MAX_KIB = 300 * MIB_KIB
SETTLE_SECONDS = 30

pytestmark = [pytest.mark.slow, pytest.mark.own_appliance]


def settled(appliance, most_kib):
    """Resident memory once it is below `most_kib`, or after a while."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (kib := appliance.memory_kib()) > most_kib and time.monotonic() < deadline:
        time.sleep(0.2)  # engines close on the appliance's own ticks
    return kib


def test_idle(own_appliance):
    kib = settled(own_appliance(), IDLE_MAX_KIB)
    print(f"\nidle: {kib / MIB_KIB:.1f} MiB")
    assert kib <= IDLE_MAX_KIB


def test_thousand_environments(own_appliance):
    appliance = own_appliance("--idle-close", "1s")
    cloud = Cloud(appliance)
    door = Door("aws_s3", "http", "prefix")

    def touch(number):
        environment = cloud.create(["aws_s3"], name=f"n{number}")
        wire = Wire(door, environment)
        with wire.connect() as connection:
            assert wire.send("PUT", "/touched", connection=connection).status == 200
            assert wire.send("PUT", "/touched/k", b"x" * 1000, connection=connection).status == 200
        return environment

    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        environments = list(pool.map(touch, range(1000)))
    taken = time.monotonic() - begun
    kib = settled(appliance, THOUSAND_MAX_KIB)
    print(f"\n1,000 environments touched in {taken:.1f} s; then idle: {kib / MIB_KIB:.1f} MiB")
    assert kib <= THOUSAND_MAX_KIB

    begun = time.monotonic()
    appliance.stop()
    appliance.start()
    print(f"restarted in {(time.monotonic() - begun) * 1000:.0f} ms")
    for environment in environments[::100]:
        wire = Wire(door, environment)
        assert wire.send("GET", "/touched/k").body == b"x" * 1000
