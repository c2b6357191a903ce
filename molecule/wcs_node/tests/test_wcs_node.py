# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node alone: WCS reads its properties, the agent answers whom it should, under systemd and under xinetd."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest
from ansible_collections.webcallserver.balancer.tests.support import wcs_client

NODES = ("node11", "node12", "node13", "node14", "node-redhat")
SYSTEMD = ("node11", "node12", "node14", "node-redhat")


def ask(address, timeout=3):
    """Return the agent's reply, as HAProxy gets it."""
    with socket.create_connection((address, 9707), timeout=timeout) as connection:
        return connection.makefile().read()


@pytest.mark.parametrize("family", ["ansible_host", "fleet_ipv6"])
@pytest.mark.parametrize("node", NODES)
def test_the_agent_answers_a_balancer(fleet, node, family):
    assert ask(fleet.hosts[node][family]).startswith("up ")


@pytest.mark.parametrize("port", [8080, 8081, 9707])
def test_a_stranger_is_refused(fleet, port):
    def check(node):
        stranger = next(name for name in NODES if name != node)
        code = f"import socket; socket.create_connection(('{fleet.address(node)}', {port}), 2)"
        assert fleet.host(stranger).run(f'python3 -c "{code}"').rc != 0

    fleet.each(NODES, check)


def test_wcs_has_read_its_properties(fleet):
    """Only a WCS that was restarted puts the header's address into the session."""

    def check(node):
        async def session_id():
            async with wcs_client.connect(f"ws://{fleet.address(node)}:8080", headers={"X-Client-IP": "198.51.100.7:4711"}) as session:
                await session.publish("properties")
                return fleet.streams(node)[0]["sessionId"]

        assert asyncio.run(session_id()).startswith("/198.51.100.7:4711/")

    fleet.each(NODES, check)


def test_a_drain_is_announced_and_undone(fleet):
    def check(node):
        fleet.run(node, "/usr/local/bin/wcs-agent drain --reason 'new kernel'")
        try:
            time.sleep(1.5)
            assert "drain" in ask(fleet.address(node)).split()
            status = json.loads(fleet.run(node, "/usr/local/bin/wcs-agent status --json"))
            assert (status["state"], status["drain"]["reason"]) == ("drained", "new kernel")
        finally:
            fleet.run(node, "/usr/local/bin/wcs-agent undrain")
        time.sleep(1.5)
        assert "up " in ask(fleet.address(node))

    fleet.each(NODES, check)


def test_a_killed_agent_is_back_in_three_seconds(fleet):
    def check(node):
        fleet.run(node, "systemctl kill --kill-who=main --signal=KILL wcs-agent")
        time.sleep(3)
        assert ask(fleet.address(node)).startswith("up ")

    fleet.each(SYSTEMD, check)


def test_the_sandbox_is_tight(fleet):
    verdict = fleet.run("node12", "systemd-analyze security --no-pager wcs-agent | tail -1")
    assert float(verdict.split(":")[1].split()[0]) <= 1.5, verdict


def test_the_rules_outlive_a_reload_of_nftables(fleet):
    def check(node):
        fleet.run(node, "systemctl restart nftables")
        assert "9707" in fleet.run(node, "nft list table inet wcs_node")

    fleet.each(NODES, check)
