# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests start no process and leave this machine alone: who tries fails."""

from __future__ import annotations

import ipaddress
import sys

import pytest

PROCESSES = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn", "subprocess.Popen"}
guarded = False


def elsewhere(address):
    """Whether an address is that of another host; what is no address is one, since it takes DNS."""
    if not isinstance(address, tuple):
        return False
    try:
        return not ipaddress.ip_address(address[0] or "127.0.0.1").is_loopback
    except ValueError:
        return address[0] != "localhost"


def guard(event, arguments):
    if guarded and (event in PROCESSES or (event == "socket.connect" and elsewhere(arguments[1]))):
        raise AssertionError(f"a unit test does not do this, tests/integration is for it: {event} {arguments[:2]}")


sys.addaudithook(guard)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol():
    global guarded
    guarded = True
    try:
        return (yield)
    finally:
        guarded = False
