# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""See that this machine can carry so many more hosts, raise what may be raised, and say what is missing.

usage: limits.py HOSTS [MACHINES]     containers, and emulated machines beside them

A kernel that has run out of something rarely says so: a container whose systemd gets no inotify instance never boots. So everything
is looked at before the first container is started. What a host needs was measured on fleets with all roles on them, and doubled.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


@dataclass(frozen=True)
class Limit:
    """A limit of the kernel's that may be raised: where it stands, what a host takes, what the rest of the machine may take, and what to raise it to."""

    name: str
    host: int
    machine: int
    generous: int


KERNEL = (
    Limit("fs.inotify.max_user_instances", 24, 64, 1024),
    Limit("fs.inotify.max_user_watches", 1024, 8192, 524288),
    Limit("fs.file-max", 4096, 65536, 1048576),
    Limit("kernel.pid_max", 256, 4096, 131072),
    Limit("kernel.threads-max", 256, 4096, 131072),
    Limit("kernel.keys.root_maxkeys", 64, 256, 1000000),
    Limit("net.netfilter.nf_conntrack_max", 4096, 16384, 262144),
    Limit("net.ipv4.neigh.default.gc_thresh3", 32, 128, 4096),
    Limit("net.ipv6.neigh.default.gc_thresh3", 32, 128, 4096),
)
OPEN_FILES = 8192
HOST_MEMORY = 150 * MIB
MACHINE_MEMORY = 1024 * MIB
EMULATED_MEMORY = 1200 * MIB
HOST_DISK = 500 * MIB
EMULATED_DISK = 6000 * MIB
MACHINE_DISK = 6144 * MIB
HOST_INODES = 20000
MACHINE_INODES = 100000
COMMANDS = {"podman": "podman", "crun": "crun", "mmdebstrap": "mmdebstrap", "nsenter": "util-linux", "prlimit": "util-linux", "ssh": "openssh-client"}


class Machine:
    """What the kernel tells about this machine, below a root that a test may choose."""

    def __init__(self, root: Path = Path("/"), storage: Path = Path("/var/lib/containers"), checkout: Path = Path(__file__).parent) -> None:
        self.root = root
        self.places = [storage, checkout]

    def sysctl(self, name: str) -> Path:
        return self.root / "proc/sys" / name.replace(".", "/")

    def number(self, path: Path) -> int | None:
        """Return the number in a file, or nothing where there is no file or no limit."""
        try:
            return int(path.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def used(self, name: str) -> int:
        """Return how much of a limit is taken already, where the kernel or its files tell."""
        if name == "fs.inotify.max_user_instances":
            return sum(1 for link in self._descriptors() if link == "anon_inode:inotify")
        if name == "fs.file-max":
            return self.number(self.sysctl("fs.file-nr")) or 0
        if name in ("kernel.pid_max", "kernel.threads-max"):
            loads = (self.root / "proc/loadavg").read_text().split()
            return int(loads[3].partition("/")[2])
        if name == "net.netfilter.nf_conntrack_max":
            return self.number(self.sysctl("net.netfilter.nf_conntrack_count")) or 0
        return 0

    def _descriptors(self) -> Iterator[str]:
        for process in (self.root / "proc").glob("[0-9]*/fd"):
            try:
                # The kernel counts by user, and what boots in a container is root here too
                if process.parent.stat().st_uid == 0:
                    yield from (os.readlink(link) for link in process.iterdir())
            except OSError:  # it has ended meanwhile
                continue

    def memory(self) -> int:
        """Return how many bytes may still be taken, by the machine and by the control group that holds us."""
        fields = re.findall(r"^(\w+): +(\d+) kB$", (self.root / "proc/meminfo").read_text(), re.MULTILINE)
        free = [int(dict(fields)["MemAvailable"]) * 1024]
        for limit, usage in (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):
            most, now = (self.number(self.root / "sys/fs/cgroup" / name) for name in (limit, usage))
            if most is not None and now is not None:
                free.append(most - now)
        return min(free)

    def disk(self) -> list[tuple[Path, int, int]]:
        """Return the places that fill up, each with its free bytes and inodes; file systems without a number of inodes have enough."""
        found = []
        for place in self.places:
            there = next(path for path in (place, *place.parents) if path.exists())
            state = os.statvfs(there)
            found.append((place, state.f_bavail * state.f_frsize, state.f_favail if state.f_files else sys.maxsize))
        return found

    def open_files(self) -> int:
        row = re.search(r"^Max open files +\S+ +(\S+)", (self.root / "proc/self/limits").read_text(), re.MULTILINE)
        return sys.maxsize if row is None or row[1] == "unlimited" else int(row[1])

    def processes(self) -> int:
        """Return how many processes the control group that holds us may still start."""
        for limit, usage in (("pids.max", "pids.current"), ("pids/pids.max", "pids/pids.current")):
            most, now = (self.number(self.root / "sys/fs/cgroup" / name) for name in (limit, usage))
            if most is not None and now is not None:
                return most - now
        return sys.maxsize

    def cgroup2(self) -> bool:
        return any(line.split()[-1:] == ["cgroup2"] for line in (self.root / "proc/filesystems").read_text().splitlines())


def lift(machine: Machine, limit: Limit, hosts: int) -> str | None:
    """Raise a limit of the kernel's that so many hosts would reach, or return what is to be done."""
    path = machine.sysctl(limit.name)
    now = machine.number(path)
    need = limit.machine + machine.used(limit.name) + hosts * limit.host
    if now is None or now >= need:
        return None
    wanted = max(limit.generous, need)
    try:
        path.write_text(f"{wanted}\n")
    except OSError:
        pass
    if (machine.number(path) or 0) >= need:
        print(f"raised {limit.name} from {now} to {wanted}")
        return None
    return f"{limit.name} is {now}, and {hosts} hosts beside what runs here need {need}, or they never boot: sysctl -w {limit.name}={wanted}"


def missing(machine: Machine, hosts: int, emulated: int = 0, path: str = os.environ.get("PATH", os.defpath), root: bool | None = None) -> list[str]:
    """Return a sentence for everything that keeps this machine from carrying so many more hosts, each with its remedy."""
    found = []
    if not (os.geteuid() == 0 if root is None else root):
        found.append("containers with a booted systemd are started by root here: run make as root")
    for command, package in COMMANDS.items():
        if shutil.which(command, path=path) is None:
            found.append(f"{command} is not installed: apt-get install {package}")
    if not machine.cgroup2():
        found.append("this kernel has no control groups of version 2, without which no systemd boots in a container: take another kernel")
    found += [sentence for limit in KERNEL if (sentence := lift(machine, limit, hosts))]
    if machine.open_files() < OPEN_FILES:
        found.append(f"a process may open {machine.open_files()} files here, and a balancer needs {OPEN_FILES}: ulimit -Hn {OPEN_FILES} or more")
    processes = 512 + hosts * 256
    if machine.processes() < processes:
        found.append(f"this control group may start {machine.processes()} processes more, and {hosts} hosts need {processes}: raise its pids.max")
    memory = MACHINE_MEMORY + hosts * HOST_MEMORY + emulated * EMULATED_MEMORY
    if machine.memory() < memory:
        found.append(f"{machine.memory() // MIB} MiB of memory are left, and {hosts} hosts need {memory // MIB}: stop something, or start fewer hosts")
    disk, inodes = MACHINE_DISK + hosts * HOST_DISK + emulated * EMULATED_DISK, MACHINE_INODES + hosts * HOST_INODES
    for place, free, files in machine.disk():
        if free < disk:
            found.append(f"{free // MIB} MiB are left on the disk of {place}, and {hosts} hosts with their images need {disk // MIB}: make room")
        if files < inodes:
            found.append(f"{files} inodes are left on the disk of {place}, and {hosts} hosts with their images need {inodes}: make room")
    return found


def main() -> int:
    hosts, emulated = (int(number) for number in (*sys.argv[1:], "0")[:2])
    found = missing(Machine(), hosts + emulated, emulated)
    for sentence in found:
        print(f"{hosts + emulated} hosts cannot be started: {sentence}.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
