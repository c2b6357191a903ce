# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions, without any archive or directory."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._release import (
    Member,
    ReleaseError,
    Site,
    examine,
    extended,
    find,
    identity,
    origin,
    plan,
    settle,
    unpack,
    version,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

WEBSDK = [Member("p", "directory"), Member("p/flashphoner.js", "file", 5), Member("p/examples/page.html", "file", 5)]


def test_a_plan_names_what_is_unpacked_and_where():
    extra = [Member("README", "file"), Member("p/./a", "symlink", target="examples"), Member("p/b", "hardlink", target="./p/flashphoner.js")]
    assert plan([*WEBSDK, *extra]) == ("p", ("a", "examples"), {1: ("b", "flashphoner.js"), 2: ("examples/page.html", "a/page.html")})


def test_a_negative_size_does_not_make_room_for_another():
    with pytest.raises(ReleaseError, match="unpacks to more than"):
        plan([*WEBSDK, Member("p/a", "file", -1)])


def test_ways_that_are_long_and_many_are_refused_before_they_are_walked():
    deep = "/".join(["p", *"abcdefghijklmnopqrstuvwxyzabcd"])
    began = time.process_time()
    with pytest.raises(ReleaseError, match="directories on their ways"):
        plan([*WEBSDK, *(Member(f"{deep}/{number}", "file") for number in range(6000))])
    assert time.process_time() - began < 2


SIZES = st.integers(0, 3)
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


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"", {}),
        (b"12 path=abc\n", {"path": "abc"}),
        (b"12 path=a=c\n11 size=10\n", {"path": "a=c", "size": "10"}),
        (b"12 path=\xff\na\n", {"path": "\udcff\na"}),
        (b"8 path=\n", {"path": ""}),
    ],
)
def test_extended_headers(data, records):
    assert extended(data) == records


@pytest.mark.parametrize(
    "data",
    [
        *(b"path=abc\n", b"0 path=abc\n", b"-1 a=b\n", b"99 path=abc\n", b"12 path=abcd", b"6 path\n", b"3 \n", b"1 a=b\n", b" 12 a=b\n", b"1_2 path=abc\n"),
        *(b"1" * 5000, b"9" * 11 + b" a=b\n", b"\0" * 512, b"12 path=abc\n\0\0", b"\xd9\xa1 a=b\n"),
    ],
)
def test_extended_headers_that_are_refused(data):
    with pytest.raises(ReleaseError, match="an extended header that cannot be read"):
        extended(data)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a.tgz", "https://example.com/a.tgz"),
        ("http://user:secret@example.com:8000/a.tgz?token=secret#secret", "http://example.com:8000/a.tgz"),
        ("file:///x.tar.gz", "file:///x.tar.gz"),
        ("ftp://secret@h/x", "ftp://h/x"),
        ("http://user:sec@ret@h/x", "http://h/x"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://[::1/x?secret", "http://[::1/x"),
        ("http://secret@[::1/x", "http://[::1/x"),
        ("http://h/\x1b[2J\nx", "http://h/?[2J?x"),
        ("", ""),
        ("/root/x.tgz", "/root/x.tgz"),
        ("example.com/x.tgz", "example.com/x.tgz"),
        ("C:\\x.tgz", "C:\\x.tgz"),
        ("http:/h/x.tgz", "http:/h/x.tgz"),
        ("https://h/@scope/x.tgz", "https://h/@scope/x.tgz"),
        ("http://u:secret#@h/x", "http://h/x"),
    ],
)
def test_an_address_is_shown_as_it_was_given_but_for_its_secrets(url, shown):
    assert origin(url) == shown


@pytest.mark.parametrize(
    ("prefix", "package", "expected"),
    [
        ("package", b'{"name": "x", "version": "2.0.276"}', "2.0.276"),
        ("package", b'{"version":"2.0.276-beta.1+5"}', "2.0.276-beta.1+5"),
        ("release/flashphoner-api-2.0.206", b"", "2.0.206"),
        ("flashphoner-api-2.0.206-7d9863ae4de631a5", b"not JSON", "2.0.206"),
        ("package", b'{"version": "../../etc"}', ""),
        ("package", b'{"version": "2.0/.."}', ""),
        ("package", b"\xff\xfe", ""),
        ("", b"", ""),
    ],
)
def test_version(prefix, package, expected):
    assert version(prefix, package) == expected


DIGEST = "55246447fa52" + "0" * 52


@pytest.mark.parametrize("number", ["2.0.276", "2.0.276-beta.1", ""])
def test_a_release_is_found_by_its_checksum(number):
    name = identity(number, DIGEST)
    assert find(["1.0-abcabcabcabc", name], DIGEST) == name
    assert find(["1.0-abcabcabcabc", name], "1" + DIGEST[1:]) == ""


@pytest.mark.parametrize(
    ("current", "releases", "wanted", "keep", "expected"),
    [
        ("", "", "a", 3, ("a", "a")),
        ("a", "a", "b", 3, ("b", "ba")),
        ("c", "cba", "d", 3, ("d", "dcb")),
        ("c", "cba", "a", 3, ("a", "cba")),
        ("c", "cba", "a", 2, ("a", "ca")),
        ("c", "cba", "a", 1, ("a", "a")),
        ("", "cba", "b", 9, ("b", "cba")),
    ],
)
def test_settle(current, releases, wanted, keep, expected):
    assert settle(Site(current, tuple(releases)), wanted, keep) == Site(expected[0], tuple(expected[1]))
