"""Resolves every `*.localhost` name to loopback inside this process.

RFC 6761 asks resolvers to do so; glibc leaves it to `nss-myhostname`, which not every machine has.
"""

import socket

_getaddrinfo = socket.getaddrinfo


def _resolve(host, *arguments, **named):
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and name.rstrip(".").endswith(".localhost"):
        host = "127.0.0.1"
    return _getaddrinfo(host, *arguments, **named)


def install() -> None:
    socket.getaddrinfo = _resolve
