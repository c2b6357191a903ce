# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions, without any archive or directory."""

from __future__ import annotations

import posixpath

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._release import (
    Entry,
    Member,
    ReleaseError,
    Site,
    find,
    identity,
    plan,
    settle,
    version,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

WEBSDK = [Member("p", "directory"), Member("p/flashphoner.js", "file", 5), Member("p/examples/page.html", "file", 5)]


def test_a_plan_names_what_is_unpacked_and_where():
    extra = [Member("README", "file"), Member("p/./a", "symlink", target="examples"), Member("p/b", "hardlink", target="./p/flashphoner.js")]
    assert plan([*WEBSDK, *extra]) == (
        "p",
        {
            "p/flashphoner.js": Entry("flashphoner.js", "file"),
            "p/examples/page.html": Entry("examples/page.html", "file"),
            "p/./a": Entry("a", "symlink", "examples"),
            "p/b": Entry("b", "hardlink", "flashphoner.js"),
        },
    )


def test_a_negative_size_does_not_make_room_for_another():
    with pytest.raises(ReleaseError, match="unpacks to more than"):
        plan([*WEBSDK, Member("p/a", "file", -1)])


NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(lambda parts: "/".join(["p", *parts]))
TARGETS = st.lists(st.sampled_from(["..", "..", ".", "a", "b", "c"]), min_size=1, max_size=4).map("/".join)
MEMBERS = st.builds(Member, NAMES, st.sampled_from(["file", "directory", "symlink", "symlink", "symlink"]), st.just(0), TARGETS)


def resolve(path: str, links: dict[str, str], depth: int = 40) -> str | None:
    """Where a path leads when the links of a release are followed as a kernel does; None for nowhere."""
    done: list[str] = []
    left = path.split("/")
    while left:
        part = left.pop(0)
        if part == "..":
            if not done:
                return None
            done.pop()
        elif part not in ("", "."):
            done.append(part)
            target = links.get("/".join(done))
            if target is not None:
                depth -= 1
                if depth == 0:
                    return ""
                done.pop()
                left = target.split("/") + left
    return "/".join(done)


@settings(max_examples=200, deadline=None)
@given(st.lists(MEMBERS, max_size=4))
@example([Member("p/a", "symlink", target="."), Member("p/b", "symlink", target="a/..")])
def test_no_plan_leads_out_of_the_release(extra):
    try:
        entries = plan([*WEBSDK, *extra]).entries.values()
    except ReleaseError:
        return
    links = {entry.path: entry.target for entry in entries if entry.kind == "symlink"}
    for entry in entries:
        assert entry.path == posixpath.normpath(entry.path) and not entry.path.startswith(("/", "../")) and entry.path not in ("..", ".")
        # No member lies beyond a link, and no link leads out
        assert not any(entry.path.startswith(link + "/") for link in links)
        assert entry.kind != "symlink" or not entry.target.startswith("/") and resolve(entry.path, links) is not None


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
