# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real HAProxy makes of the agent's replies.

Needs the packages haproxy and python3-pytest, and nothing else of this repository than the agent: it runs alike in a container of any release.
Every test has a HAProxy of its own (or of its module) with its own configuration and socket.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

PLACE = Path(__file__).resolve().parents[2] / "roles" / "wcs_node" / "files"
sys.path.insert(0, str(PLACE))
import wcs_agent as agent

CONFIG = """
global
    stats socket {directory}/admin.sock mode 600 level admin expose-fd listeners
    server-state-file {directory}/state
defaults
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 10s
    timeout check 1s
    load-server-state-from-file global
frontend wcs-balancer
    bind 127.0.0.1:{port}
    default_backend wcs_back
backend wcs_back
    balance roundrobin
    cookie SERVERID insert indirect nocache
    source {source}
    default-server check {checks} weight 100
"""
CHECKS = "inter 100ms rise 2 fall 2 agent-inter 50ms"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def eventually(look, wanted, seconds=6.0):
    """Look until it is as wanted, and return what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen == wanted or time.monotonic() > deadline:
            return seen
        time.sleep(0.02)


class Accepting:
    """A listening socket whose connections a function handles, each in a thread of its own."""

    def __init__(self, handle, port=0):
        self.handle = handle
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection, peer), daemon=True).start()

    def _one(self, connection, peer):
        with connection, contextlib.suppress(OSError):
            self.handle(connection, peer)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Wcs:
    """A node as the balancer sees it: HTTP that tells the node's name, a WebSocket that echoes, and an agent port."""

    def __init__(self, name):
        self.name, self.polls, self.say = name, 0, b"up 100%\n"
        self.web = Accepting(self._web)
        self.agent_port = 0
        self.agent = None
        self.start_agent()

    def start_agent(self):
        self.agent = Accepting(self._poll, self.agent_port)
        self.agent_port = self.agent.port

    def _web(self, connection, _peer):
        request = b""
        while b"\r\n\r\n" not in request:
            data = connection.recv(4096)
            if not data:
                return
            request += data
        if b"upgrade: websocket" in request.lower():
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: BACScCJPNqyz+UBoqMH89VmURoA=\r\n\r\n"
            )
            for data in iter(lambda: connection.recv(4096), b""):
                connection.sendall(data)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(self.name), self.name.encode()))

    def _poll(self, connection, peer):
        say = self.say(peer[0]) if callable(self.say) else self.say
        if say is None:
            time.sleep(5)  # hung
        else:
            agent.send(connection.detach(), say)
        self.polls += 1

    def close(self):
        self.web.close()
        self.agent.close()


class Balancer:
    """A HAProxy process of our own."""

    def __init__(self, directory, servers, checks=CHECKS, source="127.0.0.1"):
        self.directory, self.port = directory, free_port()
        self.servers = servers
        lines = "".join(f"    server {name} 127.0.0.1:{web} cookie {name} agent-check agent-port {port}\n" for name, web, port in servers)
        (directory / "state").touch()
        config = directory / "haproxy.cfg"
        config.write_text(CONFIG.format(directory=directory, port=self.port, checks=checks, source=source) + lines)
        with (directory / "log").open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(["haproxy", "-W", "-f", str(config)], stdout=log, stderr=log)
        assert eventually(lambda: self.status(servers[-1][0]), "UP") == "UP", (directory / "log").read_text()

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.directory / "admin.sock"))
                connection.sendall(command.encode() + b"\n")
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
            except OSError:
                return ""

    def server(self, name):
        for row in csv.DictReader(io.StringIO(self.ask("show stat").lstrip("# "))):
            if row["pxname"] == "wcs_back" and row["svname"] == name:
                return row
        return {}

    def status(self, name):
        return self.server(name).get("status")

    def becomes(self, name, status, seconds=6.0):
        return eventually(lambda: self.status(name), status, seconds) == status

    def seen(self, name):
        row = self.server(name)
        return row.get("status"), int(row.get("weight") or -1)

    def says(self, name, words):
        """Look for words in what the agent was last heard to say; while a poll is under way HAProxy shows nothing."""
        return eventually(lambda: words in self.server(name).get("last_agt", ""), True)

    def request(self, cookie=""):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            line = f"Cookie: SERVERID={cookie}\r\n" if cookie else ""
            connection.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n".encode())
            return b"".join(iter(lambda: connection.recv(4096), b"")).rpartition(b"\r\n")[2].decode()

    def websocket(self, cookie):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        connection.sendall(
            (
                "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nCookie: SERVERID={cookie}\r\n\r\n"
            ).encode()
        )
        assert b" 101 " in connection.recv(4096)
        return connection

    def reload(self):
        """Reload as the service does: the state of the servers is saved first."""
        before = self.ask("show info").partition("Pid: ")[2].split()[0]
        (self.directory / "state").write_text(self.ask("show servers state"))
        for _attempt in range(5):  # a master that has just reloaded may miss the next signal
            self.process.send_signal(signal.SIGUSR2)
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                if self.ask("show info").partition("Pid: ")[2].split()[:1] not in ([before], []):
                    return
                time.sleep(0.02)
        raise AssertionError("no new worker: " + (self.directory / "log").read_text())

    def close(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """One HAProxy in front of two nodes whose agents say what the test wants."""
    nodes = Wcs("wcs1"), Wcs("wcs2")
    balancer = Balancer(tmp_path_factory.mktemp("haproxy"), [(node.name, node.web.port, node.agent_port) for node in nodes])
    yield (balancer, *nodes)
    balancer.close()
    for node in nodes:
        node.close()


def say(balancer, node, line):
    """Let the node's agent say something until the balancer has certainly heard it."""
    node.say = line
    heard = node.polls + 3
    deadline = time.monotonic() + 6
    while node.polls < heard:
        assert time.monotonic() < deadline, "nobody polls"
        time.sleep(0.01)
    time.sleep(0.05)
    return balancer.seen(node.name)


def verdict(state="up", weight=None, reasons=(), readable=True):
    return agent.Verdict(state, weight, reasons, 0.0, {}, 0, readable)


UP, BUSY = agent.reply(verdict()), agent.reply(verdict("down", reasons=("cpu 93>=90",)))
SICK = agent.reply(verdict("down", reasons=("statistics unreadable: timed out",), readable=False))
DRAIN = agent.reply(verdict(), drain="new disk")
READY = agent.reply(verdict(), ready=True)
UP37, BUSY0 = agent.reply(verdict(weight=37)), agent.reply(verdict("down", 0, ("cpu 93>=90",)))
DRAIN37, READY37 = agent.reply(verdict(weight=37), drain="new disk"), agent.reply(verdict(weight=37), ready=True)
SICK_DRAIN = agent.reply(verdict("down", reasons=("statistics unreadable: timed out",), readable=False), drain="new disk")
STALE, SILENCE = b"down #stale: nothing measured for 4 s\n", b""
IS_UP, IS_DOWN, IS_DRAINED = ("UP", 100), ("DOWN (agent)", 100), ("DRAIN (agent)", 100)


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        # what this agent says
        ([], UP, IS_UP),
        ([], BUSY, IS_DOWN),
        ([], SICK, IS_DOWN),
        ([], STALE, IS_DOWN),
        ([], DRAIN, IS_DRAINED),
        ([], SICK_DRAIN, IS_DOWN),
        ([], UP37, ("UP", 37)),
        ([], BUSY0, ("DOWN (agent)", 0)),
        ([], DRAIN37, ("DRAIN (agent)", 37)),
        ([BUSY], UP, IS_UP),
        ([SICK], UP, IS_UP),
        ([STALE], UP, IS_UP),
        ([BUSY], SICK, IS_DOWN),
        ([BUSY], DRAIN, IS_DRAINED),
        ([BUSY0], UP37, ("UP", 37)),
        ([BUSY0], UP, IS_UP),
        ([UP37], BUSY, ("DOWN (agent)", 37)),
        ([UP37], UP, IS_UP),
        ([UP37], agent.reply(verdict(weight=1)), ("UP", 1)),
        ([DRAIN], UP, IS_DRAINED),
        ([DRAIN], READY, IS_UP),
        ([DRAIN], BUSY, IS_DOWN),
        ([DRAIN, BUSY], UP, IS_DRAINED),
        ([DRAIN, SICK_DRAIN], DRAIN, IS_DRAINED),
        ([DRAIN, SICK_DRAIN], READY, IS_UP),
        ([DRAIN], agent.reply(verdict("down", reasons=("cpu 93>=90",)), ready=True), IS_DOWN),
        ([DRAIN, agent.reply(verdict("down", reasons=("cpu 93>=90",)), ready=True)], UP, IS_UP),
        ([DRAIN37], READY37, ("UP", 37)),
        ([DRAIN, READY], UP, IS_UP),
        # what it never says, and why
        ([], b"down#cpu 93>=90\n", IS_UP),
        ([], b"failed\n", IS_UP),
        ([], b"down", IS_UP),
        ([], b"garbage\n", IS_UP),
        ([], SILENCE, IS_UP),
        ([], b"\n", IS_UP),
        ([BUSY], b"\n", IS_DOWN),
        ([BUSY], b"100%\n", IS_DOWN),
        ([BUSY], b"ready\n", IS_DOWN),
        ([BUSY], SILENCE, IS_DOWN),
        ([BUSY], b"garbage\n", IS_DOWN),
        ([BUSY], b"HTTP/1.1 200 OK\r\n", IS_DOWN),
        ([UP37], b"up 50.5%\n", ("UP", 37)),
        ([UP37], b"up\n", ("UP", 37)),
        ([DRAIN], SILENCE, IS_DRAINED),
    ],
)
def test_reply(pair, before, line, after):
    balancer, node, _other = pair
    assert say(balancer, node, READY) == IS_UP
    for earlier in before:
        say(balancer, node, earlier)
    say(balancer, node, line)
    assert eventually(lambda: balancer.seen(node.name), after, 2) == after


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (BUSY, "cpu 93>=90"),
        (SICK, "statistics unreadable: timed out"),
        (DRAIN, "drained: new disk"),
        (agent.reply(verdict("down", reasons=("x" * 300,))), "x" * 97 + "..."),
    ],
)
def test_the_reason_is_shown(pair, line, words):
    balancer, node, _other = pair
    say(balancer, node, line)
    assert balancer.says(node.name, words)
    say(balancer, node, READY)


@pytest.mark.parametrize("before", [UP, BUSY, DRAIN, UP37])
@pytest.mark.parametrize("fault", ["hung", "refused", "reset"])
def test_a_fault_of_the_agent_changes_nothing(pair, before, fault):
    balancer, node, _other = pair
    say(balancer, node, READY)
    expected = say(balancer, node, before)
    if fault == "hung":
        node.say = None
        status = "L7TOUT"
    elif fault == "refused":
        node.agent.close()
        status = "L4CON"
    else:
        node.say = b""
        status = "L7RSP"
    try:
        assert eventually(lambda: balancer.server(node.name)["agent_status"].strip("* "), status) == status
        assert balancer.seen(node.name) == expected
    finally:
        if fault == "refused":
            node.start_agent()
        node.say = READY
    assert eventually(lambda: balancer.seen(node.name), IS_UP) == IS_UP


@pytest.mark.parametrize(("state", "status"), [("drain", "DRAIN"), ("maint", "MAINT")])
@pytest.mark.parametrize("line", [UP, UP37, BUSY])
def test_the_operator_of_the_balancer_is_left_alone(pair, state, status, line):
    balancer, node, _other = pair
    say(balancer, node, READY)
    say(balancer, node, UP)
    balancer.ask(f"set server wcs_back/wcs1 state {state}")
    try:
        seen = say(balancer, node, line)[0]
        assert seen.startswith("DOWN" if (state, line) == ("drain", BUSY) else status)
        assert say(balancer, node, UP)[0].startswith(status)
    finally:
        balancer.ask("set server wcs_back/wcs1 state ready")
        say(balancer, node, READY)


def test_a_node_that_is_up_for_its_agent_still_needs_its_health_check(pair):
    balancer, node, _other = pair
    say(balancer, node, READY)
    web = node.web
    web.close()
    try:
        assert eventually(lambda: balancer.status(node.name), "DOWN") == "DOWN"
        assert say(balancer, node, UP)[0] == "DOWN"
    finally:
        node.web = Accepting(node._web, web.port)
    assert eventually(lambda: balancer.status(node.name), "UP") == "UP"


def test_a_balancer_that_says_something_itself(tmp_path):
    """`agent-send` is never read; what is left unread makes the close a reset, and must not cost a reply."""
    node = Wcs("wcs1")
    balancer = Balancer(tmp_path, [("wcs1", node.web.port, node.agent_port)], CHECKS.replace("50ms", "10ms") + ' agent-send "wcs_back/wcs1\\n"')
    try:
        for _change in range(10):
            for line, status in ((BUSY, "DOWN (agent)"), (UP, "UP")):
                node.say = line
                assert eventually(lambda: balancer.status("wcs1"), status) == status
        seen = {balancer.server("wcs1")["agent_status"].strip("* ") for _look in range(100)}
        assert seen <= {"L7OK", ""}
    finally:
        balancer.close()
        node.close()


def test_busy_keeps_what_is_open_and_takes_nothing_new(pair):
    balancer, node, other = pair
    say(balancer, node, READY)
    with balancer.websocket("wcs1") as held:
        say(balancer, node, BUSY)
        assert {balancer.request() for _request in range(10)} == {other.name}
        assert balancer.request(cookie="wcs1") == other.name
        held.sendall(b"still here")
        assert held.recv(100) == b"still here"
    say(balancer, node, UP)
    assert {balancer.request() for _request in range(10)} == {node.name, other.name}


class Script:
    """A meter that reads what the test says."""

    def __init__(self):
        self.values, self.error = {"cpu": 1.0}, ""
        self.memory, self.statistics, self.problems, self.interface = {}, {}, [], "eth0"

    def read(self):
        return agent.Reading(self.values, time.monotonic(), self.error)


class RealAgent:
    """The agent in this process, ticking fast, behind the port of a node."""

    def __init__(self, node, directory, **settings):
        directory.mkdir()
        self.directory, self.node = directory, node
        self.agent = agent.Agent(agent.make_settings({"ready_seconds": 1, **settings}), str(directory))
        self.agent.meter = Script()
        self.over = threading.Event()
        self.agent.tick()
        self.thread = threading.Thread(target=self._tick, daemon=True)
        self.thread.start()
        node.say = lambda address: self.agent.answer(address, time.monotonic())

    def _tick(self):
        while not self.over.wait(0.05):
            self.agent.tick()

    def order(self, monkeypatch, *words):
        monkeypatch.setattr(agent, "STATE_DIRECTORY", str(self.directory))
        assert agent.main(list(words)) == 0

    def close(self):
        self.over.set()
        self.thread.join()


@pytest.fixture
def fleet(tmp_path):
    """Two balancers, each with an address of its own, in front of two nodes."""
    nodes = Wcs("wcs1"), Wcs("wcs2")
    balancers = []
    for number in (1, 2):
        place = tmp_path / f"haproxy{number}"
        place.mkdir()
        balancers.append(Balancer(place, [(node.name, node.web.port, node.agent_port) for node in nodes], source=f"127.0.0.{number}"))
    yield balancers, nodes, tmp_path
    for balancer in balancers:
        balancer.close()
    for node in nodes:
        node.close()


def test_a_drain_through_the_agent_moves_new_sessions_away_on_every_balancer(fleet, monkeypatch):
    balancers, (node, other), directory = fleet
    real = RealAgent(node, directory / "agent")
    held = [balancer.websocket("wcs1") for balancer in balancers]
    real.order(monkeypatch, "drain", "--reason", "new disk")
    for balancer in balancers:
        assert balancer.becomes("wcs1", "DRAIN (agent)")
        assert {balancer.request() for _request in range(10)} == {other.name}
        assert balancer.request(cookie="wcs1") == "wcs1"  # who was there before may come back
        assert balancer.says("wcs1", "drained: new disk")
    assert set(real.agent.saw) == {"127.0.0.1", "127.0.0.2"}
    balancers[0].ask("set server wcs_back/wcs2 state drain")  # somebody else's drain, which must stay
    real.order(monkeypatch, "undrain")
    for balancer in balancers:
        assert balancer.becomes("wcs1", "UP")
    for connection in held:
        connection.sendall(b"still here")
        assert connection.recv(100) == b"still here"
        connection.close()
    assert eventually(lambda: real.agent.saw, {}) == {}
    assert [balancer.status("wcs2")[:5] for balancer in balancers] == ["DRAIN", "UP"]
    # from here on a drain by the balancer's operator on the very server that was drained is his own
    balancers[0].ask("set server wcs_back/wcs1 state drain")
    time.sleep(0.5)
    assert balancers[0].status("wcs1").startswith("DRAIN")
    real.close()


def test_a_balancer_that_was_away_when_the_drain_ended(fleet, monkeypatch):
    balancers, (node, _other), directory = fleet
    real = RealAgent(node, directory / "agent")
    real.order(monkeypatch, "drain")
    for balancer in balancers:
        assert balancer.becomes("wcs1", "DRAIN (agent)")
    answer = node.say
    node.say = lambda address: b"" if address == "127.0.0.2" else answer(address)  # the second cannot reach the agent
    real.order(monkeypatch, "undrain")
    assert eventually(lambda: balancers[0].status("wcs1"), "UP") == "UP"
    assert eventually(lambda: list(real.agent.saw), ["127.0.0.2"]) == ["127.0.0.2"]
    assert balancers[1].status("wcs1") == "DRAIN (agent)"
    node.say = answer
    assert eventually(lambda: balancers[1].status("wcs1"), "UP") == "UP"
    assert eventually(lambda: real.agent.saw, {}) == {}
    real.close()


def test_a_sampler_that_stands_still(fleet):
    balancers, (node, _other), directory = fleet
    real = RealAgent(node, directory / "agent")
    real.close()
    assert eventually(lambda: balancers[0].status("wcs1"), "DOWN (agent)") == "DOWN (agent)"
    assert balancers[0].says("wcs1", "stale: nothing measured for")
    real.agent.tick()
    assert eventually(lambda: balancers[0].status("wcs1"), "UP", 2) == "UP"


@pytest.mark.parametrize(
    ("graded", "checks"),
    [
        (False, "inter 200ms rise 3 fall 2 agent-inter 200ms"),  # the first poll comes before health checks can raise the server
        (True, "inter 100ms rise 2 fall 2 agent-inter 2s"),  # the state file keeps the weight, and the agent's was 0 %
    ],
)
@pytest.mark.parametrize("state", ["busy", "drained"])
def test_a_reload_lets_nothing_through(tmp_path, monkeypatch, graded, checks, state):
    node, other = Wcs("wcs1"), Wcs("wcs2")
    real = RealAgent(node, tmp_path / "agent", graded=graded)
    balancer = Balancer(tmp_path, [(one.name, one.web.port, one.agent_port) for one in (node, other)], checks)
    try:
        if state == "busy":
            real.agent.meter.values = {"cpu": 99.0}
            shown = "DOWN (agent)"
        else:
            real.order(monkeypatch, "drain")
            shown = "DRAIN (agent)"
        assert eventually(lambda: balancer.status("wcs1"), shown) == shown
        for _reload in range(3):
            balancer.reload()
            until = time.monotonic() + 1.5
            answered = []
            while time.monotonic() < until:
                answered.append(balancer.request())
            assert set(answered) == {other.name}, f"{answered.count(node.name)} of {len(answered)} leaked"
            assert eventually(lambda: balancer.status("wcs1"), shown) == shown
        real.agent.meter.values = {"cpu": 1.0}
        if state == "drained":
            real.order(monkeypatch, "undrain")
        assert eventually(lambda: balancer.status("wcs1"), "UP", 12) == "UP"
        assert eventually(lambda: balancer.seen("wcs1")[1] > 0, True) is True
    finally:
        balancer.close()
        real.close()
        node.close()
        other.close()


PAGE = b"HTTP/1.0 200 OK\r\n\r\n-----Stream Stats-----\nstreams_webrtc_in=1\nstreams_webrtc_out=0\nstreams_hls=0\n-----Port Stats-----\nports_media_free=400\n"


class Service:
    """The agent as a process of its own."""

    def __init__(self, directory, port, page_port):
        self.directory = directory
        directory.mkdir()
        (directory / "agent.json").write_text(json.dumps({"port": port, "limits": {"publishers": 10}, "statistics": {"port": page_port}}))
        self.start()

    def start(self):
        environment = {f"{name}_DIRECTORY": str(self.directory) for name in ("CONFIGURATION", "STATE", "RUNTIME")}
        main = f"import sys; sys.path.insert(0, {str(PLACE)!r}); import wcs_agent; sys.exit(wcs_agent.main(['serve']))"
        self.process = subprocess.Popen([sys.executable, "-I", "-S", "-c", main], env=environment, stderr=subprocess.DEVNULL)

    def close(self):
        self.process.kill()
        self.process.wait(10)


def test_the_process_is_killed_and_wcs_goes_and_hangs(tmp_path):
    """Every fault of the node, and how long until the balancer has the right answer again."""
    hangs = threading.Event()

    def page(connection, _peer):
        connection.recv(4096)
        if hangs.is_set():
            time.sleep(5)
        else:
            connection.sendall(PAGE)

    statistics, node = Accepting(page), Wcs("wcs1")
    port = free_port()
    service = Service(tmp_path / "agent", port, statistics.port)
    balancer = Balancer(tmp_path, [("wcs1", node.web.port, port)])
    took = {}

    def until(status, fault):
        started = time.monotonic()
        assert eventually(lambda: balancer.status("wcs1"), status, 10) == status, fault
        took[fault] = time.monotonic() - started

    try:
        assert eventually(lambda: balancer.server("wcs1")["agent_status"], "L7OK") == "L7OK"
        os.kill(service.process.pid, signal.SIGSTOP)
        assert eventually(lambda: balancer.server("wcs1")["agent_status"].strip("* "), "L7TOUT") == "L7TOUT"
        assert balancer.status("wcs1") == "UP"
        time.sleep(3)
        os.kill(service.process.pid, signal.SIGCONT)
        time.sleep(0.5)
        until("UP", "stopped and continued")
        service.close()
        assert eventually(lambda: balancer.server("wcs1")["agent_status"].strip("* "), "L4CON") == "L4CON"
        assert balancer.status("wcs1") == "UP"
        statistics.close()  # WCS goes while the agent is away
        service.start()
        until("DOWN (agent)", "agent killed, WCS gone")
        assert balancer.says("wcs1", "statistics unreadable: connection refused")
        statistics = Accepting(page, statistics.port)
        until("UP", "WCS back")
        hangs.set()
        until("DOWN (agent)", "WCS hung")
        assert balancer.says("wcs1", "statistics unreadable: timed out")
        hangs.clear()
        until("UP", "WCS goes on")
        statistics.close()
        until("DOWN (agent)", "WCS killed")
        assert max(took.values()) < 3.5, took
    finally:
        balancer.close()
        service.close()
        statistics.close()
        node.close()
