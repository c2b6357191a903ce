# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives beside the tar of the distribution: those that it makes, and what it makes of ours."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils import _release
from ansible_collections.webcallserver.balancer.plugins.module_utils._release import Member, ReleaseError, examine, unpack
from ansible_collections.webcallserver.balancer.plugins.modules import websdk_release
from ansible_collections.webcallserver.balancer.tests.support import modules, websdk
from hypothesis import example, given, settings
from hypothesis import strategies as st

WEBSDK = [Member("p", "directory"), Member("p/flashphoner.js", "file", 5), Member("p/examples/page.html", "file", 5)]
NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(lambda parts: "/".join(["p", *parts]))
TARGETS = st.lists(st.sampled_from(["..", "..", ".", "a", "b", "c", "examples", "flashphoner.js"]), min_size=1, max_size=4).map("/".join)
MEMBERS = st.one_of(
    st.builds(Member, NAMES, st.sampled_from(["file", "directory"]), st.just(0)),
    st.builds(Member, NAMES, st.just("symlink"), st.just(0), TARGETS),
    st.builds(Member, NAMES, st.just("hardlink"), st.just(0), NAMES),
)
TYPES = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}


def packed(members):
    """An archive of members, each file with its number as its content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for number, member in enumerate(members):
            info = tarfile.TarInfo(member.name)
            content = f"{number}".encode() if member.kind == "file" else b""
            info.type, info.linkname, info.size, info.mode = TYPES[member.kind], member.target, len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return stream


def contents(root):
    """Every file below a directory, links followed as the kernel does."""
    return {
        os.path.relpath(os.path.join(directory, name), root): Path(directory, name).read_bytes() for directory, _inner, names in os.walk(root) for name in names
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(MEMBERS, max_size=5, unique_by=lambda member: member.name))
@example([Member("p/a", "symlink", target="."), Member("p/b", "symlink", target="a/..")])
@example([Member("p/a/b", "directory"), Member("p/c", "symlink", target="a/b"), Member("p/b", "symlink", target="c/../../flashphoner.js")])
@example([Member("p/a/b", "directory"), Member("p/c", "symlink", target="a/b/.."), Member("p/a/b/c", "symlink", target="../../c/b")])
@example([Member("p/a", "symlink", target="flashphoner.js"), Member("p/b/c", "hardlink", target="p/a")])
def test_what_is_unpacked_has_no_links_and_is_what_tar_would_have_made(extra):
    """The oracle is tar itself, and the kernel, which follows what tar unpacked."""
    stream = packed([*WEBSDK, *extra])
    with tempfile.TemporaryDirectory() as scratch:
        ours, theirs = Path(scratch, "ours"), Path(scratch, "theirs")
        ours.mkdir()
        theirs.mkdir()
        try:
            chosen, _version = examine(stream)
        except ReleaseError:
            return
        unpack(stream, chosen, str(ours))
        entries = [Path(directory, name) for directory, directories, files in os.walk(ours) for name in (*directories, *files)]
        assert not any(path.is_symlink() for path in entries)
        stream.seek(0)
        # A hard link that comes before what it names is an error to tar, and not to us
        if subprocess.run(["tar", "-xz", "-C", theirs], input=stream.read(), capture_output=True, check=False).returncode == 0:
            seen = {path.relative_to(ours) for path in entries}
            expected = {path.relative_to(theirs / "p") for path in (theirs / "p").rglob("*") if path.exists()}
            # rglob does not enter links, what we have below them is compared by its content
            assert expected <= seen
            for path, content in contents(ours).items():
                assert (theirs / "p" / path).read_bytes() == content


def deploy(tmp_path, archive, check=False):
    options = {"path": str(tmp_path / "site"), "src": str(archive), "sha256": websdk.sha256(archive), "_ansible_remote_tmp": str(tmp_path)}
    return modules.run(websdk_release, options, check)


@pytest.mark.parametrize("tar_format", ["gnu", "pax", "ustar", "v7"])
def test_archives_of_gnu_tar_in_all_its_formats(tmp_path, tar_format):
    home = tmp_path / "websdk"
    for name, content in websdk.FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    os.link(home / "flashphoner.js", home / "same.js")
    (home / "link.js").symlink_to("same.js")
    long = home.joinpath(*(["a-long-directory"] * (3 if tar_format == "v7" else 12)))
    long.mkdir(parents=True)
    (long / "a.js").write_bytes(b"a")
    subprocess.run(["tar", f"--format={tar_format}", "-C", tmp_path, "-czf", tmp_path / "a.tgz", "websdk"], check=True)
    site = tmp_path / "site"
    assert deploy(tmp_path, tmp_path / "a.tgz")["changed"]
    for name in ("flashphoner.js", "same.js", "link.js"):
        assert (site / "wcs" / name).read_bytes() == websdk.FILES["flashphoner.js"]
    assert [path.read_bytes() for path in (site / "wcs").rglob("a.js")] == [b"a"]


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_a_file_of_holes_is_refused_and_the_site_stays(tmp_path, monkeypatch, check):
    """The archive says its size, and does not contain it."""
    monkeypatch.setattr(_release, "LARGEST_RELEASE", 2 * 1024 * 1024)
    deploy(tmp_path, websdk.pack(tmp_path / "websdk.tgz"))
    before = websdk.snapshot(tmp_path / "site")
    (tmp_path / "bad" / "examples").mkdir(parents=True)
    (tmp_path / "bad" / "examples" / "bomb").touch()
    os.truncate(tmp_path / "bad" / "examples" / "bomb", 3 * 1024 * 1024)
    (tmp_path / "bad" / "flashphoner.js").touch()
    subprocess.run(["tar", "--sparse", "--format=gnu", "-C", tmp_path, "-czf", tmp_path / "bad.tgz", "bad"], check=True)
    beside = sorted(os.listdir(tmp_path))
    result = deploy(tmp_path, tmp_path / "bad.tgz", check)
    assert result["failed"] and "exception" not in result
    assert result["msg"].startswith(f"{tmp_path}/bad.tgz is refused: ") and "is a sparse file, which no WebSDK contains" in result["msg"]
    assert result["msg"].endswith(".") and "\n" not in result["msg"]
    assert websdk.snapshot(tmp_path / "site") == before
    assert sorted(os.listdir(tmp_path)) == beside
