"""A client of the control plane, plain enough to send it anything."""

import dataclasses
import email.message
import json
import urllib.error
import urllib.parse
import urllib.request

from .openapi import Document

SERVICES = ["aws_s3", "cloudflare_r2", "do_spaces"]


@dataclasses.dataclass
class Answer:
    status: int
    # By name, whatever its case.
    headers: email.message.Message
    text: str

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def error(self) -> str:
        """The error's code, or what came instead of one."""
        try:
            return self.json["error"]["code"]
        except (ValueError, KeyError, TypeError):
            return f"{self.status}: {self.text[:200]}"


@dataclasses.dataclass
class Keys:
    """What signs requests to one service."""

    access_key: str
    secret_key: str
    region: str


class Environment:
    """One tenant, as its creation answered it."""

    def __init__(self, cloud: "Cloud", record: dict):
        self.cloud = cloud
        self.record = record

    @property
    def id(self) -> str:
        return self.record["id"]

    def keys(self, service: str) -> Keys:
        credentials = self.record["credentials"]
        if service == "aws_s3":
            aws = credentials["aws"]
            return Keys(aws["access_key_id"], aws["secret_access_key"], aws["region"])
        if service == "cloudflare_r2":
            r2 = credentials["cloudflare"]
            return Keys(r2["r2_access_key_id"], r2["r2_secret_access_key"], "auto")
        spaces = credentials["digitalocean"]
        return Keys(spaces["spaces_access_key_id"], spaces["spaces_secret_access_key"], "nyc3")

    def call(self, method: str, path: str = "", body=None) -> Answer:
        return self.cloud.call(method, f"/environments/{self.id}{path}", body)

    def advance(self, seconds: int) -> None:
        """Moves its clock forward."""
        self.cloud.must("POST", f"/environments/{self.id}/clock", {"advance": seconds})

    def branch(self, **fields) -> "Environment":
        return Environment(self.cloud, self.cloud.must("POST", f"/environments/{self.id}/branches", fields))

    def delete(self) -> None:
        self.cloud.must("DELETE", f"/environments/{self.id}")


class Cloud:
    """The control plane of one appliance, and where its doors are."""

    def __init__(self, appliance, domain: str = "mockfactory.localhost"):
        self.appliance = appliance
        self.domain = domain
        self.ca = appliance.ca
        self._catalogue = None
        self._document = None

    def port(self, scheme: str) -> int:
        return self.appliance.https_port if scheme == "https" else self.appliance.http_port

    def call(self, method: str, path: str, body=None, token: str | None = None, headers: dict | None = None) -> Answer:
        """One request under /api/v1; `body` may be bytes, to send what is no JSON."""
        sent = {"Authorization": f"Bearer {self.appliance.token if token is None else token}", **(headers or {})}
        sent = {name: value for name, value in sent.items() if value}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        answer = self.plain(method, f"/api/v1{path}", data, sent)
        if answer.text:
            self.document().check(method, f"/api/v1{path}", answer.status, answer.json)
        return answer

    def document(self) -> Document:
        """What the appliance says its control plane is; every answer is held against it."""
        if self._document is None:
            headers = {"Authorization": f"Bearer {self.appliance.token}"}
            self._document = Document(self.plain("GET", "/api/v1/openapi.json", headers=headers).json)
        return self._document

    def plain(self, method: str, path: str, data: bytes | None = None, headers: dict | None = None) -> Answer:
        """One request to the appliance's root, without a token."""
        request = urllib.request.Request(f"{self.appliance.url}{path}", data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())

    def must(self, method: str, path: str, body=None):
        answer = self.call(method, path, body)
        assert 200 <= answer.status < 300, f"{method} {path}: {answer.status} {answer.text}"
        return answer.json if answer.text else None

    def create(self, services=None, **fields) -> Environment:
        body = {"name": "sdk-test", "services": SERVICES if services is None else services, **fields}
        return Environment(self, self.must("POST", "/environments", body))

    def get(self, environment_id: str) -> Environment:
        return Environment(self, self.must("GET", f"/environments/{environment_id}"))

    def environments(self) -> list[dict]:
        """Every environment, through all pages."""
        found, cursor = [], None
        while True:
            query = f"?cursor={urllib.parse.quote(cursor)}" if cursor else ""
            page = self.must("GET", f"/environments{query}")
            found += page["environments"]
            cursor = page.get("next_cursor")
            if not cursor:
                return found

    def catalogue(self) -> dict[str, dict]:
        if self._catalogue is None:
            self._catalogue = {row["id"]: row for row in self.must("GET", "/catalogue")["services"]}
        return self._catalogue

    def levels(self, service: str) -> dict[str, str]:
        """Operation → `full`, `partial` or `absent`, as the table of services says."""
        return {row["name"]: row["level"] for row in self.catalogue()[service]["operations"]}
