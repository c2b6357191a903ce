# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's hand on the node, and who has to hear that it was taken away."""

from __future__ import annotations

import json
import os
import threading

import pytest
from ansible_collections.webcallserver.balancer.roles.wcs_node.files import wcs_agent as agent

IDLE = {"cpu": 1.0, "publishers": 1}
UP, READY, DRAIN = b"up 100%\n", b"up ready 100%\n", b"up drain 100% #drained: new disk\n"


class ScriptedMeter:
    """Reads what the test says."""

    def __init__(self):
        self.values, self.error = dict(IDLE), ""
        self.memory, self.problems, self.interface = {}, [], "eth0"

    def read(self):
        return agent.Reading(self.values, agent.time.monotonic(), self.error)

    def statistics(self):
        return {"stream": {"streams_hls": 1}}


class Node:
    """A node: its state directory, its clocks and the agent that runs on it."""

    def __init__(self, directory, monkeypatch):
        self.directory, self.log, self.now, self.wall, self.boot = directory, [], 5000.0, 1_800_000_000.0, "one"
        monkeypatch.setattr(agent.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(agent.time, "time", lambda: self.wall)
        monkeypatch.setattr(agent, "boot_id", lambda: self.boot)
        monkeypatch.setattr(agent, "STATE_DIRECTORY", str(directory))
        self.settings = agent.make_settings({"networks": ["192.0.2.0/24", "2001:db8::/32"], "ready_seconds": 6})
        self.start()

    def start(self):
        self.agent = agent.Agent(self.settings, str(self.directory), self.log.append)
        self.agent.meter = ScriptedMeter()
        self.agent.load()
        self.agent.tick()

    def reboot(self):
        self.boot, self.now = "two", 12.0
        self.start()

    def after(self, seconds):
        self.now += seconds
        self.wall += seconds
        self.agent.tick()

    def poll(self, address="192.0.2.1"):
        return self.agent.answer(address, self.now)

    def order(self, *arguments):
        assert agent.main(list(arguments)) == 0
        self.agent.tick()


@pytest.fixture
def node(tmp_path, monkeypatch):
    return Node(tmp_path, monkeypatch)


def test_a_drain_and_its_end(node):
    assert node.poll() == UP
    node.order("drain", "--reason", "new disk")
    assert node.poll() == DRAIN
    node.order("undrain")
    answers = [(node.poll(), node.after(2))[0] for _poll in range(6)]
    assert answers == [READY, READY, READY, UP, UP, UP]


def test_ready_goes_only_to_those_who_saw_the_drain(node):
    node.order("drain", "--reason", "new disk")
    assert node.poll("192.0.2.1") == DRAIN
    node.order("undrain")
    assert node.poll("192.0.2.2") == UP
    assert node.poll("192.0.2.1") == READY


def test_a_drain_that_nobody_saw_needs_no_ready(node):
    node.order("drain", "--reason", "new disk")
    node.order("undrain")
    assert node.poll() == UP


@pytest.mark.parametrize("gap", [0.5, 1, 5, 30, 86400])
def test_every_balancer_hears_it_however_slowly_it_polls(node, gap):
    """Two server lines of one balancer share its address; the other balancer was away for an hour."""
    node.order("drain", "--reason", "new disk")
    assert {node.poll("192.0.2.1"), node.poll("2001:db8::2")} == {DRAIN}
    node.order("undrain")
    heard = [node.poll("192.0.2.1")]
    node.after(gap * 0.4)
    heard.append(node.poll("192.0.2.1"))
    assert heard == [READY, READY]
    node.after(3600)
    assert node.poll("192.0.2.1") == UP
    assert node.agent.status()["ready_for"] == ["2001:db8::2"]
    assert node.poll("2001:db8::2") == READY
    node.after(7)
    assert node.poll("2001:db8::2") == READY  # at least twice: one answer may have been lost
    assert node.poll("2001:db8::2") == UP
    assert node.agent.status()["ready_for"] == []


def test_ready_is_never_sent_without_a_drain(node):
    for _second in range(30):
        assert node.poll() == UP
        node.after(1)


@pytest.mark.parametrize("restart", [Node.start, Node.reboot])
def test_a_drain_survives(node, restart):
    node.order("drain", "--reason", "new disk")
    node.poll("192.0.2.1")
    node.agent.tick()
    restart(node)
    assert node.poll("192.0.2.1") == DRAIN
    assert node.agent.status()["saw_drain"] == ["192.0.2.1"]


@pytest.mark.parametrize("restart", [Node.start, Node.reboot])
def test_who_is_to_hear_ready_survives(node, restart):
    node.order("drain", "--reason", "new disk")
    node.poll("192.0.2.1")
    node.agent.tick()
    node.order("undrain")
    restart(node)
    assert node.poll("192.0.2.1") == READY
    assert node.poll("192.0.2.2") == UP


def test_who_has_heard_ready_is_not_told_again_after_a_restart(node):
    node.order("drain", "--reason", "new disk")
    node.poll()
    node.order("undrain")
    while node.poll() != UP:
        node.after(2)
    node.agent.tick()
    node.start()
    assert node.poll() == UP


def test_a_second_drain_before_all_heard_the_end_of_the_first(node):
    node.order("drain", "--reason", "new disk")
    node.poll("192.0.2.1")
    node.order("undrain")
    assert node.poll("192.0.2.1") == READY
    node.order("drain", "--reason", "new disk")
    assert node.poll("192.0.2.1") == DRAIN
    node.order("undrain")
    assert [node.poll("192.0.2.1"), node.poll("192.0.2.1")] == [READY, READY]


def test_load_never_overrides_a_drain(node):
    node.order("drain", "--reason", "new disk")
    node.agent.meter.values = {"cpu": 99.0}
    node.after(1)
    assert node.poll() == b"up drain 100% #drained: new disk, cpu 99>=90\n"
    node.agent.meter.error = "timed out"
    node.after(1)
    node.after(1)
    assert node.poll().startswith(b"down drain #drained: new disk, statistics unreadable: timed out")


def test_undrain_under_load(node):
    node.order("drain", "--reason", "new disk")
    node.poll()
    node.agent.meter.values = {"cpu": 99.0}
    node.order("undrain")
    assert node.poll() == b"down ready #cpu 99>=90\n"


@pytest.mark.parametrize(
    ("until", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("2027-01-15T08:01:00Z", 60), ("2027-01-15T09:01:00+01:00", 60)]
)
def test_until(node, until, seconds):
    node.order("drain", "--reason", "new disk", "--until", until)
    node.after(seconds - 1)
    assert node.poll() == DRAIN
    node.after(1)
    assert node.poll() == READY
    node.wall -= 2 * seconds  # the clock is set back: what has ended stays ended
    node.after(1)
    assert node.agent.status()["state"] == "up"


@pytest.mark.parametrize("until", ["", "soon", "5", "-5m", "5 m", "2020-01-01T00:00", "99999999999d"])
def test_bad_until(tmp_path, monkeypatch, capsys, until):
    monkeypatch.setattr(agent, "STATE_DIRECTORY", str(tmp_path))
    assert agent.main(["drain", f"--until={until}"]) == 2
    assert "--until" in capsys.readouterr().err
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", b""),
        ("{}", b""),
        ('{"reason": null}', b""),
        ('{"reason": "x"}', b": x"),
        ("garbage", b": order unreadable"),
        ("[]", b": order unreadable"),
        ('{"until": "tomorrow"}', b": order unreadable"),
        ('{"reason": 5}', b": order unreadable"),
        ("\xff", b": order unreadable"),
    ],
)
def test_an_order_made_by_hand_drains(node, content, reason):
    (node.directory / "drain.json").write_text(content, encoding="latin-1")
    node.agent.tick()
    assert node.poll() == b"up drain 100% #drained" + reason + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        *("", "garbage", "[]", "{}"),
        '{"boot": "one", "saw": {}, "at": 0, "state": "up", "since": 1e18}',
        '{"saw": 5}',
        '{"boot": "one", "saw": {}, "at": "x"}',
        '{"saw": {"a": 1}}',
        '{"saw": {"a": [null]}}',
    ],
)
def test_a_damaged_state_is_left_out(node, content):
    (node.directory / "state.json").write_text(content)
    node.start()
    assert node.poll() == UP


def test_the_operator_is_told_when_the_disk_refuses(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(agent, "STATE_DIRECTORY", str(tmp_path / "absent"))
    assert agent.main(["drain"]) == 2
    assert "drain.json cannot be written: No such file or directory" in capsys.readouterr().err


def test_a_full_disk_stops_nothing(node, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    node.order("drain", "--reason", "new disk")
    real = agent.replace_file
    monkeypatch.setattr(agent, "replace_file", full)
    assert node.poll() == DRAIN
    node.after(1)
    node.after(1)
    assert node.poll() == DRAIN
    assert any("state.json cannot be written: No space left on device" in line for line in node.log)
    monkeypatch.setattr(agent, "replace_file", real)
    node.after(1)
    node.start()  # what could not be saved before is saved by now
    os.unlink(node.directory / "drain.json")
    node.after(1)
    assert node.poll() == READY


def test_replace_file_leaves_nothing_behind(tmp_path):
    path = tmp_path / "file"
    agent.replace_file(str(path), "one")
    agent.replace_file(str(path), "two", mode=0o600)
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="directory"):
        agent.replace_file(str(tmp_path / "absent" / "file"), "x")
    (tmp_path / "directory").mkdir()
    with pytest.raises(OSError):
        agent.replace_file(str(tmp_path / "directory"), "x")
    assert sorted(os.listdir(tmp_path)) == ["directory", "file"]


def test_only_allowed_networks_are_answered(node):
    assert node.poll("192.0.2.9") == node.poll("::ffff:192.0.2.9") == node.poll("2001:db8::9") == node.poll("127.0.0.1") == node.poll("::1") == UP
    assert node.poll("198.51.100.1") is None
    assert node.poll("::ffff:198.51.100.1") is None
    status = node.agent.status()
    assert status["polls"]["192.0.2.9"]["polls"] == 2
    assert status["refused"]["198.51.100.1"]["polls"] == 2


def test_stale(node):
    node.now += 3
    assert node.poll() == UP
    node.now += 1
    assert node.poll() == b"down #stale: nothing measured for 4 s\n"
    node.after(1)
    assert node.poll() == UP
    node.order("drain", "--reason", "new disk")
    node.now += 100
    assert node.poll() == b"down drain #stale: nothing measured for 100 s\n"


def test_a_stale_reply_does_not_count_as_the_end_of_the_drain(node):
    node.order("drain", "--reason", "new disk")
    node.poll()
    node.order("undrain")
    for _poll in range(3):
        node.now += 10
        assert node.poll().startswith(b"down #stale")
    node.after(1)
    assert node.poll() == READY


@pytest.mark.parametrize("seconds", [86400, -86400])
def test_a_clock_jump_changes_nothing(node, seconds):
    node.agent.meter.values = {"cpu": 99.0}
    node.after(1)
    node.wall += seconds
    assert node.poll() == b"down #cpu 99>=90\n"
    node.agent.meter.values = dict(IDLE)
    for _second in range(6):
        node.after(1)
    assert node.poll() == UP


def test_the_journal_has_a_line_for_each_change_and_none_in_between(node):
    for values in ({"cpu": 1.0}, {"cpu": 2.0}, {"cpu": 95.0}, {"cpu": 96.0}, {"cpu": 97.0, "publishers": 100}, {"cpu": 1.0}):
        node.agent.meter.values = values
        for _second in range(6):
            node.after(1)
    node.agent.meter.problems = ["band-in is not known, so its limit is not watched"]
    node.after(1)
    node.after(1)
    node.order("drain", "--reason", "new disk")
    node.after(1)
    node.order("undrain")
    assert node.log == [
        "up: up 100%",
        "down: down #cpu 95>=90",
        "up: up 100%",
        "problem: band-in is not known, so its limit is not watched",
        "drained: up drain 100% #drained: new disk",
        "up: up 100%",
    ]


def test_many_addresses_do_not_grow_the_memory(node):
    for number in range(3000):
        node.poll(f"198.51.{number // 250}.{number % 250}")
        node.poll(f"2001:db8::{number:x}")
        node.poll("127.0.0.1")
    assert max(len(table) for table in (node.agent.polls, node.agent.refused, node.agent._peers)) == agent.ADDRESSES
    node.order("drain")
    for number in range(3000):
        node.poll(f"2001:db8::{number:x}")
    assert len(node.agent.saw) == agent.ADDRESSES


def test_polls_and_ticks_do_not_disturb_each_other(node):
    node.order("drain", "--reason", "new disk")
    over, failures = threading.Event(), []

    def polls():
        number = 0
        while not over.is_set():
            number += 1
            if not node.poll(f"192.0.2.{number % 250}"):
                failures.append(number)

    thread = threading.Thread(target=polls)
    thread.start()
    for _tick in range(100):
        node.agent.tick()
        json.dumps(node.agent.status())
    over.set()
    thread.join()
    assert not failures
