# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the bundle that its table does not show."""

from __future__ import annotations

import random
import time
from datetime import timedelta

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._bundle import bundle, described, warnings
from ansible_collections.webcallserver.balancer.plugins.module_utils._pem import Material, PemError, pem
from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import NOW, house, issue, new_key


def material(text: bytes) -> list[Material]:
    return [Material("certificate", "FILE", "certificate", text)]


def whole() -> bytes:
    h = house()
    return h.leaf.pem + h.chain + h.leaf.key


def test_every_order():
    h = house()
    parts = [h.leaf.pem, h.lower.pem, h.upper.pem, h.root.pem, h.leaf.key]
    shuffled = random.Random(1)
    for _turn in range(20):
        shuffled.shuffle(parts)
        assert bundle(material(b"".join(parts)), NOW).data == whole()


def test_its_own_output():
    made = bundle(material(whole()), NOW, "example.com")
    assert made.data == whole()
    assert bundle(material(made.data), NOW).data == made.data


@pytest.mark.parametrize("seconds, refused", [(-1, True), (0, False), (86400 * 91, False), (86400 * 91 + 1, True)])
def test_validity_to_the_second(seconds, refused):
    now = house().leaf.certificate.not_valid_before_utc + timedelta(seconds=seconds)
    if refused:
        with pytest.raises(PemError):
            bundle(material(whole()), now)
    else:
        assert bundle(material(whole()), now)


@pytest.mark.parametrize("lifetime, quiet, warned", [(6, 2.1, 1.9), (45, 14.1, 13.9), (90, 14.1, 13.9), (200, 14.1, 13.9), (30, 10.1, 9.9)])
def test_warns_at_fourteen_days_or_a_third_of_the_lifetime(lifetime, quiet, warned):
    leaf = house().server(days=(0, lifetime))
    made = bundle(material(leaf.pem + house().chain + leaf.key), NOW)
    end = leaf.certificate.not_valid_after_utc
    assert warnings(made, NOW, 14) == warnings(made, end - timedelta(days=quiet), 14) == warnings(made, end - timedelta(days=warned), 0) == []
    (warning,) = warnings(made, end - timedelta(days=warned), 14)
    assert warning.startswith("The certificate 'CN=example.com' expires on ")


def test_every_byte_of_a_certificate_changed():
    """No change of a single byte goes unnoticed: the certificate is damaged, or its signature no longer matches."""
    h = house()
    for position in range(0, len(h.leaf.der), 3):
        der = bytearray(h.leaf.der)
        der[position] ^= 0x01
        with pytest.raises(PemError):
            bundle(material(pem("CERTIFICATE", bytes(der)) + h.chain + h.leaf.key), NOW)


def test_no_loop_among_authorities_that_signed_each_other():
    key = new_key("P-256", 7)
    one = issue("One", private_key=key, authority=True)
    two = issue("Two", one, authority=True)
    one_by_two = issue("One", two, private_key=key, authority=True)
    leaf = house().server(issuer=two)
    made = bundle(material(leaf.pem + two.pem + one_by_two.pem + leaf.key), NOW)
    assert [found.der for found in made.chain] == [two.der, one_by_two.der]


def test_the_number_of_ways_is_bounded():
    """Authorities that all have one name: every order of them is a way, and none works."""
    key = new_key("P-256", 8)
    crowd = [issue("Crowd", house().stranger, private_key=key, authority=True, issuer_name=house().stranger.certificate.subject, days=(-n, 90)) for n in (1, 2)]
    ring = [issue("Crowd", crowd[0], private_key=key, authority=True, path_length=0, days=(-n, 90)) for n in range(3, 12)]
    leaf = house().server(issuer=crowd[0])
    begin = time.monotonic()
    try:
        bundle(material(b"".join(one.pem for one in (leaf, *ring, *crowd)) + leaf.key), NOW)
    except PemError as problem:
        assert "more than 100 ways" in str(problem)
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    "data, expected",
    [
        (None, ""),
        (b"", ""),
        (b"hello", ""),
        (b"-----BEGIN CERTIFICATE-----\nMII", "not a bundle\n"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "not a bundle\n"),
    ],
)
def test_a_diff_of_what_is_no_bundle(data, expected):
    assert described(data) == expected
