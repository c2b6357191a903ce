# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes to a balancer and what comes back, for requests that no library would send."""

from __future__ import annotations

import contextlib
import socket

UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}


def request(headers=(), method="GET", path="/"):
    """Write a request, with headers as a mapping."""
    return f"{method} {path} HTTP/1.1\r\nHost: balancer.example.com\r\n" + "".join(f"{name}: {value}\r\n" for name, value in dict(headers).items()) + "\r\n"


@contextlib.contextmanager
def tls(fleet, balancer, family="ansible_host", context=None):
    """A TLS connection to a balancer."""
    raw = socket.create_connection((fleet.hosts[balancer][family], 443), timeout=15)
    with (context or fleet.context()).wrap_socket(raw, server_hostname=fleet.domain) as connection:
        yield connection


def head(connection):
    """Read the lines of an answer's head; none when the connection was cut."""
    lines, stream = [], connection.makefile("rb")
    with contextlib.suppress(ConnectionError):
        while (line := stream.readline()) not in (b"\r\n", b""):
            lines.append(line.decode().rstrip())
    return lines


def status(fleet, balancer, text, **options):
    """Send a request and return the status of the answer, or None when the connection was cut."""
    with tls(fleet, balancer, **options) as connection:
        connection.sendall(text.encode())
        return next((int(line.split()[1]) for line in head(connection)[:1]), None)


def everything(fleet, balancer, text, **options):
    """Send requests, the last of which closes the connection, and return all that comes back."""
    with tls(fleet, balancer, **options) as connection:
        connection.sendall(text if isinstance(text, bytes) else text.encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
