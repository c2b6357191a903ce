# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs of Ansible: what they leave behind of a key, who may read the bundle meanwhile, and the examples of the documentation."""

from __future__ import annotations

import base64
import ctypes
import os
import select
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.webcallserver.balancer.plugins.modules import pem_bundle
from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import House, house
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
FILES = {"certificate": "{in}/example.com.crt", "chain": "{in}/ca.crt", "private_key": "{in}/example.com.key"}
TEXTS = {f"{name}_content": "{{ lookup('ansible.builtin.file', '%s') }}" % path for name, path in FILES.items()}


class Site:
    """A controller and its only host, with everything that Ansible writes below one directory."""

    def __init__(self, folder: Path, h: House) -> None:
        self.folder = folder
        self.material, self.certs = folder / "in", folder / "certs"
        for path in (self.material, self.certs, folder / "home", folder / "tmp"):
            path.mkdir(mode=0o700)
        given = {
            "example.com.crt": h.leaf.pem,
            "ca.crt": h.chain,
            "example.com.key": h.leaf.key,
            "fullchain.pem": h.leaf.pem + h.chain,
            "privkey.pem": h.leaf.key,
        }
        for name, data in given.items():
            (self.material / name).write_bytes(data)

    def play(self, tasks: list, *options: str, **environment: str) -> subprocess.CompletedProcess:
        handlers = [{"name": "Reload haproxy", "ansible.builtin.debug": {"msg": "reloaded"}}]
        play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks, "handlers": handlers}
        (self.folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        paths = {
            "HOME": f"{self.folder}/home",
            "TMPDIR": f"{self.folder}/tmp",
            "ANSIBLE_HOME": f"{self.folder}/home/.ansible",
            "ANSIBLE_REMOTE_TEMP": f"{self.folder}/home/remote",
            "ANSIBLE_LOG_PATH": f"{self.folder}/home/ansible.log",
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        command = [str(PLAYBOOK), "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", *options]
        return subprocess.run(
            [*command, str(self.folder / "play.yml")],
            cwd=self.folder,
            env={**os.environ, **paths, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def bundle(self, arguments: dict, **more) -> dict:
        filled = {name: value.replace("{in}", str(self.material)) if isinstance(value, str) else value for name, value in arguments.items()}
        options = {"path": str(self.certs / "example.com.pem"), "domain": "example.com", **filled}
        return {"name": "Make the bundle", "webcallserver.balancer.pem_bundle": options, **more}

    def holding(self, key: bytes) -> list[Path]:
        """Every file, but for those the user gave and asked for, in which there is something of the key."""
        kept = [self.material, self.certs]
        found = [path for path in self.folder.rglob("*") if path.is_file() and not any(folder in path.parents for folder in kept)]
        assert found
        return [path for path in found if traces(key, path.read_bytes())]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, house())


def traces(key: bytes, data: bytes) -> bool:
    """Whether something of a key is in the data: a line of it, its bytes, or these in hexadecimal."""
    lines = key.split(b"\n")[1:-2]
    der = base64.b64decode(b"".join(lines))
    return any(trace in data for trace in (*lines, der, der.hex().encode(), der.hex().upper().encode()))


def test_traces_are_found():
    key = house().leaf.key
    assert traces(key, b"x" + key.split(b"\n")[2] + b"y") and not traces(key, house().stranger.key)


@pytest.mark.parametrize("arguments", [FILES, TEXTS], ids=["files", "texts"])
def test_nothing_of_the_key_is_left_behind(arguments, site):
    runs = [
        site.play([site.bundle(arguments)], "-vvvv", "--diff", "--check"),
        site.play([site.bundle(arguments)], "-vvvv", "--diff"),
        site.play([site.bundle(arguments)], "-vvvv", "--diff"),
        site.play([site.bundle({**arguments, "domain": "example.org"})], "-vvvv", "--diff"),
    ]
    assert [run.returncode for run in runs] == [0, 0, 0, 2]
    assert "changed=1" in runs[0].stdout and "changed=1" in runs[1].stdout and "changed=0" in runs[2].stdout
    assert (site.certs / "example.com.pem").read_bytes() == house().leaf.pem + house().chain + house().leaf.key
    printed = "".join(run.stdout + run.stderr for run in runs).encode()
    assert house().leaf.fingerprint.encode() in printed and b"module_args" in printed
    assert not traces(house().leaf.key, printed)
    assert site.holding(house().leaf.key) == []
    assert (site.folder / "home" / "ansible.log").stat().st_size > 1000


def test_the_key_travels_only_when_it_has_to(site):
    """With ANSIBLE_KEEP_REMOTE_FILES whatever reaches the host stays there: a key given as text is there when the bundle is new, and in no other run."""
    key, bundle, keep = house().leaf.key, site.certs / "example.com.pem", {"ANSIBLE_KEEP_REMOTE_FILES": "1"}
    assert site.play([site.bundle(FILES)], "-vvvv", **keep).returncode == 0
    assert list((site.folder / "home" / "remote").rglob("AnsiballZ_pem_bundle.py"))
    assert site.holding(key) == []
    assert "changed=0" in site.play([site.bundle(TEXTS)], **keep).stdout
    assert site.holding(key) == []
    bundle.unlink()
    assert "changed=1" in site.play([site.bundle(TEXTS)], "--check", **keep).stdout
    assert site.holding(key) == []
    assert "changed=1" in site.play([site.bundle(TEXTS)], **keep).stdout
    (kept,) = site.holding(key)
    assert kept.name == "AnsiballZ_pem_bundle.py"
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    # As if the host had lost its power then, two minutes ago.
    os.utime(kept, (time.time() - 120,) * 2)
    assert "changed=0" in site.play([site.bundle(TEXTS)]).stdout
    assert site.holding(key) == []


def test_texts_are_verified_before_the_host_is_asked(site):
    """A host that cannot even run Python: the sentence is about the certificate."""
    run = site.play([site.bundle({**TEXTS, "domain": "example.org"})], "-e", "ansible_python_interpreter=/nowhere/python3")
    assert "is not for example.org but for example.com" in run.stdout
    run = site.play([site.bundle({**TEXTS, "mode": "0644"})])
    assert "value of mode must be one of" in run.stdout and not (site.certs / "example.com.pem").exists()
    run = site.play([site.bundle({**TEXTS, "misspelt": "x"})])
    assert "misspelt" in run.stdout and not (site.certs / "example.com.pem").exists()


def test_what_the_controller_knows_is_in_the_result(site):
    tasks = [site.bundle(TEXTS, register="made"), {"ansible.builtin.debug": {"msg": "{{ made.fingerprint }} {{ made.chain[1].subject }} {{ made.days_left }}"}}]
    for _run in range(2):
        assert f"{house().leaf.fingerprint} CN=Upper 89" in site.play(tasks).stdout


def test_a_diff_of_texts(site):
    """What was there is told by the host, what comes by the controller, in check mode as well."""
    (site.certs / "example.com.pem").write_bytes(house().server(days=(-1, 60)).pem)
    for options in (["--diff", "--check"], ["--diff"]):
        shown = site.play([site.bundle(TEXTS)], *options).stdout
        for issued, sign in ((house().server(days=(-1, 60)), "-"), (house().leaf, "+")):
            assert f"{sign}fingerprint: {issued.fingerprint}" in shown
        assert not traces(house().leaf.key, shown.encode())
    assert "fingerprint" not in site.play([site.bundle(TEXTS)], "--diff").stdout


class Observer(threading.Thread):
    """Looks at all files of a directory whenever inotify reports anything there, and keeps the modes it saw."""

    EVENTS = 0x00000FFF
    NONBLOCK = 0o4000

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.seen, self.events, self.done = folder, set(), 0, threading.Event()
        library = ctypes.CDLL(None, use_errno=True)
        self.descriptor = library.inotify_init1(self.NONBLOCK)
        assert library.inotify_add_watch(self.descriptor, os.fsencode(folder), self.EVENTS) > 0

    def run(self) -> None:
        while not self.done.is_set():
            if select.select([self.descriptor], [], [], 0.05)[0]:
                os.read(self.descriptor, 65536)
                self.events += 1
                self.look()
        os.close(self.descriptor)

    def look(self) -> None:
        with os.scandir(self.folder) as entries:
            for entry in entries:
                try:
                    self.seen.add((entry.name, stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)))
                except FileNotFoundError:
                    continue

    def __enter__(self) -> Observer:
        self.start()
        return self

    def __exit__(self, *failure) -> None:
        time.sleep(0.2)
        self.done.set()
        self.join()

    @property
    def wide(self) -> set:
        return {(name, mode) for name, mode in self.seen if mode & 0o177}


def test_inotify_sees_nothing_wider_than_its_owner(site):
    """The renewal alternates between two certificates, so that every run replaces the bundle and keeps a copy."""
    tasks = [site.bundle({name: value.replace("{in}", "{in}/{{ item }}") for name, value in FILES.items()}, loop=["a", "b"] * 3)]
    tasks[0]["webcallserver.balancer.pem_bundle"]["backup"] = True
    for name, leaf in (("a", house().leaf), ("b", house().server(days=(-1, 180)))):
        (site.material / name).mkdir()
        for file, data in (("example.com.crt", leaf.pem), ("ca.crt", house().chain), ("example.com.key", leaf.key)):
            (site.material / name / file).write_bytes(data)
    umask = os.umask(0o022)
    try:
        with Observer(site.certs) as observer:
            # A temporary file is gone in no time, and a busy machine may look too late: then once more
            for turn in range(1, 10):
                done = site.play(tasks)
                assert done.returncode == 0, done.stdout
                time.sleep(0.2)
                names = {name for name, _mode in observer.seen.copy()}
                # The first bundle there was has no copy
                assert sum(name.endswith("~") for name in names) == 6 * turn - 1
                if any(name.startswith(".ansible_tmp") for name in names):
                    break
            else:
                pytest.fail("no temporary file was ever seen")
    finally:
        os.umask(umask)
    assert observer.events > 20
    assert observer.wide == set()


def test_inotify_sees_what_is_wide(site):
    with Observer(site.certs) as observer:
        (site.certs / "wide.pem").touch(mode=0o644)
        time.sleep(0.2)
        (site.certs / "wide.pem").chmod(0o600)
    assert observer.wide == {("wide.pem", 0o644)}


def test_examples(site):
    text = pem_bundle.EXAMPLES
    for folder, here in (("/etc/letsencrypt/live/example.com", site.material), ("/etc/haproxy/certs", site.certs), ("/root", site.material)):
        text = text.replace(folder, str(here))
    for name in ("example.com.crt", "ca.crt"):
        text = text.replace(f"'{name}'", f"'{site.material}/{name}'")
    tasks = yaml.safe_load(text)
    variables = ["-e", f"@{site.folder}/vault.yml"]
    (site.folder / "vault.yml").write_text(yaml.safe_dump({"vault_example_com_key": house().leaf.key.decode()}))
    first = site.play(tasks, *variables)
    assert first.returncode == 0, first.stdout
    # The first task makes the bundle; the others find it made, whichever way they are given the same.
    assert "changed=1 " in first.stdout and "RUNNING HANDLER [Reload haproxy]" in first.stdout
    assert "changed=0" in site.play(tasks, *variables).stdout
