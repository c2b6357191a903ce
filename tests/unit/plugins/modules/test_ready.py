# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node and a balancer that are waited for."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.webcallserver.balancer.plugins.modules import haproxy_ready, wcs_node_ready


def run(module, capsys, **options):
    check = options.pop("check", False)
    with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)


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
def test_what_a_balancer_says_of_a_server(rows, ready, tmp_path, capsys):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "admin.sock"))
    listener.listen()

    def serve():
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(100)
                connection.sendall("\n".join([HEAD, *rows, ""]).encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    options = {"server": "wcs1", "addresses": ["192.0.2.1", "2001:db8::1"], "socket": str(tmp_path / "admin.sock"), "timeout": 0}
    try:
        result = run(haproxy_ready, capsys, **options)
        assert bool(result.get("failed")) is not ready, result
        if not ready:
            assert result["msg"].startswith("This balancer does not send sessions to wcs1 after 0 s: it is ")
        assert not run(haproxy_ready, capsys, check=True, **options).get("failed")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_a_haproxy_that_does_not_run_is_not_waited_for(tmp_path, capsys):
    assert run(haproxy_ready, capsys, server="wcs1", socket=str(tmp_path / "none"), timeout=0)["backends"] == []


AGENTS = {
    "up": ('{"state": "up", "reply": "up 100%"}', ""),
    "drained": ('{"state": "drained", "reply": "drain"}', ""),
    "down": ('{"state": "down", "reply": "down 0% #cpu"}', "the agent says 'down 0% #cpu'"),
    "nothing": ("", "the agent does not answer"),
}


@pytest.mark.parametrize(("status", "problem"), AGENTS.values(), ids=AGENTS)
def test_a_node_is_back_when_its_ports_and_its_agent_say_so(status, problem, tmp_path, capsys):
    agent = tmp_path / "wcs-agent"
    agent.write_text(f"#!/bin/sh\necho '{status}'\n")
    agent.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = run(wcs_node_ready, capsys, ports=[port], command=str(agent), timeout=0)
        assert problem in result.get("msg", "") and bool(result.get("failed")) is bool(problem)
        assert not run(wcs_node_ready, capsys, ports=[port], command=str(tmp_path / "none"), timeout=0).get("failed")
    result = run(wcs_node_ready, capsys, ports=[port], command=str(agent), timeout=0)
    assert result["msg"] == f"This node is not back after 0 s: port {port} does not answer."
    assert not run(wcs_node_ready, capsys, check=True, ports=[port], timeout=0).get("failed")


def test_a_slow_node_is_waited_for(tmp_path, capsys):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    timer = threading.Timer(1, listener.listen)
    timer.start()
    try:
        assert run(wcs_node_ready, capsys, ports=[listener.getsockname()[1]], command=str(tmp_path / "none"), timeout=20)["waited"] >= 0.9
    finally:
        timer.join()
        listener.close()
