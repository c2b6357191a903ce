# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""WCS is restarted for what it runs on, one node at a time, and for nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time

from ansible_collections.webcallserver.balancer.tests.support import wcs_client
from ansible_collections.webcallserver.balancer.tests.support.fleet import recap

# Three are enough for turns: one that comes before and one that comes after, and one whose agent runs under xinetd. In the order of the play
NODES = ("node-redhat", "node12", "node13")
TOGETHER = ("--limit", ",".join(NODES))
FIRST = NODES[0]
CONVERGE = "molecule/wcs_node/converge.yml"
PROPERTIES = "/usr/local/FlashphonerWebCallServer/conf/flashphoner.properties"
SLOW = "/etc/systemd/system/webcallserver.service.d/slow.conf"


def converge(fleet, *arguments, **variables):
    result = fleet.play(CONVERGE, "--extra-vars", json.dumps(variables), *arguments)
    assert result.returncode == 0, result.stdout
    return result.stdout


def another():
    """A property that WCS has to be restarted for, whatever it runs on."""
    return {"user_agent": f"Of/{time.time_ns()}"}


def started(fleet, node):
    return fleet.run(node, "systemctl show --property=InvocationID --value webcallserver").strip()


@contextlib.contextmanager
def slow(fleet, nodes, delay):
    """Let WCS take seconds to listen."""
    for node in nodes:
        fleet.run(node, f"mkdir -p $(dirname {SLOW}) && printf '[Service]\\nEnvironment=WCS_STANDIN_DELAY={delay}\\n' >{SLOW} && systemctl daemon-reload")
    try:
        yield
    finally:
        for node in nodes:
            fleet.run(node, f"rm -f {SLOW} && systemctl daemon-reload")


class Watch:
    """Which nodes do not answer on the port of WebSockets, and how many of them at a time."""

    def __init__(self, fleet):
        self.addresses = {node: fleet.address(node) for node in NODES}
        self.down, self.most, self.over = set(), 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def answers(self, address):
        try:
            socket.create_connection((address, 8080), timeout=1).close()
        except OSError:
            return False
        return True

    def watch(self):
        while not self.over.is_set():
            silent = {node for node, address in self.addresses.items() if not self.answers(address)}
            self.down |= silent
            self.most = max(self.most, len(silent))
            time.sleep(0.2)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_exception):
        self.over.set()
        self.thread.join()


def test_a_slow_wcs_is_waited_for_before_the_next_is_restarted(fleet, monkeypatch):
    """
    Sessions on every node: one node is down at a time, each is restarted, and what was on it has ended.

    Under the strategy that waits for nobody; the turns under all of them are the unit tests' of in_turn.
    """
    monkeypatch.setenv("ANSIBLE_STRATEGY", "free")
    before = {node: started(fleet, node) for node in NODES}

    async def hold_and_converge():
        """What the run said, and on which nodes sessions are left."""
        async with contextlib.AsyncExitStack() as stack:
            held = {node: await stack.enter_async_context(wcs_client.connect(f"ws://{fleet.address(node)}:8080")) for node in NODES}
            for session in held.values():
                await session.publish("held")
            output = await asyncio.to_thread(converge, fleet, *TOGETHER, wcs_node_properties=another())
            return output, [node for node, session in held.items() if not session.closed]

    with slow(fleet, NODES, 5), Watch(fleet) as watch:
        output, left = asyncio.run(hold_and_converge())
    assert left == []
    assert watch.down == set(NODES)
    assert watch.most == 1
    assert all(started(fleet, node) != before[node] for node in NODES)
    assert "RETRYING" not in output


def test_the_second_use_of_the_role_in_a_run_restarts_nothing(fleet, tmp_path):
    use = {"ansible.builtin.include_role": {"name": "webcallserver.balancer.wcs_node"}}
    ask = {"ansible.builtin.command": "systemctl show --property=InvocationID --value webcallserver"}
    same = {"ansible.builtin.assert": {"that": "first.stdout == second.stdout"}}
    tasks = [use, ask | {"register": "first"}, use, ask | {"register": "second"}, same]
    play = tmp_path / "twice.json"
    play.write_text(json.dumps([{"hosts": "all", "become": True, "gather_facts": False, "tasks": tasks}]))
    before = started(fleet, "node12")
    result = fleet.play(play, "--limit", "node12", "--extra-vars", json.dumps({"wcs_node_properties": another()}))
    assert result.returncode == 0 and started(fleet, "node12") != before, result.stdout


def test_what_an_interrupted_run_wrote_is_taken_up(fleet):
    fleet.run("node12", f"sed -i 's/^ws.ip_forward_header.*/ws.ip_forward_header=X-Other/' {PROPERTIES} && systemctl restart webcallserver")
    restarted = started(fleet, "node12")
    fleet.run("node12", f"sed -i 's/^ws.ip_forward_header.*/ws.ip_forward_header = X-Client-IP/' {PROPERTIES}")
    foretold = converge(fleet, "--limit", "node12", "--check")
    assert recap(foretold)["node12"]["changed"] == 1
    assert started(fleet, "node12") == restarted
    converge(fleet, "--limit", "node12")
    assert started(fleet, "node12") != restarted


def test_a_restart_by_hand_is_as_good_and_a_value_that_was_set_back_needs_none(fleet):
    wanted = {"wcs_node_properties": another()}
    # As after a run that wrote it: this one changes nothing, and says so as every run does
    fleet.run("node12", f"sed -i '/^user_agent/d' {PROPERTIES} && echo 'user_agent = {wanted['wcs_node_properties']['user_agent']}' >>{PROPERTIES}")
    before = started(fleet, "node12")
    assert "still runs on other values of user_agent" in converge(fleet, "--limit", "node12", wcs_node_restart=False, **wanted)
    assert started(fleet, "node12") == before
    fleet.run("node12", "systemctl restart webcallserver")
    by_hand = started(fleet, "node12")
    fleet.run("node12", f"sed -i 's/^ws.ip_forward_header.*/ws.ip_forward_header=X-Other/' {PROPERTIES}")
    assert "still runs" not in converge(fleet, "--limit", "node12", **wanted)
    assert started(fleet, "node12") == by_hand


def test_a_stopped_wcs_stays_stopped(fleet):
    fleet.run("node12", "systemctl stop webcallserver")
    try:
        output = converge(fleet, "--limit", "node12", wcs_node_properties=another())
        assert "does not run on node12, and is not started here" in output
        assert fleet.run("node12", "systemctl show --property=ActiveState --value webcallserver").strip() == "inactive"
    finally:
        fleet.run("node12", "systemctl start webcallserver")


def test_a_wcs_that_does_not_come_back_ends_the_run(fleet):
    after = NODES[1]
    before = started(fleet, after)
    try:
        with slow(fleet, [FIRST], 3600):
            variables = {"wcs_node_properties": another(), "wcs_node_restart_seconds": 5}
            result = fleet.play(CONVERGE, "--limit", f"{FIRST},{after}", "--extra-vars", json.dumps(variables))
    finally:
        fleet.run(FIRST, "systemctl restart webcallserver")
    assert result.returncode != 0
    assert "This node is not back after 5 s: port 8080 does not answer" in result.stdout
    assert f"{after} was not touched, since {FIRST}, whose turn came before, has failed." in result.stdout
    assert started(fleet, after) == before


# More of them are in the unit tests of what reads files
TRAPS = {
    "node12": "ln -s /etc/shadow",
    "node13": "mkfifo",
}


def test_the_user_of_wcs_leads_root_nowhere(fleet):
    for node, trap in TRAPS.items():
        fleet.run(node, f"mv {PROPERTIES} {PROPERTIES}.aside && su -s /bin/sh flashphoner -c '{trap} {PROPERTIES}'")
    shadows = {node: fleet.run(node, "sha256sum /etc/shadow") for node in TRAPS}
    try:
        result = fleet.play(CONVERGE, "--limit", ",".join(TRAPS), "--diff")
    finally:
        for node in TRAPS:
            fleet.run(node, f"rm -rf {PROPERTIES} && mv {PROPERTIES}.aside {PROPERTIES}")
    assert {node: (counts["failed"], counts["changed"]) for node, counts in recap(result.stdout).items()} == dict.fromkeys(TRAPS, (1, 0)), result.stdout
    assert result.stdout.count(f"{PROPERTIES} ") >= len(TRAPS) and "root:" not in result.stdout
    assert {node: fleet.run(node, "sha256sum /etc/shadow") for node in TRAPS} == shadows
