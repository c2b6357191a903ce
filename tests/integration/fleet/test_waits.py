# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every wait of the test environment ends within a bound, in a sentence: with a podman that answers as it is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.tests.support.paths import TESTS

FLEET = TESTS / "fleet"
HOST_KEY = "ssh-ed25519 AAAA root@host"
# What inspect says of the container, what systemctl says in it, and what else does
PODMAN = """#!/bin/sh
case "$*" in
"container inspect "*) {inspect} ;;
*" is-system-running") {systemctl} ;;
*list-jobs*) {jobs} ;;
*--failed*) echo broken.service ;;
*) echo '{key}' ;;
esac
"""
CASES = {
    "never boots": (
        "echo running 0",
        "exit 1",
        "its systemd does not answer, so that the machine has run out of something or another program runs in its place",
    ),
    "hangs": ("echo running 0", "exec sleep 60", "its systemd does not answer"),
    "is offline": ("echo running 0", "echo offline", "its systemd does not answer"),
    "boots for ever": ("echo running 0", "echo starting", "systemd says 'starting' and is at slow.service"),
    "has a failed unit": ("echo running 0", "echo degraded", "failed are broken.service"),
    "has ended": ("echo exited 139", "exit 1", "it has ended (exit status 139)"),
    "is gone": ("exit 1", "exit 1", "there is no such container"),
}


@pytest.fixture
def boot(tmp_path):
    """Return a function that waits for containers of a podman that answers so, and how long it took."""
    shutil.copy(FLEET / "boot.py", tmp_path)

    def run(inspect, systemctl, *containers, key="", options=("--seconds=1",)):
        podman = tmp_path / "podman"
        podman.write_text(PODMAN.format(inspect=inspect, systemctl=systemctl, jobs="echo slow.service", key=HOST_KEY))
        podman.chmod(0o755)
        begin = time.monotonic()
        done = subprocess.run([sys.executable, tmp_path / "boot.py", *options, *containers], input=key, capture_output=True, text=True, timeout=60, check=False)
        return done, time.monotonic() - begin

    return run


@pytest.mark.parametrize(("inspect", "systemctl", "sentence"), CASES.values(), ids=CASES)
def test_a_container_that_does_not_boot_ends_in_a_sentence(boot, inspect, systemctl, sentence):
    done, seconds = boot(inspect, systemctl, "fleet-lb1")
    assert done.returncode == 1
    assert done.stderr.startswith(f"fleet-lb1 has not booted within 1 seconds: {sentence}")
    assert done.stderr.endswith("; podman logs fleet-lb1 shows how far it got.\n")
    assert done.stderr.count("\n") == 1
    assert seconds < 20


def test_twelve_that_do_not_boot_take_no_longer_than_one(boot):
    names = [f"host{number}" for number in range(12)]
    done, seconds = boot("echo running 0", "exec sleep 60", *names)
    assert [line.split()[0] for line in done.stderr.splitlines()] == names
    assert seconds < 20


def test_what_has_booted_tells_its_host_key(boot):
    done, _seconds = boot("echo running 0", "echo running", "one", "two", key="ssh-ed25519 BBBB me")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"one": HOST_KEY, "two": HOST_KEY})


def test_a_failed_unit_may_be_allowed(boot):
    done, _seconds = boot("echo running 0", "echo degraded", "one", options=("--seconds=1", "--degraded"))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"one": HOST_KEY})


def within(*arguments, **options):
    begin = time.monotonic()
    done = subprocess.run([FLEET / "within", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, **options)
    return done, time.monotonic() - begin


def test_a_command_of_the_makefile_ends_with_all_that_it_has_started(tmp_path):
    command = f"sleep 61 & echo $! >{tmp_path}/child; sleep 62; echo never"
    done, seconds = within("1s", "-c", command)
    assert (done.returncode, done.stdout) == (124, "")
    assert done.stderr.endswith(f"make: not done within 1s, so it was ended: {command}\n")
    assert seconds < 10
    child = Path("/proc") / (tmp_path / "child").read_text().strip() / "cmdline"
    time.sleep(0.2)
    assert not child.exists() or b"sleep" not in child.read_bytes()


@pytest.mark.parametrize("status", [0, 1, 2, 77])
def test_a_command_that_ends_in_time_keeps_its_status_and_words(status):
    done, _seconds = within("10s", "-c", f"echo out; echo err >&2; exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, "out\n", "err\n")


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_umask_of_whoever_runs_make_is_not_that_of_what_it_makes(tmp_path, umask):
    within("10s", "-c", f"mkdir {tmp_path}/made; touch {tmp_path}/made/file", preexec_fn=lambda: os.umask(umask))
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "made", tmp_path / "made/file")] == ["0o755", "0o644"]


def test_no_podman_is_said(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "mkdir", "prlimit", "tr"):
        (tools / name).symlink_to(shutil.which(name))
    done = subprocess.run([tools / "sh", FLEET / "podman", "ps"], env={"PATH": str(tools)}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (125, "fleet: podman is not installed: apt-get install podman crun netavark aardvark-dns\n")
