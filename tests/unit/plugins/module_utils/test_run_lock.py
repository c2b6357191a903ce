# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims of runs on hosts: whose counts, which ends, and what a broken file means."""

from __future__ import annotations

import os

import pytest
from ansible_collections.webcallserver.balancer.plugins.action import run_lock
from ansible_collections.webcallserver.balancer.plugins.module_utils._run_lock import LEASE, Claim, gives_way, in_the_way, parse, render

OURS = Claim("boot ns 10 500", "me", 1000.0)
THEIRS = Claim("boot ns 11 600", "them", 1001.0, heard=50.0)


@pytest.mark.parametrize(
    ("held", "now", "dead", "counts"),
    [
        (None, 60, "", False),
        (THEIRS, 60, "", True),
        (OURS._replace(heard=50), 60, "", False),
        (THEIRS, 60, THEIRS.run, False),
        (THEIRS, 60, "another", True),
        (THEIRS, 50 + LEASE - 1, "", True),
        (THEIRS, 50 + LEASE, "", False),
        # Left from before the host's last start
        (THEIRS, 10, "", False),
    ],
)
def test_whose_claim_counts(held, now, dead, counts):
    assert in_the_way(held, OURS, now, dead) is counts


def test_of_two_that_meet_the_later_one_gives_way():
    assert gives_way(THEIRS, OURS)
    assert not gives_way(OURS, THEIRS)
    twin = OURS._replace(run="boot ns 9 400")
    assert gives_way(twin, OURS) != gives_way(OURS, twin)


def test_a_claim_is_read_as_it_was_written():
    assert parse(render(THEIRS)) == THEIRS


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"null", b"[]", b'"x"', b'{"run": 1}', b"\xff\xfe", b"[" * 4096, b'{"run": "a", "who": "b", "begun": "x", "heard": 1}', render(THEIRS)[:20]],
)
def test_what_is_no_claim_is_none(data):
    assert parse(data) is None


@pytest.mark.parametrize(
    "run",
    ["", "x", "elsewhere pid:[1] 1 5", f"{run_lock.place()} {os.getpid()} ", f"{run_lock.place()} x 5"],
    ids=["nothing", "a word", "another place", "no start", "no number"],
)
def test_of_a_run_elsewhere_nobody_knows_whether_it_has_ended(run):
    assert not run_lock.has_ended(run)


def test_a_number_that_another_process_has_now_is_no_life():
    assert run_lock.has_ended(f"{run_lock.place()} {os.getpid()} 1")
