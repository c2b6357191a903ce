# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until containers have booted, let a key in, and learn their host keys.

usage: boot.py [--seconds 180] [--degraded] CONTAINER...   < key of the user admin, or nothing

Prints the host keys, {container: key}. All are waited for at once and within one bound; for each that does not make it one sentence says
how far it got. A unit that has failed counts as not booted, unless --degraded is said.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PODMAN = Path(__file__).parent / "podman"
LET_IN = """
if [ -n "$1" ]; then
    install -d -o admin -g admin -m 0700 ~admin/.ssh
    printf '%s\n' "$1" | install -o admin -g admin -m 0600 /dev/stdin ~admin/.ssh/authorized_keys
fi
cat /etc/ssh/ssh_host_ed25519_key.pub
"""
STARTING = "systemctl list-jobs --no-legend --no-pager | awk '$4 == \"running\" {print $2}' | head -n 3 | paste -s -d ' '"
FAILED = "systemctl list-units --failed --plain --no-legend --no-pager | cut -d ' ' -f 1 | paste -s -d ' '"


class NotBooted(Exception):
    """A container that has not booted, and how far it got."""


def inside(container: str, *command: str, seconds: float) -> str:
    """Run a command in a container and return what it printed, whatever its status; nothing when it takes longer."""
    try:
        done = subprocess.run([PODMAN, "exec", container, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip()


def running(container: str) -> str:
    """Return the state of a container as podman knows it; nothing when there is none."""
    found = subprocess.run(
        [PODMAN, "container", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", container],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return found.stdout.strip()


def how_far(container: str, state: str) -> str:
    """Return what a container does that has had its time."""
    if state in ("", "offline", "unknown"):
        return "its systemd does not answer, so that the machine has run out of something or another program runs in its place"
    jobs = inside(container, "sh", "-c", STARTING, seconds=10)
    return f"systemd says '{state}'" + (f" and is at {jobs}" if jobs else "")


def boot(container: str, key: str, end: float, settled: Collection[str] = ("running",)) -> str:
    """Wait until a container has booted, let the key in, and return the host key."""
    state = ""
    while state not in settled:
        podman = running(container)
        if not podman.startswith(("running", "created", "stopping", "restarting")):
            raise NotBooted(f"it has ended (exit status {podman.split()[1]})" if podman else "there is no such container")
        left = end - time.monotonic()
        if left <= 0:
            raise NotBooted(how_far(container, state))
        # A word at once, where a wait would have no end
        state = inside(container, "systemctl", "is-system-running", seconds=min(left, 20)) or state
        if state == "degraded" and state not in settled:
            raise NotBooted(f"failed are {inside(container, 'sh', '-c', FAILED, seconds=10)}")
        if state not in settled:
            time.sleep(min(0.5, left))
    return inside(container, "sh", "-euc", LET_IN, "sh", key, seconds=30)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--degraded", action="store_true")
    parser.add_argument("containers", nargs="*")
    arguments = parser.parse_args()
    key = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read().strip()
    end = time.monotonic() + arguments.seconds
    settled = ("running", "degraded") if arguments.degraded else ("running",)

    def attempt(container: str) -> tuple[str, str]:
        try:
            return boot(container, key, end, settled), ""
        except NotBooted as error:
            return "", f"{container} has not booted within {arguments.seconds:g} seconds: {error}; podman logs {container} shows how far it got."

    with ThreadPoolExecutor(max(4, len(arguments.containers))) as pool:
        results = dict(zip(arguments.containers, pool.map(attempt, arguments.containers)))
    wrong = [sentence for _key, sentence in results.values() if sentence]
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    print(json.dumps({container: host_key for container, (host_key, sentence) in results.items() if not sentence}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
