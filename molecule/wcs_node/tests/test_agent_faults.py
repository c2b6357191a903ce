# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a node, and the agent's right answer after it, under the real systemd and the real xinetd."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

NODES = ("node11", "node12", "node13", "node14", "node-redhat")
SYSTEMD = ("node11", "node12", "node14", "node-redhat")
SETTINGS = "/etc/wcs-agent/agent.json"
LOOK = 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:8081/?action=stat", timeout=2)'


def connect(fleet, node):
    return socket.create_connection((fleet.address(node), 9707), timeout=3)


def ask(fleet, node):
    """Return the agent's reply, or nothing when there is none."""
    with contextlib.suppress(OSError), connect(fleet, node) as connection:
        return connection.makefile().read()
    return ""


def test_wcs_is_killed(fleet):
    def check(node):
        fleet.run(node, "systemctl kill --kill-who=main --signal=KILL webcallserver")
        try:
            fleet.eventually(lambda: ask(fleet, node).startswith("down") and "statistics unreadable" in ask(fleet, node), 3)
        finally:
            fleet.run(node, "systemctl start webcallserver")
        fleet.eventually(lambda: fleet.host(node).run(f"python3 -c '{LOOK}'").rc == 0, 20)
        fleet.eventually(lambda: ask(fleet, node).startswith("up "), 3)

    fleet.each(NODES, check)


def test_a_hanging_agent_is_restarted(fleet):
    def check(node):
        def process():
            return fleet.run(node, "systemctl show --value --property MainPID wcs-agent")

        before = process()
        fleet.run(node, f"kill -STOP {before}")
        # the watchdog's time, and the time to end by itself that a stopped process cannot use
        fleet.eventually(lambda: process() not in (before, "0"), 20)
        fleet.eventually(lambda: ask(fleet, node).startswith("up "), 3)

    fleet.each(SYSTEMD, check)


def test_the_disk_is_full(fleet):
    def check(node):
        fleet.run(node, "mount -t tmpfs -o size=64k tmpfs /var/lib/wcs-agent && systemctl restart wcs-agent")
        try:
            assert "No space left" in fleet.host(node).run("cat /dev/zero > /var/lib/wcs-agent/filler").stderr
            refused = fleet.host(node).run("/usr/local/bin/wcs-agent drain --reason 'new disk'")
            assert (refused.rc, "No space left on device" in refused.stderr) == (2, True)
            fleet.run(node, "systemctl restart wcs-agent")
            fleet.eventually(lambda: ask(fleet, node).startswith("up "), 3)
        finally:
            fleet.run(node, "umount /var/lib/wcs-agent && systemctl restart wcs-agent")
        fleet.eventually(lambda: ask(fleet, node).startswith("up "), 3)

    fleet.each(SYSTEMD, check)


def test_a_reload_misses_no_poll_and_bad_settings_change_nothing(fleet):
    def check(node):
        stop, answers = threading.Event(), []

        def polls():
            while not stop.is_set():
                answers.append(ask(fleet, node))

        thread = threading.Thread(target=polls)
        thread.start()
        journal = f"journalctl --unit wcs-agent --since @{time.time():.0f} --output cat"
        try:
            fleet.run(node, f"cp {SETTINGS} /root/agent.json && echo '{{' > {SETTINGS} && systemctl reload wcs-agent")
            fleet.eventually(lambda: "the old settings stay in force" in fleet.run(node, journal), 5)
        finally:
            fleet.run(node, f"mv /root/agent.json {SETTINGS} && systemctl reload wcs-agent")
            fleet.eventually(lambda: "settings reloaded" in fleet.run(node, journal), 5)
            stop.set()
            thread.join()
        assert {answer.split()[0] for answer in answers} == {"up"}

    fleet.each(SYSTEMD, check)


def test_xinetd_answers_a_hundred_balancers_in_one_second(fleet):
    """Its default closes the port for ten seconds after fifty."""
    connections = [connect(fleet, "node13") for _poll in range(100)]
    answers = []
    for connection in connections:
        with connection:
            connection.settimeout(60)
            answers.append(connection.makefile().read().split()[0])
    assert answers == ["up"] * 100
    assert ask(fleet, "node13").startswith("up ")
