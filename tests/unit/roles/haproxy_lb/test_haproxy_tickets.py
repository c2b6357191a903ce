# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client resumes its TLS session after a reload, after a restart and after the keys have changed, until its key is gone."""

from __future__ import annotations

import subprocess

import pytest

from .balancer import HANDSHAKE, balanced


@pytest.fixture
def balancer(install, tmp_path):
    with balanced(install, tmp_path, "wcs1") as running:
        yield running[0]


@pytest.fixture(params=["-tls1_2", "-tls1_3"])
def handshake(request, balancer, tmp_path):
    """Begin a TLS session, or resume the last one; tell which of the two it became."""
    ticket = tmp_path / "ticket"

    def handshake():
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{balancer.port}", "-servername", "wcs.example.com", request.param, "-ign_eof"]
        command += ["-sess_out", ticket, *(["-sess_in", ticket] if ticket.exists() else [])]
        text = "GET / HTTP/1.1\r\nConnection: close\r\n" + HANDSHAKE[0] + "\r\n\r\n"
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
        return next(line.split(b",")[0].decode() for line in done.stdout.splitlines() if line.startswith((b"New, ", b"Reused, ")))

    return handshake


def change(balancer):
    """What the timer does; nothing of a key may be said."""
    keys = balancer.config.with_name("ticket-keys")
    before = keys.read_text().split()
    done = balancer.tickets("rotate")
    assert done.returncode == 0
    after = keys.read_text().split()
    assert after[:2] == before[1:] and after[2] not in before
    assert keys.stat().st_mode & 0o777 == 0o600
    assert not any(key in done.stdout + done.stderr for key in before + after)
    return done.stdout.strip()


def test_a_session_is_resumed(balancer, handshake):
    assert handshake() == "New"
    assert handshake() == "Reused"
    assert balancer.reload().returncode == 0
    assert handshake() == "Reused"
    balancer.restart()
    assert handshake() == "Reused"


def test_keys_change_under_way_and_age(balancer, handshake):
    assert handshake() == "New"
    assert change(balancer) == "haproxy has the keys"
    assert handshake() == "Reused"
    balancer.restart()
    assert handshake() == "Reused"
    # The ticket may have been renewed above; from now on it is not asked for
    for _dummy in range(3):
        change(balancer)
    assert handshake() == "New"


def test_the_first_keys_are_made_before_haproxy_runs(balancer):
    balancer.config.with_name("ticket-keys").unlink()
    balancer.close()
    done = balancer.tickets("mend")
    assert done.stdout.endswith("was missing; it was written anew\n")
    assert len(set(balancer.config.with_name("ticket-keys").read_text().split())) == 3
    balancer.start()
    balancer.wait(balancer.settled)
    assert balancer.visit() == "wcs1"
