# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node and a balancer that are waited for."""

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules import haproxy_ready, wcs_node_ready
from ansible_collections.webcallserver.balancer.tests.support import modules
from ansible_collections.webcallserver.balancer.tests.support.servers import Server

HEAD = "# pxname,svname,status,type,addr,"
ROWS = {
    "up": (["wcs_back,wcs1,UP,2,192.0.2.1:8080,"], True),
    "down": (["wcs_back,wcs1,DOWN,2,192.0.2.1:8080,"], False),
    "down by its agent": (["wcs_back,wcs1,DOWN (agent),2,192.0.2.1:8080,"], False),
    "on its way down": (["wcs_back,wcs1,UP 1/2,2,192.0.2.1:8080,"], False),
    "on its way up": (["wcs_back,wcs1,DOWN 1/2,2,192.0.2.1:8080,"], False),
    "without an address": (["wcs_back,wcs1,MAINT (resolution),2,,"], False),
    "in maintenance": (["wcs_back,wcs1,MAINT,2,192.0.2.1:8080,"], True),
    "drained": (["wcs_back,wcs1,DRAIN,2,192.0.2.1:8080,"], True),
    "drained by its agent": (["wcs_back,wcs1,DRAIN (agent),2,192.0.2.1:8080,"], True),
    "not checked": (["wcs_back,wcs1,no check,2,192.0.2.1:8080,"], True),
    "down in one of two backends": (["a,wcs1,UP,2,192.0.2.1:8080,", "b,wcs1,DOWN,2,192.0.2.1:8080,"], False),
    "down under another name": (["a,node,DOWN,2,192.0.2.1:8080,"], False),
    "down, another node": (["a,wcs2,DOWN,2,192.0.2.2:8080,"], True),
    "down, another port of the node": (["a,web,DOWN,2,192.0.2.1:80,"], True),
    "a listener of that name": (["a,wcs1,DOWN,3,192.0.2.1:8080,"], True),
    "an empty backend": (["a,BACKEND,DOWN,1,,"], True),
    "nothing": ([], True),
}


@pytest.mark.parametrize(("rows", "ready"), ROWS.values(), ids=ROWS)
def test_what_a_balancer_says_of_a_server(rows, ready, tmp_path):
    options = {"server": "wcs1", "addresses": ["192.0.2.1", "2001:db8::1"], "socket": str(tmp_path / "admin.sock"), "timeout": 0}

    def statistics(connection, _over):
        connection.recv(100)
        connection.sendall("\n".join([HEAD, *rows, ""]).encode())

    with Server(statistics, path=tmp_path / "admin.sock"):
        result = modules.run(haproxy_ready, options)
        assert bool(result.get("failed")) is not ready, result
        if not ready:
            assert result["msg"].startswith("This balancer does not send sessions to wcs1 after 0 s: it is ")
        assert not modules.run(haproxy_ready, options, check=True).get("failed")


def test_a_haproxy_that_does_not_run_is_not_waited_for(tmp_path):
    assert modules.run(haproxy_ready, {"server": "wcs1", "socket": str(tmp_path / "none"), "timeout": 0})["backends"] == []


def test_a_slow_node_is_waited_for(tmp_path):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    timer = threading.Timer(1, listener.listen)
    timer.start()
    try:
        assert modules.run(wcs_node_ready, {"ports": [listener.getsockname()[1]], "command": str(tmp_path / "none"), "timeout": 20})["waited"] >= 0.9
    finally:
        timer.join()
        listener.close()
