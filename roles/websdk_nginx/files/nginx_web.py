# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: nginx_web.py started|reload MAIN RECORD LAST_GOOD SITE [FILE...]

Run by the unit of nginx, once it has started and to reload it. nginx says nothing when it cannot follow a reload, and goes on
with what it has: this waits for its new workers, or fails with what nginx wrote into its log. What it came up on is left in
RECORD, for those who compare it with the files, and a copy of SITE in LAST_GOOD, to go back to.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IN_FORCE = Path(__file__).with_name("in-force")
NGINX = "/usr/sbin/nginx"
PACKAGED = "/etc/nginx/nginx.conf"
PATIENCE = 20.0
# So long nginx itself tries to have a port
TRIES = 4.0
MOST_LOG = 65536
EMERGENCY = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[emerg\] \d+#\d+: (.*)")


def main(arguments: list[str]) -> str:
    """Do what was asked for; return what is wrong, or ''."""
    action, config, record, last_good, *files = arguments
    site = Path(files[0])
    if action == "started":
        in_force("keep", record)
        keep_good(site.read_bytes() if site.exists() else b"", Path(last_good))
        return ""
    master = int(os.environ["MAINPID"])
    if started_with(title(master)) != config:
        return f"nginx was started with {started_with(title(master))}, and can take up {config} by a restart alone"
    test = subprocess.run([NGINX, "-t", "-q", "-c", config], capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False)
    if test.returncode:
        return one_line(test.stderr.splitlines())
    in_force("take", record, *files)
    content = site.read_bytes() if site.exists() else b""
    refusal = reload(master)
    if not refusal:
        in_force("keep", record)
        keep_good(content, Path(last_good))
    return refusal


def reload(master: int) -> str:
    """Have nginx read its configuration; return why it does not run on it, or ''."""
    logs = {path: path.stat().st_size for path in error_logs(master)}
    before = serving(master)
    os.kill(master, signal.SIGHUP)
    begin = time.monotonic()
    while time.monotonic() < begin + PATIENCE:
        time.sleep(0.1)
        now = serving(master)
        if now - before and not now & before:
            return ""
        if time.monotonic() > begin + TRIES and emergencies(logs):
            break
    return one_line(emergencies(logs)) or f"nginx has no new workers after {PATIENCE:.0f} s, and does not say why in {', '.join(map(str, logs)) or 'a log'}"


def serving(master: int) -> set[int]:
    """The workers that take new connections: those of the last configuration, once the others are told to end."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        if parent == master and title(int(path.parent.name)) == "nginx: worker process":
            found.add(int(path.parent.name))
    return found


def title(pid: int) -> str:
    """What a process calls itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def started_with(command: str) -> str:
    """The file of the configuration in a command line of nginx."""
    named = re.search(r" -c (\S+)", command)
    return named[1] if named else PACKAGED


def error_logs(master: int) -> list[Path]:
    """The files that nginx writes its errors to."""
    found = set()
    for descriptor in Path(f"/proc/{master}/fd").iterdir():
        try:
            path = descriptor.resolve()
            if path.is_file() and "error" in path.name:
                found.add(path)
        except OSError:
            continue
    return sorted(found)


def emergencies(logs: dict[Path, int]) -> list[str]:
    """What nginx has written since, of that what stops it."""
    lines: list[str] = []
    for path, size in logs.items():
        with path.open("rb") as log:
            log.seek(size)
            lines += log.read(MOST_LOG).decode("utf-8", "replace").split("\n")
    return [match[1] for match in map(EMERGENCY.match, lines) if match]


def one_line(lines: list[str]) -> str:
    """A few lines as one, each once, without what a terminal would obey."""
    kept = list(dict.fromkeys(line.strip()[:300] for line in lines if line.strip()))[:3]
    return "".join(character if character.isprintable() else "?" for character in "; ".join(kept))


def in_force(*arguments: str) -> None:
    """Keep the record. Without it nginx is as well, and whoever looks will have it reload."""
    subprocess.run(["/bin/sh", str(IN_FORCE), *arguments], check=False, timeout=PATIENCE)


def keep_good(content: bytes, last_good: Path) -> None:
    """Keep what nginx came up on, in one step."""
    if not content or (last_good.exists() and last_good.read_bytes() == content):
        return
    handle, temporary = tempfile.mkstemp(prefix=f".{last_good.name}-", dir=last_good.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        os.fchmod(stream.fileno(), 0o644)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, last_good)


if __name__ == "__main__":
    if len(sys.argv) < 6 or sys.argv[1] not in ("started", "reload"):
        sys.exit(__doc__)
    problem = main(sys.argv[1:])
    if problem:
        sys.exit(f"nginx keeps the configuration it had: {problem}")
