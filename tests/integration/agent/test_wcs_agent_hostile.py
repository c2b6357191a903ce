# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, locks and words that somebody else made: refused, bounded, spelt out."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.roles.wcs_node.files import wcs_agent as agent
from ansible_collections.webcallserver.balancer.tests.integration.agent.program import Program, inetd_poll
from ansible_collections.webcallserver.balancer.tests.support.servers import Server, everything
from ansible_collections.webcallserver.balancer.tests.support.waiting import until

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="files of other owners need root")


@pytest.fixture
def program(tmp_path):
    program = Program(tmp_path)
    yield program
    program.close()


def a_link(path):
    path.with_name("target").write_text("{}")
    path.symlink_to(path.with_name("target"))


def somebody_elses(path):
    path.write_text("{}")
    os.chown(path, NOBODY, NOBODY)


NO_FILES = {
    "a link": a_link,
    "a link that leads nowhere": lambda path: path.symlink_to("/nonexistent"),
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a device itself": lambda path: os.mknod(path, 0o20666, os.makedev(1, 5)),
    "a huge file": lambda path: path.write_bytes(b" " * (agent.FILE_BYTES + 1)),
    "a sparse file": lambda path: path.touch() or os.truncate(path, 1 << 40),
    "somebody else's": somebody_elses,
}


@as_root
@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_only_a_plain_small_file_of_ours_is_read(tmp_path, make):
    path = tmp_path / "agent.json"
    make(path)
    with pytest.raises(agent.SettingsError, match=f"{path}: "):
        agent.load_settings(str(path))


@as_root
@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
@pytest.mark.parametrize("name", ["state.json", "drain.json"])
def test_the_agent_starts_whatever_lies_in_its_directory(tmp_path, monkeypatch, make, name):
    """Drained by whatever lies where the order does, since somebody put it there; without what it cannot take up from the state."""
    make(tmp_path / name)
    started = agent.Agent(agent.make_settings({}), str(tmp_path))
    monkeypatch.setattr(started.meter, "read", lambda: agent.Reading({}, time.monotonic()))
    started.load()
    started.tick()
    assert started.answer("127.0.0.1", time.monotonic()) == (b"up drain 100% #drained: order unreadable\n" if name == "drain.json" else b"up 100%\n")


@as_root
def test_what_is_written_goes_through_no_link(tmp_path):
    target = tmp_path / "target"
    target.write_text("precious")
    for name in ("state.json", "drain.json", "in-force"):
        (tmp_path / name).symlink_to(target)
        agent.replace_file(str(tmp_path / name), "{}")
        assert not (tmp_path / name).is_symlink()
    assert target.read_text() == "precious"


@as_root
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_the_umask_decides_no_mode(program, umask):
    subprocess.run(program.command("drain"), env=program.environment, check=True, preexec_fn=lambda: os.umask(umask), stdout=subprocess.DEVNULL)
    program.start(umask)
    program.stop()
    modes = {path.name: oct(path.lstat().st_mode & 0o777) for path in program.directory.iterdir() if path.name not in ("agent.json", "log", "notify")}
    assert modes == {"drain.json": "0o644", "state.json": "0o644", "in-force": "0o644", "admin.sock": "0o600", "status.sock": "0o666"}


@as_root
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_lock_is_ours_alone(program, umask):
    before = os.umask(umask)
    try:
        assert inetd_poll(program) == b"up 100%\n"
    finally:
        os.umask(before)
    assert oct((program.directory / "lock").stat().st_mode & 0o777) == "0o600"  # who cannot open it cannot hold it


HELD = {
    "held": lambda path: path.touch(),
    "a FIFO": os.mkfifo,
    "a link": a_link,
    "a directory": Path.mkdir,
    "somebody else's": somebody_elses,
}


@as_root
@pytest.mark.parametrize("make", HELD.values(), ids=HELD)
def test_no_poll_freezes_for_the_lock(program, make):
    """Whoever has it, or whatever lies there: an answer in time, on one's own."""
    assert inetd_poll(program) == b"up 100%\n"
    lock = program.directory / "lock"
    lock.unlink()
    make(lock)
    held = os.open(lock, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        program.page.publishers = 10
        time.sleep(agent.STALE_SECONDS)
        started = time.monotonic()
        assert inetd_poll(program) == b"down #publishers 10>=10\n"
        assert time.monotonic() - started < 5
    finally:
        os.close(held)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain, Straße", "plain, Straße"),
        ("\x1b[2J\x1b]0;x\x07", "\\x1b[2J\\x1b]0;x\\x07"),
        ("a\nWATCHDOG=1", "a\\nWATCHDOG=1"),
        ("a\rb\x0bc\x0cd\x85e", "a\\rb\\x0bc\\x0cd\\x85e"),
        ("\u2028\u2029\u202e\u200b", "\\u2028\\u2029\\u202e\\u200b"),
        ("\x9b31m", "\\x9b31m"),
        ("\udcff", "\\udcff"),
        ("\0\x7f", "\\x00\\x7f"),
    ],
)
def test_what_is_printed_is_one_line_that_moves_no_cursor(tmp_path, monkeypatch, capsys, text, line):
    assert agent.shown(text) == line
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    agent.Daemon._log(text)
    assert manager.recv(4096).decode() == f"STATUS={line}"
    assert capsys.readouterr().err == line + "\n"
    manager.close()
    # In an order made by hand, and from there in the status
    (tmp_path / "drain.json").write_text(json.dumps({"reason": text}))
    drained = agent.Agent(agent.make_settings({}), str(tmp_path))
    monkeypatch.setattr(drained.meter, "read", lambda: agent.Reading({}, time.monotonic(), text))
    drained.tick()
    assert all(part.isprintable() for part in agent.as_text({"running": True, **drained.status()}).split("\n"))
    assert b"\n" not in drained.answer("127.0.0.1", time.monotonic())[:-1]


@pytest.mark.parametrize(("order", "since"), [({"since": 1_700_000_000}, "2023-11-14T22:13:20Z"), ({}, "2001-09-09T01:46:40Z")])
def test_the_status_says_when_the_drain_was_ordered(tmp_path, monkeypatch, order, since):
    """An order without its time, made by hand, has that of its file."""
    agent.replace_file(str(tmp_path / "drain.json"), json.dumps(order))
    os.utime(tmp_path / "drain.json", (1e9, 1e9))
    drained = agent.Agent(agent.make_settings({}), str(tmp_path))
    monkeypatch.setattr(drained.meter, "read", lambda: agent.Reading({}, time.monotonic()))
    drained.tick()
    status = drained.status()
    assert (status["state"], status["since"], status["drain"]["since"]) == ("drained", since, since)
    assert f"state    drained since {since}\n" in agent.as_text({"running": True, **status})


@as_root
def test_root_is_told_the_status_however_many_ask(program):
    """Those who ask and do not read, those who come and go, and those who stay."""
    program.start()
    over = threading.Event()

    def floods(stays):
        kept = []
        while not over.is_set():
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            try:
                client.connect(str(program.directory / "status.sock"))
            except OSError:
                client.close()
                continue
            if stays and len(kept) < 200:
                kept.append(client)
            else:
                client.close()

    threads = [threading.Thread(target=floods, args=(stays,), daemon=True) for stays in (True, False, False)]
    for thread in threads:
        thread.start()
    try:
        for _ask in range(3):
            started = time.monotonic()
            assert json.loads(program.run("status", "--json").stdout)["running"] is True
            assert time.monotonic() - started < 5
        assert program.poll() == b"up 100%\n"
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_page_full_of_names_is_shown_within_bounds(program):
    program.page.text = "-----Stream Stats-----\nstreams_webrtc_in=1\nstreams_viewers=" + "\x01;" * 100_000 + "\nstreams_synchronization=x/1\n"
    program.start()
    status = json.loads(program.run("status", "--json").stdout)
    assert (status["reply"], status["running"]) == ("up 100%", True)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(program.directory / "admin.sock"))
        assert len(everything(client)) < agent.STATUS_BYTES + 10_000


def record(program):
    return (program.directory / "in-force").read_text().split("\n")


def digest(path):
    return subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout.split()[0]


def test_it_leaves_what_it_runs_on(program):
    """As in_force.sh writes it: the invocation, then a line for each file; after a reload that of the settings it took, and of no others."""
    program.environment["INVOCATION_ID"] = "c0ffee"
    program.start()
    settings, source = program.directory / "agent.json", Path(agent.__file__).resolve()
    first = digest(settings)
    assert record(program)[0] == "# c0ffee"
    assert f"{digest(source)}  {source}" in record(program)
    assert f"{first}  {settings}" in record(program)
    settings.write_text("{")
    program.process.send_signal(1)
    until(lambda: "the old settings stay in force" in program.logged())
    assert f"{first}  {settings}" in record(program)
    program.settings(graded=True)
    program.process.send_signal(1)
    until(lambda: f"{first}  {settings}" not in record(program))
    assert f"{digest(settings)}  {settings}" in record(program)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program.settings(port=taken.getsockname()[1], bind="127.0.0.1")
        program.process.send_signal(1)
        until(lambda: "the old one stays" in program.logged())
        assert f"{digest(settings)}  {settings}" not in record(program)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"garbage\n", b"", None])
def test_a_node_whose_websockets_fail_is_out_and_back(program, answer):
    """The statistics page is well all the time."""
    websockets = Websockets()
    program.settings(websocket={"port": websockets.port})
    program.start()
    try:
        assert program.poll() == b"up 100%\n"
        websockets.answer = answer
        until(lambda: program.poll().startswith(b"down #ws port "), 8)
        assert "ws port" in program.logged()
        websockets.answer = websockets.GOOD
        program.wait(b"up 100%\n", 4)
    finally:
        websockets.close()


class Websockets:
    """The WebSocket port of a node."""

    GOOD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

    def __init__(self):
        self.answer = self.GOOD
        self.server = Server(self._answer)
        self.port = self.server.port

    def _answer(self, connection, over):
        connection.recv(4096)
        if self.answer is None:
            over.wait(1)
        else:
            connection.sendall(self.answer)
            connection.recv(100)

    def close(self):
        self.server.close()
