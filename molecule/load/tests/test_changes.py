# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand WebSockets live through every kind of change, and new ones arrive all the while."""

from __future__ import annotations

import asyncio
import copy
import subprocess
import time
from contextlib import contextmanager

import pytest
import yaml
from ansible_collections.webcallserver.balancer.tests.support.crowd import Crowd
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

STAYING = 1000
COMING = 10000
A_SECOND = 25
# After each change; with those of the changes themselves more than fifty in all
RELOADS = 2

NODES = "webcallserver.balancer.nodes"
BALANCER = "webcallserver.balancer.balancer"


class Operator:
    """Who changes the inventory and runs the playbooks."""

    def __init__(self, fleet, directory):
        self.fleet, self.directory = fleet, directory
        self.inventory = yaml.safe_load((CHECKOUT / "molecule" / "load" / "inventory.yml").read_text())
        self.hosts = self.inventory["wcs_nodes"]["hosts"]
        self.balancer = self.inventory["wcs_balancers"]["vars"]

    def run(self, playbook, *arguments):
        path = self.directory / "inventory.yml"
        path.write_text(yaml.safe_dump(copy.deepcopy(self.inventory)))
        done = self.fleet.play(playbook, *arguments, inventories=[path, *self.fleet.inventories[1:]])
        assert done.returncode == 0, done.stdout

    def eventually_up(self, name):
        self.fleet.eventually(lambda: self.fleet.servers()[name]["status"] == "UP", 30)


# ---- the changes; each is made once a turn, and differs from turn to turn ----


def another_weight(operator, turn):
    operator.hosts["wcs1"] = {"haproxy_lb_weight": 90 - 10 * turn}
    operator.run(BALANCER)


def a_node_less(operator, _turn):
    del operator.hosts["wcs3"]
    operator.run(BALANCER)


def a_node_more(operator, _turn):
    operator.hosts["wcs3"] = None
    operator.run(BALANCER)
    operator.eventually_up("wcs3")


def another_certificate(operator, turn):
    authority, place = operator.fleet.directory / "certificate", operator.directory
    request = ["openssl", "req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", f"/CN={operator.fleet.domain}"]
    request += ["-addext", f"subjectAltName=DNS:{operator.fleet.domain}", "-keyout", place / f"{turn}.key", "-out", place / "csr.pem"]
    sign = ["openssl", "x509", "-req", "-in", place / "csr.pem", "-copy_extensions", "copy", "-days", "90", "-set_serial", str(1000 + turn)]
    sign += ["-CA", authority / "intermediate.pem", "-CAkey", authority / "intermediate.key", "-out", place / f"{turn}.pem"]
    for command in (request, sign):
        subprocess.run(command, check=True, capture_output=True)
    operator.balancer |= {"haproxy_lb_certificate": str(place / f"{turn}.pem"), "haproxy_lb_private_key": str(place / f"{turn}.key")}
    operator.run(BALANCER)


def another_algorithm(operator, turn):
    operator.balancer["haproxy_lb_balance"] = ("random", "source", "roundrobin")[turn]
    operator.run(BALANCER)


def another_header(operator, turn):
    operator.balancer["haproxy_lb_hsts_max_age"] = 31536000 * (turn + 1)
    operator.run(BALANCER)


def the_agent_anew(operator, _turn):
    operator.fleet.run("wcs1", "systemctl stop wcs-agent && rm -r /usr/local/lib/wcs-agent /etc/wcs-agent /etc/systemd/system/wcs-agent.service")
    operator.run(NODES, "--limit", "wcs1")
    operator.eventually_up("wcs1")


CHANGES = (another_weight, a_node_less, a_node_more, another_certificate, another_algorithm, another_header, the_agent_anew)


# ---- the states that a node is in during a turn; it must get no new session ----


@contextmanager
def drained(operator):
    operator.fleet.run("wcs2", "wcs-agent drain --reason test")
    operator.fleet.eventually(lambda: operator.fleet.servers()["wcs2"]["status"].startswith("DRAIN"), 10)
    yield
    operator.fleet.run("wcs2", "wcs-agent undrain")
    operator.eventually_up("wcs2")


@contextmanager
def overloaded(operator):
    """Its interface carries more than it may, says its agent; what the balancer asks is enough for that."""
    operator.hosts["wcs2"] = {"wcs_node_agent_limits": {"band-in": 0.0001}}
    operator.run(NODES, "--limit", "wcs2")
    operator.fleet.eventually(lambda: operator.fleet.servers()["wcs2"]["status"].startswith("DOWN"), 10)
    yield
    operator.hosts["wcs2"] = None
    operator.run(NODES, "--limit", "wcs2")
    operator.eventually_up("wcs2")


@contextmanager
def well(operator):
    operator.eventually_up("wcs2")
    yield


async def turn_of(operator, turn, state, crowd):
    """Make every change while a node is in a state; return the reloads that were asked for, and the sessions that node got."""
    entered = state(operator)
    await asyncio.to_thread(entered.__enter__)
    since, reloads = time.monotonic(), 0
    for change in CHANGES:
        await asyncio.to_thread(change, operator, turn)
        reloads += change is not the_agent_anew
        for _number in range(RELOADS):
            await asyncio.to_thread(operator.fleet.run, "lb1", "systemctl reload haproxy")
            reloads += 1
    misled = [] if state is well else crowd.on("wcs2", since, time.monotonic())
    await asyncio.to_thread(entered.__exit__, None, None, None)
    return reloads, misled


@pytest.fixture
def crowd(fleet):
    return Crowd(fleet.address("lb1"), fleet.context(), fleet.domain)


def test_no_change_costs_a_session(fleet, crowd, sick_node, tmp_path):
    async def story():
        await crowd.gather(STAYING)
        reloads, misled, over = 0, [], False
        coming = asyncio.ensure_future(crowd.come_and_go(A_SECOND, lambda: over and len(crowd.visits) >= COMING))
        operator = Operator(fleet, tmp_path)
        try:
            for turn, state in enumerate((drained, overloaded, well)):
                more, wrong = await turn_of(operator, turn, state, crowd)
                reloads, misled = reloads + more, misled + wrong
        finally:
            over = True
            await coming
        return reloads, misled, await crowd.dropped()

    begin = time.monotonic()
    reloads, misled, dropped = asyncio.run(story())
    print(f"{len(crowd.visits)} new sessions, {3 * len(CHANGES)} changes, {reloads} reloads, {time.monotonic() - begin:.0f} s")
    assert (dropped, crowd.failures) == (0, [])
    assert misled == []
    assert {node for _begin, _end, node in crowd.visits} == {"wcs1", "wcs2", "wcs3"}
    assert reloads >= 50 and len(crowd.visits) >= COMING
