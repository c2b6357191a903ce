# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the bundle that its table does not show: the reading of certificates, and what the tools are asked."""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils import _x509_crypto
from ansible_collections.webcallserver.balancer.plugins.module_utils._pem import LARGEST, Material, PemError, bundle, described, split, warnings
from ansible_collections.webcallserver.balancer.plugins.module_utils._x509 import DerError, certificate, pem, written
from ansible_collections.webcallserver.balancer.tests.bundle.authorities import DER, NOW, house, issue, name, new_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

TOOLS = _x509_crypto.Cryptography()


def material(text: bytes) -> list[Material]:
    return [Material("certificate", "FILE", "certificate", text)]


def whole() -> bytes:
    h = house()
    return h.leaf.pem + h.chain + h.leaf.key


class TestCertificate:
    @pytest.mark.parametrize("which", ["root", "upper", "lower", "leaf"])
    def test_fields_are_those_of_the_library(self, which):
        issued = getattr(house(), which)
        expected, found = issued.certificate, certificate(issued.der)
        constraints = expected.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert int(found.serial, 16) == expected.serial_number
        assert (found.not_before, found.not_after) == (expected.not_valid_before_utc, expected.not_valid_after_utc)
        assert found.fingerprint.replace(":", "") == expected.fingerprint(hashes.SHA256()).hex().upper()
        assert (found.is_authority, found.path_length) == (constraints.ca, constraints.path_length)
        assert found.is_root is (which == "root")
        assert (found.signed, found.signature) == (expected.tbs_certificate_bytes, expected.signature)
        assert found.scheme == ("EC", "sha256", 0)
        assert found.public_key[1:] == ("EC", "P-256", 0)

    @pytest.mark.parametrize("year, month, day", [(1950, 1, 2), (1999, 12, 31), (2000, 2, 29), (2049, 12, 31), (2050, 1, 1), (9999, 12, 31)])
    def test_dates(self, year, month, day):
        """A year has two digits up to 2049, four after that."""
        end = datetime(year, month, day, 23, 59, 59, tzinfo=timezone.utc)
        builder = x509.CertificateBuilder().subject_name(name("a")).issuer_name(name("b")).serial_number(1).public_key(new_key().public_key())
        issued = builder.not_valid_before(datetime(1950, 1, 1)).not_valid_after(end).sign(new_key(), hashes.SHA256())
        assert certificate(issued.public_bytes(DER)).not_after == end

    @pytest.mark.parametrize(
        "parts, expected",
        [
            (
                [(NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "B\u00fccher, gro\u00df"), (NameOID.COMMON_NAME, "x")],
                "C=DE, O=B\u00fccher, gro\u00df, CN=x",
            ),
            ([(NameOID.COMMON_NAME, "a\nprivate: b\x1b[0m")], "CN=a\\x0aprivate: b\\x1b[0m"),
            ([(NameOID.PSEUDONYM, "p")], "2.5.4.65=p"),
            ([], ""),
        ],
    )
    def test_names(self, parts, expected):
        issued = issue(x509.Name([x509.NameAttribute(*part) for part in parts]))
        assert written(certificate(issued.der).subject) == expected

    @pytest.mark.parametrize("tag, encoding", [(0x0C, "utf-8"), (0x13, "latin-1"), (0x14, "latin-1"), (0x1C, "utf-32-be"), (0x1E, "utf-16-be")])
    def test_string_types(self, tag, encoding):
        value = "na\u00efve \u00e9t\u00e9".encode(encoding)
        stand_in = issue("x" * len(value)).der
        der = stand_in.replace(b"\x0c" + bytes([len(value)]) + b"x" * len(value), bytes([tag, len(value)]) + value)
        assert der != stand_in
        assert written(certificate(der).subject) == "CN=na\u00efve \u00e9t\u00e9"

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_damage_is_found_or_harmless(self, data):
        """Whatever the bytes, a certificate is read or DerError raised: no other exception."""
        der = bytearray(house().leaf.der)
        for _turn in range(data.draw(st.integers(1, 4))):
            der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
        try:
            certificate(bytes(der)[: data.draw(st.integers(0, len(der)))])
        except DerError:
            pass

    def test_every_byte_changed(self):
        """No change of a single byte goes unnoticed: the certificate is damaged, or its signature no longer matches."""
        h = house()
        for position in range(len(h.leaf.der)):
            der = bytearray(h.leaf.der)
            der[position] ^= 0x01
            with pytest.raises(PemError):
                bundle(material(pem("CERTIFICATE", bytes(der)) + h.chain + h.leaf.key), TOOLS, NOW)


class TestBundle:
    def test_every_order(self):
        h = house()
        parts = [h.leaf.pem, h.lower.pem, h.upper.pem, h.root.pem, h.leaf.key]
        shuffled = random.Random(1)
        for _turn in range(50):
            shuffled.shuffle(parts)
            assert bundle(material(b"".join(parts)), TOOLS, NOW).data == whole()

    def test_its_own_output(self):
        made = bundle(material(whole()), TOOLS, NOW, "example.com")
        assert made.data == whole()
        assert bundle(material(made.data), TOOLS, NOW) == made

    @pytest.mark.parametrize("seconds, refused", [(-1, True), (0, False), (86400 * 91, False), (86400 * 91 + 1, True)])
    def test_validity_to_the_second(self, seconds, refused):
        begin = house().leaf.certificate.not_valid_before_utc
        now = begin + timedelta(seconds=seconds)
        if refused:
            with pytest.raises(PemError):
                bundle(material(whole()), TOOLS, now)
        else:
            assert bundle(material(whole()), TOOLS, now)

    @pytest.mark.parametrize("days, warned", [(90, False), (91, True), (0, False)])
    def test_warns_before_the_end(self, days, warned):
        made = bundle(material(whole()), TOOLS, NOW)
        assert bool(warnings(made, NOW, days)) is warned

    @pytest.mark.parametrize(
        "text", [b"-----BEGIN CERTIFICATE-----\n" * 35000, b"-----BEGIN CERTIFICATE-----A-----END CERTIFICATE-----" * 18000, b"\x30" * LARGEST]
    )
    def test_large_nonsense_takes_no_time(self, text):
        assert len(text) <= LARGEST
        begin = time.process_time()
        with pytest.raises(PemError):
            bundle(material(text), TOOLS, NOW)
        assert time.process_time() - begin < 2

    def test_no_loop_among_authorities_that_signed_each_other(self):
        key = new_key("P-256", 7)
        one = issue("One", private_key=key, authority=True)
        two = issue("Two", one, authority=True)
        one_by_two = issue("One", two, private_key=key, authority=True)
        leaf = house().server(issuer=two)
        made = bundle(material(leaf.pem + two.pem + one_by_two.pem + leaf.key), TOOLS, NOW)
        assert [found.der for found in made.chain] == [two.der, one_by_two.der]


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


def test_blocks_say_where_they_come_from():
    assert {block.origin for block in split(whole().decode(), "chain (FILE)")} == {"chain (FILE)"}
