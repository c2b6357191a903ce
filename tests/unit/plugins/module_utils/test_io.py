# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and replacing files: what is refused, and what somebody who watches the directory can see."""

from __future__ import annotations

import os
import resource
import socket
import stat

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.webcallserver.balancer.plugins.module_utils import _io
from ansible_collections.webcallserver.balancer.plugins.module_utils._io import BACKUPS, LARGEST, FileError, changed_at, read, write


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


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


NO_FILES = {
    "a directory": (lambda path: path.mkdir(), "{path} is a directory: name the file itself."),
    "a link to a directory": (lambda path: path.symlink_to(path.parent), "{path} is a directory: name the file itself."),
    "a FIFO": (os.mkfifo, "{path} is not a regular file."),
    "a socket": (make_socket, "{path} is not a regular file."),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "{path} is not a regular file."),
    "a huge file": (lambda path: path.write_bytes(b"x" * (LARGEST + 1)), "{path} is larger than 4 MiB: that is not a file of this kind."),
    "a huge hole": (lambda path: (path.touch(), os.truncate(path, 1 << 40)), "{path} is larger than 4 MiB: that is not a file of this kind."),
    "a loop": (lambda path: path.symlink_to(path.name), "{path} cannot be read: Too many levels of symbolic links."),
}


@pytest.mark.parametrize(("make", "message"), NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_file_is_refused_in_one_sentence(tmp_path, make, message):
    path = tmp_path / "file"
    make(path)
    with pytest.raises(FileError) as problem:
        read(str(path))
    assert str(problem.value) == message.format(path=path)


def test_a_file_for_a_directory(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file/x cannot be read: Not a directory.$"):
        read(str(tmp_path / "file" / "x"))


def test_a_file_that_is_exchanged_while_it_is_opened(tmp_path, monkeypatch):
    """What is judged is what was opened, not what was there before."""
    (tmp_path / "file").write_bytes(b"a=1")
    (tmp_path / "secret").write_bytes(b"of root alone")
    look = _io._link

    def exchanged(*arguments):
        found = look(*arguments)
        if arguments[2] == "file":
            (tmp_path / "file").unlink()
            (tmp_path / "file").symlink_to("secret")
        return found

    monkeypatch.setattr(_io, "_link", exchanged)
    with pytest.raises(FileError, match="cannot be read"):
        read(str(tmp_path / "file"))


def test_when_a_file_has_changed(tmp_path):
    assert changed_at(str(tmp_path / "file")) is None
    (tmp_path / "file").touch()
    assert changed_at(str(tmp_path / "file")) == (tmp_path / "file").stat().st_ctime


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


def test_the_new_file_is_complete_before_it_takes_its_place(tmp_path, module, umask, monkeypatch):
    path = tmp_path / "file"
    seen = []

    def spy(place, temporary):
        source = tmp_path / temporary
        seen.append((source.read_bytes(), mode_of(source)))
        os.rename(source, tmp_path / place.name)

    monkeypatch.setattr(_io, "_rename", spy)
    write(module, str(path), b"new")
    assert seen == [(b"new", 0o644)]


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


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path, module, umask):
    before = os.umask(umask)
    try:
        path = tmp_path / "file"
        write(module, str(path), b"1", mode=0o640)
        assert mode_of(path) == 0o640
        assert mode_of(write(module, str(path), b"2", backup=True)) == mode_of(path) == 0o640
    finally:
        os.umask(before)


def test_the_oldest_backup_and_the_newest_are_kept(tmp_path, module):
    path = tmp_path / "file"
    foreign = ["file.1.old~", "other.1.2026-01-01@00:00:00~", "file.bak"]
    for name in foreign:
        (tmp_path / name).touch()
    for day in range(1, 29):
        (tmp_path / f"file.{day * 7919 % 1000}.2025-02-{day:02}@12:00:00~").touch()
    path.write_bytes(b"old")
    newest = write(module, str(path), b"new", backup=True)
    dates = sorted(name.split(".")[2] for name in os.listdir(tmp_path) if name.endswith("~") and name not in foreign)
    assert len(dates) == BACKUPS
    assert dates[0].startswith("2025-02-01") and dates[1].startswith("2025-02-21")
    assert newest.endswith(dates[-1])
    assert set(foreign) <= set(os.listdir(tmp_path))
