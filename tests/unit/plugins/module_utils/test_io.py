# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and replacing files: what is refused, and what somebody who watches the directory can see."""

from __future__ import annotations

import os
import resource
import stat

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.webcallserver.balancer.plugins.module_utils._io import LARGEST, FileError, read, write


@pytest.fixture(name="module")
def fixture_module():
    with patch_module_args():
        yield AnsibleModule(argument_spec={})


@pytest.fixture(name="umask")
def fixture_umask():
    before = os.umask(0o022)
    yield 0o022
    os.umask(before)


def mode_of(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_read(tmp_path):
    file = tmp_path / "file"
    assert read(str(file)) is None
    (tmp_path / "dangling").symlink_to(file)
    assert read(str(tmp_path / "dangling")) is None
    file.write_bytes(b"\xff\r\n")
    assert read(str(file)) == read(str(tmp_path / "dangling")) == b"\xff\r\n"


def test_what_is_no_file_is_refused_in_one_sentence(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"x" * (LARGEST + 1))
    (tmp_path / "loop").symlink_to("loop")
    for path, message in (
        (tmp_path, f"{tmp_path} is a directory: name the file itself."),
        (tmp_path / "fifo", f"{tmp_path}/fifo is not a regular file."),
        (tmp_path / "large", f"{tmp_path}/large is larger than 4 MiB: that is not a file of this kind."),
        (tmp_path / "loop", f"{tmp_path}/loop cannot be read: Too many levels of symbolic links."),
        (tmp_path / "large" / "x", f"{tmp_path}/large/x cannot be read: Not a directory."),
    ):
        with pytest.raises(FileError) as problem:
            read(str(path))
        assert str(problem.value) == message


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o644), (0o600, 0o600), (0o640, 0o640)])
def test_a_new_file(tmp_path, module, umask, mode, expected):
    path = tmp_path / "file"
    assert write(module, str(path), b"new", mode=mode, backup=True) == ""
    assert path.read_bytes() == b"new"
    assert mode_of(path) == expected
    assert os.listdir(tmp_path) == ["file"]
    assert os.umask(umask) == umask


@pytest.mark.parametrize(("old", "mode", "expected"), [(0o640, None, 0o640), (0o606, None, 0o606), (0o644, 0o600, 0o600), (0o600, 0o640, 0o640)])
def test_an_existing_file(tmp_path, module, umask, old, mode, expected):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    owner = 4711 if os.getuid() == 0 else os.getuid()
    os.chown(path, owner, -1)
    path.chmod(old)
    backup = write(module, str(path), b"new", mode=mode, backup=True)
    assert path.read_bytes() == b"new"
    assert open(backup, "rb").read() == b"old"
    assert mode_of(path) == mode_of(backup) == expected
    assert os.stat(path).st_uid == os.stat(backup).st_uid == owner
    assert sorted(os.listdir(tmp_path)) == sorted(["file", os.path.basename(backup)])
    assert os.umask(umask) == umask


def test_the_new_file_is_complete_and_private_before_it_takes_its_place(tmp_path, module, umask, monkeypatch):
    path = tmp_path / "file"
    seen = []

    def spy(source, target, **_options):
        seen.append((open(source, "rb").read(), mode_of(source), os.path.dirname(source)))
        os.rename(source, target)

    monkeypatch.setattr(module, "atomic_move", spy)
    write(module, str(path), b"new")
    assert seen == [(b"new", 0o600, str(tmp_path))]


def test_a_link_stays_a_link(tmp_path, module):
    (tmp_path / "a").mkdir()
    target, link = tmp_path / "a" / "file", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    assert os.path.dirname(write(module, str(link), b"new", backup=True)) == str(tmp_path / "a")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_no_directory(tmp_path, module):
    with pytest.raises(FileError, match="^.*/none/file cannot be written: No such file or directory.$"):
        write(module, str(tmp_path / "none" / "file"), b"new")


def test_no_room(tmp_path, module, umask):
    """The system refuses to let the file grow; the old one stays, and nothing else."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(FileError, match="/file cannot be written: File too large.$"):
            write(module, str(path), b"x" * 100_000, backup=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
    assert os.umask(umask) == umask
