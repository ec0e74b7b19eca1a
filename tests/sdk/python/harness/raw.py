"""HTTP/1.1 over a bare socket: what no SDK would send, and what an SDK would hide in the answer."""

import dataclasses
import datetime
import hashlib
import hmac
import re
import socket
import ssl
import urllib.parse

TIMEOUT = 60
PIECE = 256 * 1024
UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclasses.dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    # The server keeps the connection for another request.
    kept: bool

    @property
    def code(self) -> str:
        """The `Code` of an S3 error."""
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found.group(1).decode() if found else ""

    def element(self, name: str) -> str | None:
        found = re.search(rf"<{name}>(.*?)</{name}>".encode(), self.body, re.DOTALL)
        return found.group(1).decode() if found else None


class Connection:
    """One connection; replies are read one at a time."""

    def __init__(self, port: int, tls_name: str | None = None, ca: str | None = None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls_name:
            self.socket = ssl.create_default_context(cafile=ca).wrap_socket(self.socket, server_hostname=tls_name)
        self.buffer = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def finish(self) -> None:
        """No more bytes will come from here."""
        self.socket.shutdown(socket.SHUT_WR)

    def request(self, method: str, target: str, headers: dict | list, body: bytes = b"") -> Reply:
        self.send(head(method, target, headers) + body)
        return self.reply(method)

    def reply(self, method: str = "GET") -> Reply:
        status, headers = self._read_head()
        while 100 <= status < 200:
            status, headers = self._read_head()
        body, framed = self._read_body(method, status, headers)
        kept = framed and headers.get("connection", "").lower() != "close"
        return Reply(status, headers, body, kept)

    def alive(self, host: str = "localhost") -> bool:
        """Whether the connection still answers a request, whatever it answers."""
        try:
            return self.request("GET", "/healthz", {"Host": host}).status < 500
        except (OSError, EOFError):
            return False

    def _fill(self) -> None:
        piece = self.socket.recv(PIECE)
        if not piece:
            raise EOFError("the connection closed")
        self.buffer += piece

    def _take_line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _take(self, count: int) -> bytes:
        pieces, missing = [], count
        while missing:
            if not self.buffer:
                self._fill()
            piece, self.buffer = self.buffer[:missing], self.buffer[missing:]
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _read_head(self) -> tuple[int, dict[str, str]]:
        status = int(self._take_line().split(b" ")[1])
        headers: dict[str, str] = {}
        while line := self._take_line():
            name, value = line.decode("latin-1").split(":", 1)
            headers[name.lower()] = value.strip()
        return status, headers

    def _read_body(self, method: str, status: int, headers: dict) -> tuple[bytes, bool]:
        if method == "HEAD" or status in (204, 304):
            return b"", True
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self._take_line().split(b";")[0], 16):
                body += self._take(size)
                self._take_line()
            while self._take_line():
                pass
            return body, True
        if "content-length" in headers:
            return self._take(int(headers["content-length"])), True
        body = self.buffer
        while piece := self.socket.recv(PIECE):
            body += piece
        return body, False


def head(method: str, target: str, headers: dict | list) -> bytes:
    fields = headers.items() if isinstance(headers, dict) else headers
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def amz_date(when: datetime.datetime | None = None) -> str:
    return (when or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y%m%dT%H%M%SZ")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclasses.dataclass
class Signer:
    """Signature version 4 for S3, over the target exactly as it goes over the wire."""

    keys: object
    region: str | None = None
    service: str = "s3"

    def scope(self, date: str) -> str:
        return f"{date[:8]}/{self.region or self.keys.region}/{self.service}/aws4_request"

    def key(self, date: str) -> bytes:
        key = ("AWS4" + self.keys.secret_key).encode()
        for part in (date[:8], self.region or self.keys.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key

    def signature(self, date: str, canonical: str) -> str:
        text = "\n".join(["AWS4-HMAC-SHA256", date, self.scope(date), sha256(canonical.encode())])
        return hmac.digest(self.key(date), text.encode(), "sha256").hex()

    def headers(self, method, target, host, payload=b"", extra=None, when=None, payload_hash=None) -> dict[str, str]:
        """All headers of a signed request; `payload_hash` overrides what is said of the body."""
        date = amz_date(when)
        said = payload_hash or sha256(payload)
        headers = {"Host": host, "X-Amz-Date": date, "X-Amz-Content-Sha256": said, **(extra or {})}
        names = sorted(name.lower() for name in headers)
        values = {name.lower(): " ".join(str(value).split()) for name, value in headers.items()}
        path, _, query = target.partition("?")
        canonical = "\n".join([
            method, path, canonical_query(query),
            *(f"{name}:{values[name]}" for name in names), "", ";".join(names), said,
        ])  # fmt: skip
        signature = self.signature(date, canonical)
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.keys.access_key}/{self.scope(date)}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return headers


def canonical_query(query: str) -> str:
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def quote(key: str) -> str:
    """A key as SDKs write it into a path."""
    return urllib.parse.quote(key, safe="/~-._")


def aws_chunks(data: bytes, size: int, trailers: dict[str, str] | None = None) -> bytes:
    """`data` in the framing of an unsigned `aws-chunked` body."""
    framed = b""
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        framed += b"%x\r\n%s\r\n" % (len(piece), piece)
    trailer = "".join(f"{name}:{value}\r\n" for name, value in (trailers or {}).items())
    return framed + b"0\r\n" + trailer.encode() + b"\r\n"


def form_data(fields: list[tuple[str, str]], file: bytes, filename: str = "file.bin") -> tuple[bytes, str]:
    """A `multipart/form-data` body with the file last, and its content type."""
    boundary = "----mockfactory-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    opening = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
    parts.append(opening.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + file + b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
