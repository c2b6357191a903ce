# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places that the bundle cannot be written to, and material that cannot be read: what is there stays. Needs root, for its mounts."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import house
from ansible_collections.webcallserver.balancer.tests.support.bundle.running import on_disk, run

OLD = b"whatever was served before\n"
NOBODY = 65534


@pytest.fixture
def small(tmp_path):
    """A file system of 64 KiB with a bundle on it."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(folder)], check=True)
    (folder / "example.com.pem").write_bytes(OLD)
    yield folder / "example.com.pem"
    subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def nobody():
    """Be a user who may do little."""
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def shared():
    """A directory that everybody can reach, which the temporary directories of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.parametrize("backup", [False, True])
def test_full(backup, small, tmp_path):
    options = on_disk(tmp_path, house().given(path=str(small), backup=backup))
    with contextlib.suppress(OSError), open(small.parent / "filling", "wb", buffering=0) as stream:
        while True:
            stream.write(b"#" * 512)
    assert run(options)["msg"] == f"{small} cannot be written: No space left on device: free some room on its file system."
    assert small.read_bytes() == OLD
    assert sorted(os.listdir(small.parent)) == ["example.com.pem", "filling"]
    (small.parent / "filling").unlink()
    assert run(options)["changed"] is True


@pytest.mark.parametrize("check", [False, True])
def test_read_only(check, small, tmp_path):
    options = on_disk(tmp_path, house().given(path=str(small)))
    subprocess.run(["mount", "-o", "remount,ro", str(small.parent)], check=True)
    assert run(options, check=check)["msg"] == f"{small.parent} cannot be written to: the bundle cannot be made there."
    assert small.read_bytes() == OLD


def test_read_only_and_nothing_to_do(small, tmp_path):
    options = on_disk(tmp_path, house().given(path=str(small)))
    run(options)
    subprocess.run(["mount", "-o", "remount,ro", str(small.parent)], check=True)
    for check in (False, True):
        assert run(options, check=check)["changed"] is False


@pytest.mark.parametrize("check", [False, True])
def test_somebody_elses_directory(check, shared):
    options = on_disk(shared, house().given(path=str(shared / "certs" / "example.com.pem")))
    (shared / "certs").mkdir(mode=0o755)
    (shared / "certs" / "example.com.pem").write_bytes(OLD)
    with nobody():
        result = run(options, check=check)
    assert result["msg"] == f"{shared}/certs cannot be written to: the bundle cannot be made there."
    assert (shared / "certs" / "example.com.pem").read_bytes() == OLD


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("option", ["certificate", "chain", "private_key"])
def test_unreadable_material(option, check, shared):
    options = on_disk(shared, house().given(path=str(shared / "certs" / "example.com.pem")))
    (shared / "certs").mkdir()
    os.chown(shared / "certs", NOBODY, NOBODY)
    os.chmod(options[option], 0o600)
    with nobody():
        result = run(options, check=check)
    assert result["msg"] == f"{options[option]} cannot be read: Permission denied."
    assert os.listdir(shared / "certs") == []
