# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is there during all tests of this scenario: a node that must get nobody, and a visitor who says nothing."""

from __future__ import annotations

import socket
import time

import pytest
from ansible_collections.webcallserver.balancer.tests.support.crowd import PING, PONG, REQUEST

STANDIN = "/usr/local/FlashphonerWebCallServer"


@pytest.fixture(scope="session", autouse=True)
def sick_node(fleet):
    """A node whose statistics page is gone: it is down, and still it would take every WebSocket."""
    fleet.run("wcs4", "systemctl stop webcallserver")
    fleet.run("wcs4", f"sed 's/^http.port .*/http.port =9081/' {STANDIN}/conf/flashphoner.properties >/run/sick.properties")
    fleet.run("wcs4", f"systemd-run --unit sick python3 {STANDIN}/bin/wcs_standin.pyz /run/sick.properties")
    fleet.eventually(lambda: fleet.servers()["wcs4"]["status"].startswith("DOWN"), 20)
    yield "wcs4"
    fleet.run("wcs4", "systemctl stop sick && systemctl start webcallserver")


class Silent:
    """A WebSocket that nobody writes to."""

    def __init__(self, fleet):
        raw = socket.create_connection((fleet.address("lb1"), 443), timeout=20)
        self.socket = fleet.context().wrap_socket(raw, server_hostname=fleet.domain)
        self.socket.sendall(REQUEST.format(host=fleet.domain).encode())
        self.stream = self.socket.makefile("rb")
        assert b" 101 " in self.stream.readline()
        while self.stream.readline() != b"\r\n":
            pass
        self.since = time.monotonic()

    def answers(self):
        self.socket.sendall(PING)
        return self.stream.read(len(PONG)) == PONG


@pytest.fixture(scope="session", autouse=True)
def silent(fleet, sick_node):
    silent = Silent(fleet)
    yield silent
    silent.socket.close()
