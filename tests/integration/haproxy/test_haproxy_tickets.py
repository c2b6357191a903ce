# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client resumes its TLS session after a reload, after a restart and after the keys have changed, until its key is gone."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys

import pytest
from ansible_collections.webcallserver.balancer.roles.haproxy_lb.files import haproxy_tickets
from ansible_collections.webcallserver.balancer.tests.integration.haproxy.balancer import HANDSHAKE, balanced
from ansible_collections.webcallserver.balancer.tests.support.haproxy_lb import HAPROXY, ROLE


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


def key(size=80):
    return base64.b64encode(os.urandom(size)).decode()


THREE = [key() for _turn in range(3)]
SHORT = [key(48) for _turn in range(3)]
FOUR = [key() for _turn in range(4)]
BAD = {
    "nothing": None,
    "empty": b"",
    "a newline": b"\n",
    "two keys": "\n".join(THREE[:2]).encode() + b"\n",
    "half a key": "\n".join(THREE).encode()[:-20],
    "no Base64": b"".join(f"{text[:-2]}!!\n".encode() for text in THREE),
    "keys of 32 bytes": "".join(f"{key(32)}\n" for _turn in range(3)).encode(),
    "keys of two sizes": "\n".join([*THREE[:2], SHORT[0]]).encode(),
    "one key three times": f"{THREE[0]}\n".encode() * 3,
    "an empty line between": "\n\n".join(THREE).encode(),
    "lines that end like those of an old Macintosh": "\r".join(THREE).encode() + b"\r",
    "such lines and others": f"{THREE[0]}\r{THREE[1]}\n{THREE[2]}\n".encode(),
    "two carriage returns": "".join(f"{text}\r\r\n" for text in THREE).encode(),
    "blanks": "".join(f" {text}\n" for text in THREE).encode(),
    "NUL": b"\0" * 327,
    "no text": bytes(range(256)),
    "huge": b"A" * 10_000_000,
}
GOOD = {
    "three keys": "".join(f"{text}\n" for text in THREE).encode(),
    "no last newline": "\n".join(THREE).encode(),
    "CRLF": "".join(f"{text}\r\n" for text in THREE).encode(),
    "four keys": "".join(f"{text}\n" for text in FOUR).encode(),
    "keys of 48 bytes": "".join(f"{text}\n" for text in SHORT).encode(),
}


def run(action, directory):
    command = [sys.executable, "-I", ROLE / "files" / "haproxy_tickets.py", action, directory / "ticket-keys", directory / "no.sock"]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)


def sound(path):
    found = path.lstat()
    assert stat.S_ISREG(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    keys = path.read_text().split("\n")[:-1]
    assert len(set(keys)) >= 3
    assert len({len(base64.b64decode(text)) for text in keys}) == 1
    assert [entry.name for entry in path.parent.iterdir() if entry.name.endswith(".new")] == []
    return keys


@pytest.mark.parametrize("action", ["mend", "rotate"])
@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_keys_that_haproxy_cannot_start_with_are_mended(tmp_path, data, action):
    path = tmp_path / "ticket-keys"
    if data is not None:
        path.write_bytes(data)
        path.chmod(0o600)
    done = run(action, tmp_path)
    assert done.returncode == 0
    assert "it was written anew" in done.stdout
    assert not any(text in done.stdout + done.stderr for text in sound(path))


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_keys_that_haproxy_can_start_with_stay(tmp_path, data):
    path = tmp_path / "ticket-keys"
    path.write_bytes(data)
    path.chmod(0o600)
    done = run("mend", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert path.read_bytes() == data


def test_haproxy_starts_with_keys_that_stay(balancer):
    for name, data in GOOD.items():
        (balancer.directory / "ticket-keys").write_bytes(data)
        done = subprocess.run([*HAPROXY, "-c", "-f", balancer.config], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (name, done.stderr)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o666, 0o400, 0o700])
def test_keys_with_another_mode_are_taken_back(tmp_path, mode):
    path = tmp_path / "ticket-keys"
    path.write_bytes(GOOD["three keys"])
    path.chmod(mode)
    assert "it was written anew" in run("mend", tmp_path).stdout
    assert sound(path) == THREE


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(GOOD["three keys"])
    for name in ("ticket-keys", "ticket-keys.new"):
        (tmp_path / name).symlink_to(precious)
    assert run("rotate", tmp_path).returncode == 0
    sound(tmp_path / "ticket-keys")
    assert precious.read_bytes() == GOOD["three keys"]


def test_a_directory_in_its_place_is_said(tmp_path):
    (tmp_path / "ticket-keys").mkdir()
    done = run("mend", tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("mend: ")


def test_the_keys_that_haproxy_uses_are_put_back_into_a_broken_file(balancer, handshake):
    keys = balancer.directory / "ticket-keys"
    before = keys.read_bytes()
    assert handshake() == "New"
    keys.write_bytes(b"garbage\n")
    assert balancer.tickets("mend").returncode == 0
    assert keys.read_bytes() == before
    balancer.restart()
    assert handshake() == "Reused"


def test_what_haproxy_has_not_is_told(balancer):
    """As after a timer that was stopped between the file and the process."""
    keys = balancer.directory / "ticket-keys"
    for count in (1, 2, 3):
        keys.write_text("".join(f"{text}\n" for text in (*keys.read_text().split()[count:], *(key() for _turn in range(count)))))
        done = balancer.tickets("tell")
        assert (done.returncode, done.stdout) == (0, "haproxy has the keys\n")
        assert haproxy_tickets.loaded(str(balancer.stats_socket), str(keys)) == keys.read_text().split()


MISSING = {
    "the same": ("abc", "abc", ""),
    "one more": ("abc", "bcd", "d"),
    "two more": ("abc", "cde", "de"),
    "others": ("abc", "def", "def"),
    "back again": ("abc", "zab", "zab"),
    "more than three in the file": ("abc", "zabcd", "d"),
}


@pytest.mark.parametrize(("has", "wanted", "expected"), MISSING.values(), ids=MISSING)
def test_what_is_added_to_the_keys_of_haproxy(has, wanted, expected):
    assert haproxy_tickets.missing(list(has), list(wanted)) == list(expected)
