# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions, without any archive or directory."""

from __future__ import annotations

import time

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._release import (
    Member,
    ReleaseError,
    Site,
    extended,
    find,
    identity,
    origin,
    plan,
    settle,
    version,
)

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
