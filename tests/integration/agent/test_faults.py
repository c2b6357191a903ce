# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of the node, and how long until the balancer has the right answer again.

Needs root for a disk that is full.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
from ansible_collections.webcallserver.balancer.tests.integration.agent.doubles import Balancer, RealAgent, Service, Statistics, Wcs
from ansible_collections.webcallserver.balancer.tests.support.waiting import eventually

DAY = 86400


class Site:
    """A node with the real agent, and a balancer in front of it."""

    def __init__(self, directory, before=""):
        (directory / "agent").mkdir(exist_ok=True)
        self.statistics, self.node = Statistics(), Wcs("wcs1")
        self.service = Service(directory / "agent", self.statistics.web.port, before)
        self.balancer = Balancer(directory, [("wcs1", self.node.web.port, self.service.port)])
        self.heard("L7OK")

    def heard(self, agent_status):
        assert eventually(lambda: self.balancer.server("wcs1")["agent_status"].strip("* "), agent_status) == agent_status

    def right_in_three_seconds(self, status):
        assert self.balancer.becomes("wcs1", status, 3)

    def close(self):
        self.balancer.close()
        self.service.close()
        self.statistics.stop()
        self.node.close()


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


def test_a_sampler_that_stands_still(tmp_path):
    node = Wcs("wcs1")
    balancer = Balancer(tmp_path, [("wcs1", node.web.port, node.agent_port)])
    real = RealAgent(node, tmp_path / "agent")
    real.close()
    try:
        assert balancer.becomes("wcs1", "DOWN (agent)")
        assert balancer.says("wcs1", "stale: nothing measured for")
        real.agent.tick()
        assert balancer.becomes("wcs1", "UP", 2)
    finally:
        balancer.close()
        node.close()


def test_the_agent_is_stopped_and_continued(site):
    os.kill(site.service.process.pid, signal.SIGSTOP)
    site.heard("L7TOUT")
    assert site.balancer.status("wcs1") == "UP"  # HAProxy takes silence for no change
    time.sleep(3)
    os.kill(site.service.process.pid, signal.SIGCONT)
    site.heard("L7OK")
    site.right_in_three_seconds("UP")


def test_the_agent_is_killed_and_wcs_goes_meanwhile(site):
    site.service.close()
    site.heard("L4CON")
    site.statistics.stop()
    assert site.balancer.status("wcs1") == "UP"
    site.service.start()
    site.right_in_three_seconds("DOWN (agent)")
    assert site.balancer.says("wcs1", "statistics unreadable: connection refused")
    site.statistics.start()
    site.right_in_three_seconds("UP")


def test_wcs_is_killed(site):
    site.statistics.stop()
    site.right_in_three_seconds("DOWN (agent)")
    site.statistics.start()
    site.right_in_three_seconds("UP")


def test_wcs_hangs(site):
    site.statistics.hangs.set()
    site.right_in_three_seconds("DOWN (agent)")
    assert site.balancer.says("wcs1", "statistics unreadable: timed out")
    site.statistics.hangs.clear()
    site.right_in_three_seconds("UP")


def test_the_disk_is_full(tmp_path):
    place = tmp_path / "agent"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    try:
        site = Site(tmp_path)
        try:
            with (place / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
                while True:
                    filler.write(b"x" * 4096)
            refused = site.service.run("drain", "--reason", "new disk")
            assert (refused.returncode, "No space left on device" in refused.stderr) == (2, True)
            site.statistics.publishers = 10
            site.right_in_three_seconds("DOWN (agent)")
            site.service.close()
            site.statistics.publishers = 1
            site.service.start()
            site.right_in_three_seconds("UP")
            (place / "filler").unlink()
            assert site.service.run("drain", "--reason", "new disk").returncode == 0
            site.right_in_three_seconds("DRAIN (agent)")
        finally:
            site.close()
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_the_clock_jumps_by_a_day(tmp_path):
    """The clock of the agent's process alone: a container has no clock of its own."""
    jump = tmp_path / "jump"
    jump.write_text("0")
    site = Site(tmp_path, f"import time; real = time.time; time.time = lambda: real() + float(open({str(jump)!r}).read())")
    try:
        for days, publishers, status in ((1, 10, "DOWN (agent)"), (-1, 1, "UP"), (1, 10, "DOWN (agent)"), (0, 1, "UP")):
            (tmp_path / "next").write_text(str(days * DAY))
            (tmp_path / "next").replace(jump)
            site.statistics.publishers = publishers
            site.right_in_three_seconds(status)
            told = json.loads(site.service.run("status", "--json").stdout)
            assert told["running"] is True and told["age"] < 3
            since = time.mktime(time.strptime(told["since"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
            assert abs(since - time.time() - days * DAY) < 60  # the jump did reach the agent
    finally:
        site.close()
