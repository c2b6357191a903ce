# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and replacing files as root does: nobody else leads it to another file, and what cannot be written is known before."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.webcallserver.balancer.plugins.module_utils._io import FileError, read, real_path, rehearse, write


@pytest.fixture(name="module")
def fixture_module():
    with patch_module_args():
        yield AnsibleModule(argument_spec={})


NOBODY = 65534
SECRET = b"of root alone"


@pytest.fixture(name="conf")
def fixture_conf(tmp_path):
    """A directory that another user owns, beside a file of root alone."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "secret").chmod(0o600)
    conf = tmp_path / "conf"
    conf.mkdir()
    os.chown(conf, NOBODY, NOBODY)
    return conf


def owned_link(path, target):
    path.symlink_to(target)
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


TRAPS = {
    "a link": lambda conf: owned_link(conf / "file", "../secret"),
    "an absolute link": lambda conf: owned_link(conf / "file", conf.parent / "secret"),
    "a link of root's in a directory of others": lambda conf: (conf / "file").symlink_to("../secret"),
    "a link to a link": lambda conf: ((conf.parent / "link").symlink_to("secret"), owned_link(conf / "file", "../link")),
    "another name of the file": lambda conf: os.link(conf.parent / "secret", conf / "file"),
    "a directory in place of another": lambda conf: (owned_link(conf / "deep", ".."), (conf.parent / "file").write_bytes(SECRET)),
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
@pytest.mark.parametrize("action", ["read", "rehearse", "write"])
def test_nobody_leads_root_to_a_file_of_roots(conf, module, trap, action):
    trap(conf)
    path = str(conf / "deep" / "file" if (conf / "deep").exists() else conf / "file")
    before = sorted(os.listdir(conf)), sorted(os.listdir(conf.parent))
    with pytest.raises(FileError, match="another user than root may"):
        {"read": lambda: read(path), "rehearse": lambda: rehearse(path, b"x"), "write": lambda: write(module, path, b"x", backup=True)}[action]()
    assert (conf.parent / "secret").read_bytes() == SECRET
    assert (sorted(os.listdir(conf)), sorted(os.listdir(conf.parent))) == before


def test_an_administrators_link_is_followed(tmp_path, conf, module):
    """Owned by root, in a directory of root: nobody else has made it, wherever it leads."""
    (conf / "file").write_bytes(b"a=1")
    os.chown(conf / "file", NOBODY, NOBODY)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "conf").symlink_to("../conf")
    (tmp_path / "etc" / "link").symlink_to("conf/./file")
    path = str(tmp_path / "etc" / ".." / "etc" / "link")
    assert read(path) == b"a=1"
    assert real_path(path) == str(conf / "file")
    write(module, path, b"a=2")
    assert (tmp_path / "etc" / "link").is_symlink()
    assert (conf / "file").read_bytes() == b"a=2"
    assert (conf / "file").stat().st_uid == NOBODY


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_directory_that_others_may_write_into_is_nobodys(tmp_path, mode):
    (tmp_path / "file").write_bytes(b"a=1")
    (tmp_path / "link").symlink_to("file")
    assert read(str(tmp_path / "link")) == b"a=1"
    tmp_path.chmod(mode)
    with pytest.raises(FileError, match="give the link and its directory to root"):
        read(str(tmp_path / "link"))
    tmp_path.chmod(0o1777)
    assert read(str(tmp_path / "link")) == b"a=1"


FIXED = {
    "an immutable file": (["chattr", "+i", "conf/file"], ["chattr", "-i", "conf/file"], "Operation not permitted: see whether lsattr"),
    "a file that only grows": (["chattr", "+a", "conf/file"], ["chattr", "-a", "conf/file"], "Operation not permitted: see whether lsattr"),
    "an immutable directory": (["chattr", "+i", "conf"], ["chattr", "-i", "conf"], "Operation not permitted: see whether lsattr"),
    "a file that is mounted": (["mount", "--bind", "secret", "conf/file"], ["umount", "conf/file"], "busy: it is mounted on its own"),
    "a file system that is read only": (["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "conf"], ["umount", "conf"], "Read-only file system: mount"),
    "a file system that is full": (["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "conf"], ["umount", "conf"], "No space left on device: free some"),
}


@pytest.mark.parametrize(("make", "undo", "message"), FIXED.values(), ids=FIXED)
def test_what_cannot_be_written_is_known_before(tmp_path, conf, module, make, undo, message):
    path = conf / "file"
    path.write_bytes(b"old")
    if subprocess.run(make, cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us")
    try:
        for action in (rehearse, lambda *arguments: write(module, *arguments, backup=True)):
            before = sorted(os.listdir(conf)), conf.stat().st_mtime_ns
            with pytest.raises(FileError, match=message) as problem:
                action(str(path), b"x" * 100_000)
            assert str(problem.value).startswith(f"{path} cannot be written: ") and "\n" not in str(problem.value)
            assert sorted(os.listdir(conf)) == before[0]
    finally:
        subprocess.run(undo, cwd=tmp_path, check=True)


def test_a_file_that_is_mounted_can_be_written_on_a_word(tmp_path, conf, module):
    path = conf / "file"
    path.touch()
    if subprocess.run(["mount", "--bind", "secret", "conf/file"], cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us")
    module.params["unsafe_writes"] = True
    try:
        write(module, str(path), b"new")
        assert (tmp_path / "secret").read_bytes() == b"new"
    finally:
        subprocess.run(["umount", path], check=True)
