# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine lacks for so many hosts is raised, or said in a sentence with its remedy, before the first container is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.tests.fleet import limits

ENOUGH = {
    "proc/sys/fs/inotify/max_user_instances": "1024",
    "proc/sys/fs/inotify/max_user_watches": "524288",
    "proc/sys/fs/file-max": "2000000",
    "proc/sys/fs/file-nr": "5000\t0\t2000000",
    "proc/sys/kernel/pid_max": "4194304",
    "proc/sys/kernel/threads-max": "190000",
    "proc/sys/kernel/keys/root_maxkeys": "1000000",
    "proc/sys/net/netfilter/nf_conntrack_max": "262144",
    "proc/sys/net/netfilter/nf_conntrack_count": "7",
    "proc/sys/net/ipv4/neigh/default/gc_thresh3": "1024",
    "proc/sys/net/ipv6/neigh/default/gc_thresh3": "1024",
    "proc/loadavg": "0.10 0.20 0.30 2/345 6789",
    "proc/filesystems": "nodev\tcgroup\nnodev\tcgroup2\n\text4\n",
    "proc/meminfo": "MemTotal:       24000000 kB\nMemFree:         1000000 kB\nMemAvailable:   20000000 kB\n",
    "proc/self/limits": "Max open files            1024                 20000                files     \n",
    "sys/fs/cgroup/memory.max": "max",
    "sys/fs/cgroup/memory.current": "1000000",
    "sys/fs/cgroup/pids.max": "max",
    "sys/fs/cgroup/pids.current": "300",
}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that makes a machine of files, and of a disk with room."""

    def make(files=(), mebibytes=100_000, inodes=10_000_000):
        for name, text in (ENOUGH | dict(files)).items():
            path = tmp_path / "root" / name
            if text is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        for command in limits.COMMANDS:
            (tmp_path / command).write_text("#!/bin/sh\n")
            (tmp_path / command).chmod(0o755)
        state = os.statvfs_result((4096, 4096, 0, 0, mebibytes * 256, 20_000_000, 0, inodes, 0, 255))
        monkeypatch.setattr(limits.os, "statvfs", lambda path: state)
        return limits.Machine(tmp_path / "root", storage=Path("/var/lib/containers"), checkout=tmp_path)

    return make


def missing(machine, tmp_path, hosts=12, root=True):
    return limits.missing(machine, hosts, path=str(tmp_path), root=root)


def test_a_machine_with_enough_lacks_nothing(machine, tmp_path, capsys):
    assert missing(machine(), tmp_path) == []
    assert capsys.readouterr().out == ""


RAISED = {
    "inotify instances": ("fs.inotify.max_user_instances", "128", 1024),
    "inotify watches": ("fs.inotify.max_user_watches", "8192", 524288),
    "open files": ("fs.file-max", "65536", 1048576),
    "processes": ("kernel.pid_max", "6000", 131072),
    "threads": ("kernel.threads-max", "6000", 131072),
    "keys": ("kernel.keys.root_maxkeys", "200", 1000000),
    "connections": ("net.netfilter.nf_conntrack_max", "8192", 262144),
    "neighbours": ("net.ipv4.neigh.default.gc_thresh3", "128", 4096),
    "IPv6 neighbours": ("net.ipv6.neigh.default.gc_thresh3", "128", 4096),
}


@pytest.mark.parametrize(("name", "low", "wanted"), RAISED.values(), ids=RAISED)
def test_a_limit_of_the_kernel_that_twelve_hosts_would_reach_is_raised(machine, tmp_path, capsys, name, low, wanted):
    path = "proc/sys/" + name.replace(".", "/")
    made = machine({path: low})
    assert missing(made, tmp_path) == []
    assert (tmp_path / "root" / path).read_text() == f"{wanted}\n"
    assert capsys.readouterr().out == f"raised {name} from {low} to {wanted}\n"


@pytest.mark.parametrize(("name", "low", "wanted"), RAISED.values(), ids=RAISED)
def test_a_limit_that_cannot_be_raised_is_said_with_the_command_that_does(machine, tmp_path, monkeypatch, name, low, wanted):
    made = machine({"proc/sys/" + name.replace(".", "/"): low})

    def refuse(path, text):
        raise PermissionError(path)

    monkeypatch.setattr(limits.Path, "write_text", refuse)
    (sentence,) = missing(made, tmp_path)
    assert sentence.startswith(f"{name} is {low}, and 12 hosts")
    assert sentence.endswith(f"sysctl -w {name}={wanted}")


def test_a_write_without_effect_is_no_success(machine, tmp_path, monkeypatch):
    made = machine({"proc/sys/fs/inotify/max_user_instances": "128"})
    monkeypatch.setattr(limits.Path, "write_text", lambda path, text: len(text))
    assert "fs.inotify.max_user_instances is 128" in missing(made, tmp_path)[0]


def test_what_the_machine_uses_already_counts(machine, tmp_path):
    made = machine({"proc/sys/fs/inotify/max_user_instances": "400"})
    assert missing(made, tmp_path) == []
    assert (tmp_path / "root/proc/sys/fs/inotify/max_user_instances").read_text() == "400"
    table = tmp_path / "root/proc/77/fd"
    table.mkdir(parents=True)
    for number in range(60):
        (table / str(number)).symlink_to("anon_inode:inotify")
    if os.geteuid() == 0:
        assert missing(made, tmp_path) == []
        assert (tmp_path / "root/proc/sys/fs/inotify/max_user_instances").read_text() == "1024\n"


LACKS = {
    "memory": ({"proc/meminfo": "MemAvailable:  2000000 kB\n"}, {}, "1953 MiB of memory are left, and 12 hosts need 2824: stop something"),
    "memory of the control group": (
        {"sys/fs/cgroup/memory.max": str(2 * 2**30), "sys/fs/cgroup/memory.current": str(2**30)},
        {},
        "1024 MiB of memory are left, and 12 hosts need 2824",
    ),
    "memory of the older control group": (
        {"sys/fs/cgroup/memory/memory.limit_in_bytes": str(2**31), "sys/fs/cgroup/memory/memory.usage_in_bytes": str(2**30)},
        {},
        "1024 MiB of memory are left",
    ),
    "processes of the control group": ({"sys/fs/cgroup/pids.max": "1000"}, {}, "this control group may start 700 processes more, and 12 hosts need 3584"),
    "descriptors": (
        {"proc/self/limits": "Max open files            1024                 4096                files     \n"},
        {},
        "a process may open 4096 files here, and a balancer needs 8192: ulimit -Hn 8192",
    ),
    "control groups": ({"proc/filesystems": "nodev\tcgroup\n\text4\n"}, {}, "this kernel has no control groups of version 2"),
    "disk": ({}, {"mebibytes": 900}, "900 MiB are left on the disk of /var/lib/containers"),
    "inodes": ({}, {"inodes": 5000}, "5000 inodes are left on the disk of /var/lib/containers"),
}


@pytest.mark.parametrize(("files", "disk", "sentence"), LACKS.values(), ids=LACKS)
def test_what_nobody_can_raise_is_said(machine, tmp_path, files, disk, sentence):
    assert missing(machine(files, **disk), tmp_path)[0].startswith(sentence)


def test_an_emulated_machine_takes_memory_and_disk_of_its_own(machine, tmp_path):
    made = machine({"proc/meminfo": "MemAvailable:  3000000 kB\n"}, mebibytes=16000)
    assert limits.missing(made, 3, path=str(tmp_path), root=True) == []
    sentences = limits.missing(made, 3, 2, path=str(tmp_path), root=True)
    assert [sentence.partition(" left")[0] for sentence in sentences] == ["2929 MiB of memory are", "16000 MiB are", "16000 MiB are"]


@pytest.mark.parametrize("command", limits.COMMANDS)
def test_a_command_that_is_not_there_is_named_with_its_package(machine, tmp_path, command):
    made = machine()
    (tmp_path / command).unlink()
    assert missing(made, tmp_path) == [f"{command} is not installed: apt-get install {limits.COMMANDS[command]}"]


def test_it_says_who_may(machine, tmp_path):
    assert missing(machine(), tmp_path, root=False) == ["containers with a booted systemd are started by root here: run make as root"]


def test_a_file_that_a_kernel_does_not_have_is_no_limit(machine, tmp_path):
    made = machine({"proc/sys/net/netfilter/nf_conntrack_max": None, "proc/sys/net/ipv6/neigh/default/gc_thresh3": None, "proc/self/limits": "\n"})
    assert missing(made, tmp_path) == []
