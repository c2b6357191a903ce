# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of a text. What HAProxy makes of the same texts is in tests/integration/bundle."""

from __future__ import annotations

import time

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._pem import LARGEST, Material, PemError, blocks, split
from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import house
from ansible_collections.webcallserver.balancer.tests.support.bundle.forms import FORMS


def whole() -> bytes:
    h = house()
    return h.leaf.pem + h.chain + h.leaf.key


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_forms(form):
    text = form.make(house())
    if not form.read:
        with pytest.raises(PemError):
            split(text.decode("latin-1"), "the file")
        return
    assert [block.pem for block in split(text.decode("latin-1"), "the file")] == [block.pem for block in split(whole().decode(), "the file")]


def test_blocks_say_where_they_come_from():
    assert {block.origin for block in split(whole().decode(), "chain (FILE)")} == {"chain (FILE)"}


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN CERTIFICATE-----\n" * 35000,
        b"-----BEGIN CERTIFICATE-----A-----END CERTIFICATE-----" * 18000,
        b"-----END CERTIFICATE-----" * 40000,
        b"-----END CERTIFICATE-----\n" * 40000,
        b"# -----BEGIN CERTIFICATE-----\n" * 34000,
        b"-" * LARGEST,
        b" " * (LARGEST - 1) + b"x",
        b"\n" * (LARGEST - 1) + b"x",
        b"-----BEGIN " + b"A" * (LARGEST - 20),
        b"\x30" * LARGEST,
    ],
    ids=lambda text: repr(text[:30]),
)
def test_large_nonsense_takes_no_time(text):
    assert len(text) <= LARGEST
    begin = time.process_time()
    with pytest.raises(PemError):
        blocks(Material("certificate", "FILE", "certificate", text))
    assert time.process_time() - begin < 2
