"""A forward proxy on loopback that resolves `*.localhost`: how clients in processes of their own
(AWS CLI, rclone, s5cmd) reach wildcard host names on a machine whose resolver does not know them.

CONNECT is a tunnel; a request with an absolute URI is passed on with its path, and its `Host` untouched, one request
per connection. Only loopback can be reached through it.
"""

import contextlib
import select
import socket
import threading
import urllib.parse

PIECE = 64 * 1024
HEAD_MAX = 128 * 1024


class ForwardProxy:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = _read_head(client)
            if not head:
                return
            line, rest = head.split(b"\r\n", 1)
            method, target, version = line.split(b" ", 2)
            if method == b"CONNECT":
                port = int(target.rsplit(b":", 1)[1])
                with socket.create_connection(("127.0.0.1", port)) as server:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    _splice(client, server)
                return
            url = urllib.parse.urlsplit(target.decode())
            path = target.decode().split(url.netloc, 1)[1] or "/"
            with socket.create_connection(("127.0.0.1", url.port or 80)) as server:
                server.sendall(b" ".join([method, path.encode(), version]) + b"\r\n" + _closing(rest))
                _splice(client, server)


def _closing(rest: bytes) -> bytes:
    """The head's fields with `Connection: close`: the next request may be for another host."""
    head, body = rest.split(b"\r\n\r\n", 1)
    fields = [
        field for field in head.split(b"\r\n") if field.split(b":")[0].lower() not in (b"connection", b"proxy-connection")
    ]
    return b"\r\n".join([*fields, b"Connection: close"]) + b"\r\n\r\n" + body


def _read_head(client: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_MAX:
        piece = client.recv(PIECE)
        if not piece:
            return b""
        head += piece
    return head


def _splice(client: socket.socket, server: socket.socket) -> None:
    pairs = {client: server, server: client}
    while pairs:
        ready, _, _ = select.select(list(pairs), [], [], 120)
        if not ready:
            return
        for one in ready:
            piece = one.recv(PIECE)
            if piece:
                pairs[one].sendall(piece)
                continue
            if one is server:
                return
            server.shutdown(socket.SHUT_WR)
            del pairs[client]
