# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a node is back: its ports, and the command of its agent."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.webcallserver.balancer.plugins.modules import wcs_node_ready
from ansible_collections.webcallserver.balancer.tests.support import modules

AGENTS = {
    "up": ('{"state": "up", "reply": "up 100%"}', ""),
    "drained": ('{"state": "drained", "reply": "drain"}', ""),
    "down": ('{"state": "down", "reply": "down 0% #cpu"}', "the agent says 'down 0% #cpu'"),
    "nothing": ("", "the agent does not answer"),
}


@pytest.mark.parametrize(("status", "problem"), AGENTS.values(), ids=AGENTS)
def test_a_node_is_back_when_its_ports_and_its_agent_say_so(status, problem, tmp_path):
    agent = tmp_path / "wcs-agent"
    agent.write_text(f"#!/bin/sh\necho '{status}'\n")
    agent.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = modules.run(wcs_node_ready, {"ports": [port], "command": str(agent), "timeout": 0})
        assert problem in result.get("msg", "") and bool(result.get("failed")) is bool(problem)
        assert not modules.run(wcs_node_ready, {"ports": [port], "command": str(tmp_path / "none"), "timeout": 0}).get("failed")
    result = modules.run(wcs_node_ready, {"ports": [port], "command": str(agent), "timeout": 0})
    assert result["msg"] == f"This node is not back after 0 s: port {port} does not answer."
    assert not modules.run(wcs_node_ready, {"ports": [port], "timeout": 0}, check=True).get("failed")
