# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real program on real sockets: as a service, under xinetd, and as a command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.webcallserver.balancer.tests.integration.agent.program import Program, inetd_poll
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.support.waiting import eventually, until


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    program = Program(tmp_path_factory.mktemp("service"))
    assert program.run("validate", str(program.directory / "agent.json")).returncode == 0  # as the unit does first: it leaves the compiled program
    program.start()
    yield program
    program.close()


@pytest.fixture
def program(tmp_path):
    program = Program(tmp_path)
    yield program
    program.close()


def test_it_answers_on_both_families(service):
    assert service.poll() == b"up 100%\n"
    assert service.poll(address="::1") == b"up 100%\n"


def test_it_needs_no_word_from_the_client_and_survives_any(service):
    for words in (b"", b"x", b"wcs_back/wcs1\n", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100000):
        with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
            try:
                connection.sendall(words)
                connection.recv(4096)
            except OSError:
                pass  # more than it reads is answered by a reset
    for _client in range(50):
        socket.create_connection(("127.0.0.1", service.port), timeout=5).close()
    assert service.poll() == b"up 100%\n"


def test_silent_and_slow_clients_hold_nothing(service):
    idle = [socket.create_connection(("127.0.0.1", service.port), timeout=5) for _client in range(300)]
    try:
        started = time.monotonic()
        assert service.poll() == b"up 100%\n"
        assert time.monotonic() - started < 1
        assert len(os.listdir(f"/proc/{service.process.pid}/fd")) < 20
    finally:
        for connection in idle:
            connection.close()


def test_thousands_of_polls_without_one_error(service):
    answers = {service.poll() for _poll in range(1000)}
    assert answers == {b"up 100%\n"}


def test_the_watchdog_is_told(service):
    service.wait_notified("WATCHDOG=1")


def test_load_comes_and_goes(service):
    service.page.publishers = 10
    service.wait(b"down #publishers 10>=10\n")
    service.page.publishers = 3
    service.wait(b"up 100%\n")


def test_wcs_hangs_and_comes_back(service):
    service.page.hangs = True
    service.wait(b"down #statistics unreadable: timed out\n")
    service.page.hangs = False
    service.wait(b"up 100%\n", 3)


def test_drain_and_undrain(service):
    assert service.run("drain", "--reason", "new disk").stdout == "drained\n"
    service.wait(b"up drain 100% #drained: new disk\n")
    status = json.loads(service.run("status", "--json").stdout)
    assert (status["running"], status["state"], status["drain"]["reason"], status["saw_drain"]) == (True, "drained", "new disk", ["127.0.0.1"])
    assert service.run("undrain").stdout == "drain ended\n"
    service.wait(b"up ready 100%\n")
    assert service.run("undrain").stdout == "not drained\n"


def test_status(service):
    status = json.loads(service.run("status", "--json").stdout)
    assert status["statistics"]["stream"]["streams_webrtc_in"] == 3
    assert status["limits"]["publishers"] == {"limit": 10, "value": 3, "unit": "", "leave": 9.8, "reached": False, "since": None}
    assert status["polls"]["127.0.0.1"]["polls"] > 1000
    text = service.run("status").stdout
    assert "publishers" in text and "127.0.0.1" in text


def test_reload_misses_no_poll(service):
    stop, failures = threading.Event(), []

    def polls():
        while not stop.is_set():
            if not service.poll().startswith((b"up", b"down")):
                failures.append(1)

    thread = threading.Thread(target=polls)
    thread.start()
    try:
        service.settings(limits={"publishers": 2})
        service.process.send_signal(signal.SIGHUP)
        service.wait(b"down ready #publishers 3>=2\n")
        (service.directory / "agent.json").write_text('{"port": "none"}')
        service.process.send_signal(signal.SIGHUP)
        until(lambda: "the old settings stay in force" in service.logged())
        assert "port must be a port number" in service.logged()
        assert service.poll().startswith(b"down ready #publishers 3>=2")
        service.settings()
        service.process.send_signal(signal.SIGHUP)
        service.wait(b"up ready 100%\n")
    finally:
        stop.set()
        thread.join()
    assert not failures
    assert "problem" not in service.run("status").stdout


def test_reload_moves_to_another_port(service):
    old, service.port = service.port, free_port()
    service.settings()
    service.process.send_signal(signal.SIGHUP)

    def answers(port):
        try:
            return bool(service.poll(port=port))
        except OSError:
            return False

    assert eventually(lambda: (answers(old), answers(service.port)), (False, True)) == (False, True)


def test_it_goes_on_after_it_was_stopped(service):
    for _stop in range(3):
        service.process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        service.process.send_signal(signal.SIGCONT)
        service.wait(b"up ready 100%\n" if service.poll().startswith(b"up ready") else b"up 100%\n")
        assert service.process.poll() is None


def resident(pid):
    """Kilobytes of a process in memory, pages of the program that it shares with others included."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


# What the agent is made of, without the agent
LIBRARIES = (
    "import errno, json, math, os, re, select, signal, socket, stat, sys, threading, time, collections; "
    f"sys.path += {[path for path in sys.path if path.endswith('-packages')]}; import psutil; psutil.cpu_times(); input()"
)


def test_it_is_small(service):
    others = [subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdin=subprocess.PIPE) for code in ("input()", LIBRARIES)]
    try:
        time.sleep(0.8)
        ours, bare, libraries = (resident(process.pid) for process in (service.process, *others))
    finally:
        for process in others:
            process.communicate(b"\n")
    # Its own, after all that the tests before have asked of it; measured 1.0 to 1.8 MB
    assert ours - libraries < 2 * 1024
    # From 3.14 on Python alone takes 1 MB more, and what runs on it more than before
    if sys.version_info < (3, 14):
        assert ours - bare < 6.8 * 1024
    assert ours < (14 if sys.version_info < (3, 14) else 15.5) * 1024


def test_restart_keeps_what_was_decided(program):
    program.settings(hysteresis={"margin": 50, "hold": 0})
    program.page.publishers = 10
    program.start()
    assert program.poll() == b"down #publishers 10>=10\n"
    program.page.publishers = 8
    program.stop()
    program.start()
    assert program.poll() == b"down #publishers 8 not yet <5\n"


def test_it_is_right_again_after_kill(program):
    program.start()
    program.process.kill()
    program.process.wait(10)
    program.page.publishers = 10
    started = time.monotonic()
    program.start()
    assert program.poll() == b"down #publishers 10>=10\n"
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(("content", "words"), [('{"port": 0}', "port must be a port number"), (None, "No such file")])
def test_it_does_not_start_with_bad_settings(program, content, words):
    if content is None:
        os.unlink(program.directory / "agent.json")
    else:
        (program.directory / "agent.json").write_text(content)
    started = program.run("serve")
    assert started.returncode == 2
    assert words in started.stderr


def test_it_says_that_the_port_is_taken(program):
    with socket.create_server(("127.0.0.1", program.port)):
        started = program.run("serve")
    assert started.returncode == 1
    assert "Address already in use" in started.stderr


def test_xinetd(program):
    program.settings(hysteresis={"margin": 50, "hold": 0})
    assert inetd_poll(program) == b"up 100%\n"
    program.page.publishers = 10
    time.sleep(0.2)
    assert inetd_poll(program) == b"down #publishers 10>=10\n"
    program.page.publishers = 8
    time.sleep(0.2)
    assert inetd_poll(program) == b"down #publishers 8 not yet <5\n"  # the verdict before is remembered
    program.run("drain", "--reason", "new disk")
    assert inetd_poll(program).startswith(b"up drain 100% #drained: new disk")
    program.run("undrain")
    assert inetd_poll(program).startswith(b"down ready #")
    status = json.loads(program.run("status", "--json").stdout)
    assert (status["running"], status["polls"]["127.0.0.1"]["polls"], status["ready_for"]) == (False, 5, ["127.0.0.1"])
    (program.directory / "agent.json").write_text("{")
    assert inetd_poll(program).startswith(b"down ready #")  # the settings that were last in force
    os.unlink(program.directory / "state.json")
    assert inetd_poll(program) == b"\n"  # which changes nothing in HAProxy


def test_xinetd_polls_at_once(program):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(inetd_poll(program))) for _poll in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"up 100%\n"] * 4
    assert json.loads((program.directory / "state.json").read_text())["polls"]["127.0.0.1"][0] == 4


def test_xinetd_without_a_directory_to_write_to(program):
    program.settings()
    program.environment["STATE_DIRECTORY"] = str(program.directory / "absent")
    assert inetd_poll(program) == b"up 100%\n"


@pytest.mark.parametrize(
    ("arguments", "publishers", "line", "code"),
    [
        (["publishers", "10"], 9, "up 100%\n", 0),
        (["publishers", "10"], 10, "down #publishers 10>=10\n", 1),
        (["hls", "1", "publishers", "4.5"], 5, "down #publishers 5>=4.5\n", 1),
        ([], 10, "down #publishers 10>=10\n", 1),
        (["publishers"], 1, "", 2),
        (["ram", "1"], 1, "", 2),
        (["cpu", "many"], 1, "", 2),
    ],
)
def test_check(program, arguments, publishers, line, code):
    program.page.publishers = publishers
    done = program.run("check", *arguments)
    assert (done.stdout, done.returncode) == (line, code), done.stderr


def test_status_without_an_agent(program):
    program.page.publishers = 10
    status = json.loads(program.run("status", "--json").stdout)
    assert (status["running"], status["reply"], status["statistics"]["port"]["ports_media_free"]) == (False, "down #publishers 10>=10", 400)
