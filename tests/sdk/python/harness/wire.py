"""Requests of a case's own making through a door: signed or not, over a bare socket, path style."""

import urllib.parse

from .raw import Connection, Reply, Signer


class Wire:
    """The wire side of one door of one environment. Targets are the service's own: `/bucket/key?query`."""

    def __init__(self, door, environment):
        self.door = door
        self.environment = environment
        self.name = door.host(environment)
        port = environment.cloud.port(door.scheme)
        self.host = f"{self.name}:{port}"
        self.prefix = door.path(environment)
        self.keys = environment.keys(door.service)

    def connect(self) -> Connection:
        cloud = self.environment.cloud
        secure = self.door.scheme == "https"
        return Connection(cloud.port(self.door.scheme), self.name if secure else None, cloud.ca if secure else None)

    def signed(self, method, target, body=b"", headers=None, keys=None, **options) -> dict[str, str]:
        """The headers of a signed request, its length included."""
        signer = Signer(keys or self.keys, region=options.pop("region", None), service=options.pop("service", "s3"))
        options.setdefault("payload", body)
        made = signer.headers(method, self.prefix + target, self.host, extra=headers, **options)
        if body or method in ("PUT", "POST"):
            made.setdefault("Content-Length", str(len(body)))
        return made

    def send(self, method, target, body=b"", headers=None, connection=None, **options) -> Reply:
        """One signed request and its reply; on a connection of its own unless one is given."""
        made = self.signed(method, target, body, headers, **options)
        return self.plain(method, target, body, made, connection)

    def plain(self, method, target, body=b"", headers=None, connection=None) -> Reply:
        """One request with exactly these headers (`Host` is added where it is missing)."""
        made = {"Host": self.host, **(headers or {})}
        if body and "Transfer-Encoding" not in made:
            made.setdefault("Content-Length", str(len(body)))
        if connection:
            return connection.request(method, self.prefix + target, made, body)
        with self.connect() as connection:
            return connection.request(method, self.prefix + target, made, body)

    def follow(self, url: str, method: str = "GET", body: bytes = b"", headers: dict | None = None) -> Reply:
        """A request to a URL somebody signed, as a browser or curl would send it."""
        parts = urllib.parse.urlsplit(url)
        secure = parts.scheme == "https"
        made = {"Host": parts.netloc, **(headers or {})}
        if body or method in ("PUT", "POST"):
            made.setdefault("Content-Length", str(len(body)))
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        with Connection(parts.port, parts.hostname if secure else None, self.environment.cloud.ca if secure else None) as one:
            return one.request(method, target or "/", made, body)
