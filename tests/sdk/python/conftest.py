"""Fixtures: one appliance per pytest worker, one environment per module, one bucket per case."""

import os

import pytest
from harness import doors as doors_of
from harness import resolve
from harness.appliance import Appliance, Borrowed
from harness.cloud import Cloud
from harness.forward_proxy import ForwardProxy
from harness.names import bucket_name
from harness.wire import Wire

resolve.install()
for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


def pytest_generate_tests(metafunc):
    own = any("door" in str(marker.args[0]).split(",") for marker in metafunc.definition.iter_markers("parametrize"))
    if "door" in metafunc.fixturenames and not own:
        marker = metafunc.definition.get_closest_marker("doors")
        chosen = doors_of.SETS[marker.args[0]] if marker else doors_of.ONE_EACH
        metafunc.parametrize("door", chosen, ids=[door.name for door in chosen])


def pytest_collection_modifyitems(items):
    borrowed = "MOCKFACTORY_URL" in os.environ
    for item in items:
        if borrowed and item.get_closest_marker("own_appliance"):
            item.add_marker(pytest.mark.skip(reason="needs an appliance of its own"))


@pytest.fixture(scope="session")
def appliance():
    """The appliance under test; its log must hold no complaint at the end."""
    if "MOCKFACTORY_URL" in os.environ:
        yield Borrowed()
        return
    one = Appliance().start()
    try:
        yield one
        one.stop()
        complaints = one.complaints()
        assert not complaints, "unexpected in the appliance's log:\n" + "\n".join(complaints[:40])
    finally:
        one.dispose()


@pytest.fixture(scope="session")
def cloud(appliance):
    return Cloud(appliance)


@pytest.fixture
def own_appliance():
    """Starts appliances that a case may stop and kill: `own_appliance(*flags)`."""
    started = []

    def start(*flags, **options):
        one = Appliance(*flags, **options)
        started.append(one)
        return one.start()

    yield start
    for one in started:
        one.dispose()


@pytest.fixture(scope="module")
def environment(cloud):
    """One environment with every object store, signatures verified."""
    one = cloud.create()
    yield one
    one.delete()


@pytest.fixture
def spare_environment(cloud):
    """An environment for one case alone: its clock may move, its settings change."""
    one = cloud.create()
    yield one
    one.delete()


@pytest.fixture(scope="module")
def _clients():
    return {}


@pytest.fixture
def s3(door, environment, _clients):
    """A boto3 client through the case's door."""
    key = (door, environment.id)
    if key not in _clients:
        _clients[key] = door.client(environment)
    return _clients[key]


@pytest.fixture
def wire(door, environment):
    """The case's door for requests over a bare socket."""
    return Wire(door, environment)


@pytest.fixture
def bucket(s3):
    """An empty bucket of the case's own."""
    name = bucket_name()
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def requires(cloud, door):
    """`requires("PutObjectTagging")`: skips the case where the table of services lists it as absent."""

    def check(*operations):
        levels = cloud.levels(door.service)
        absent = [name for name in operations if levels.get(name, "absent") == "absent"]
        if absent:
            pytest.skip(f"{door.service} has no {', '.join(absent)}")

    return check


@pytest.fixture(scope="session")
def forward_proxy():
    one = ForwardProxy()
    yield one
    one.close()


@pytest.fixture
def new_bucket(s3):
    """Makes further buckets."""

    def make(prefix="sdk"):
        name = bucket_name(prefix)
        s3.create_bucket(Bucket=name)
        return name

    return make
