"""The doors into an environment: which service, over HTTP or HTTPS, and where environment and bucket stand.

| addressing      | environment                          | bucket       |
|-----------------|--------------------------------------|--------------|
| prefix          | path: `/env/<id>/<label>/…`          | path         |
| host            | host: `<label>.<id>.<domain>`        | path         |
| virtual         | host: `<label>.<id>.<domain>`        | host's front |
| mount           | host: `<provider>.<id>.<domain><mount>` | path      |
| mount-virtual   | the same                             | host's front |
| bare            | access key, at `localhost`           | path         |
| bare-virtual    | access key, at the domain            | host's front |
"""

import dataclasses
import functools

import boto3
from botocore.config import Config

from .cloud import Environment

LABELS = {"aws_s3": "s3", "cloudflare_r2": "r2", "do_spaces": "spaces"}
PROVIDERS = {"aws_s3": "aws", "cloudflare_r2": "cloudflare", "do_spaces": "digitalocean"}
MOUNTS = {"cloudflare_r2": "/r2", "do_spaces": "/v2/spaces"}


@dataclasses.dataclass(frozen=True)
class Door:
    service: str
    scheme: str
    addressing: str

    @property
    def name(self) -> str:
        return f"{LABELS[self.service]}-{self.scheme}-{self.addressing}"

    @property
    def virtual(self) -> bool:
        return self.addressing.endswith("virtual")

    def host(self, environment: Environment) -> str:
        cloud = environment.cloud
        label, base = LABELS[self.service], self.addressing.removesuffix("-virtual")
        return {
            "prefix": "localhost",
            "bare": cloud.domain if self.virtual else "localhost",
            "host": f"{label}.{environment.id}.{cloud.domain}",
            "virtual": f"{label}.{environment.id}.{cloud.domain}",
            "mount": f"{PROVIDERS[self.service]}.{environment.id}.{cloud.domain}",
        }[base]

    def path(self, environment: Environment) -> str:
        if self.addressing == "prefix":
            return f"/env/{environment.id}/{LABELS[self.service]}"
        return MOUNTS[self.service] if self.addressing.startswith("mount") else ""

    def endpoint(self, environment: Environment) -> str:
        port = environment.cloud.port(self.scheme)
        return f"{self.scheme}://{self.host(environment)}:{port}{self.path(environment)}"

    def client(self, environment: Environment, keys=None, signature: str | None = None, **config):
        """A boto3 client that fails on the first error instead of trying again."""
        keys = keys or environment.keys(self.service)
        settings = {"addressing_style": "virtual" if self.virtual else "path", **config.pop("s3", {})}
        return _session().client(
            "s3",
            endpoint_url=self.endpoint(environment),
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            region_name=config.pop("region", keys.region),
            verify=environment.cloud.ca if self.scheme == "https" else None,
            config=Config(
                s3=settings, signature_version=signature, retries={"total_max_attempts": 1}, max_pool_connections=64, **config
            ),
        )


@functools.cache
def _session() -> boto3.session.Session:
    return boto3.session.Session()


def _every() -> list[Door]:
    doors = []
    for service in LABELS:
        addressings = ["prefix", "host", "virtual"]
        addressings += ["bare", "bare-virtual"] if service == "aws_s3" else ["mount", "mount-virtual"]
        doors += [Door(service, scheme, addressing) for addressing in addressings for scheme in ("http", "https")]
    return doors


EVERY = _every()
# One per service, schemes and addressings mixed: what most cases run through.
ONE_EACH = [
    Door("aws_s3", "https", "virtual"),
    Door("cloudflare_r2", "http", "mount"),
    Door("do_spaces", "https", "prefix"),
]
AWS = [Door("aws_s3", "http", "prefix")]
SETS = {"every": EVERY, "each": ONE_EACH, "aws": AWS, "aws-both": [AWS[0], ONE_EACH[0]]}
