# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a certificate says, which names it covers, and what browsers and OpenSSL refuse."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.webcallserver.balancer.plugins.module_utils._pem import PemError
from ansible_collections.webcallserver.balancer.plugins.module_utils._x509 import Refused, covers, handshake, read, to_ascii, written
from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import DER, house, issue, name, new_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st


class TestRead:
    @pytest.mark.parametrize("which", ["root", "upper", "lower", "leaf"])
    def test_fields(self, which):
        issued = getattr(house(), which)
        expected, found = issued.certificate, read(issued.der, "it")
        assert int(found.serial, 16) == expected.serial_number
        assert (found.not_before, found.not_after) == (expected.not_valid_before_utc, expected.not_valid_after_utc)
        assert found.fingerprint == issued.fingerprint
        assert found.is_authority is (which != "leaf")
        assert found.is_root is (which == "root")
        assert (found.key, found.bits) == ("secp256r1", 256)

    @pytest.mark.parametrize("year, month, day", [(1950, 1, 2), (1999, 12, 31), (2000, 2, 29), (2049, 12, 31), (2050, 1, 1), (9999, 12, 31)])
    def test_dates(self, year, month, day):
        """A year has two digits up to 2049, four after that."""
        end = datetime(year, month, day, 23, 59, 59, tzinfo=timezone.utc)
        builder = x509.CertificateBuilder().subject_name(name("a")).issuer_name(name("b")).serial_number(1).public_key(new_key().public_key())
        issued = builder.not_valid_before(datetime(1950, 1, 1)).not_valid_after(end).sign(new_key(), hashes.SHA256())
        assert read(issued.public_bytes(DER), "it").not_after == end

    @pytest.mark.parametrize(
        "parts, expected",
        [
            ([(NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "B\u00fccher"), (NameOID.COMMON_NAME, "x")], "C=DE, O=B\u00fccher, CN=x"),
            ([(NameOID.COMMON_NAME, "a\nprivate: b\x1b[0m")], "CN=a\\x0aprivate: b\\x1b[0m"),
            ([(NameOID.PSEUDONYM, "p")], "2.5.4.65=p"),
            ([], ""),
        ],
    )
    def test_names(self, parts, expected):
        assert written(x509.Name([x509.NameAttribute(*part) for part in parts])) == expected

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_damage_is_found_or_harmless(self, data):
        """Whatever the bytes, a certificate is read or PemError raised: no other exception."""
        der = bytearray(house().leaf.der)
        for _turn in range(data.draw(st.integers(1, 4))):
            der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
        try:
            read(bytes(der)[: data.draw(st.integers(0, len(der)))], "it")
        except PemError:
            pass


SHARP, STRASSE = "stra\u00dfe.example", "strasse.example"


class TestCovers:
    @pytest.mark.parametrize(
        "names, domain, expected",
        [
            # Addresses, however they are written
            (["2001:db8::1"], "2001:db8:0:0:0:0:0:1", True),
            (["2001:db8::1"], "2001:0DB8::0001", True),
            (["2001:db8::1"], "[2001:db8::1]", True),
            (["2001:db8::1"], "2001:db8::2", False),
            (["::ffff:c000:201"], "::ffff:192.0.2.1", True),
            (["::ffff:c000:201"], "192.0.2.1", False),
            (["192.0.2.1"], "192.0.2.1", True),
            (["192.0.2.1"], "192.0.2.10", False),
            (["192.0.2.1"], "192.0.2.1.example", False),
            (["*.0.2.1"], "192.0.2.1", False),
            # International names
            (["xn--strae-oqa.example"], SHARP, True),
            (["xn--strae-oqa.example"], SHARP.upper().replace("SS", "\u1e9e"), True),
            (["xn--strae-oqa.example"], STRASSE, False),
            (["strasse.example"], SHARP, False),
            (["xn--bcher-kva.example"], "B\u00dcCHER.example", True),
            (["xn--bcher-kva.example"], "bu\u0308cher.example", True),
            (["XN--BCHER-KVA.example"], "xn--bcher-kva.example", True),
            (["*.xn--bcher-kva.example"], "a.b\u00fccher.example", True),
            (["*.example.com"], "b\u00fccher.example.com", True),
            (["xn--zckzah.example"], "\u30c6\u30b9\u30c8\u3002example", True),
            (["xn--n3h.example"], "\u2603.example", True),
            # Wildcards
            (["*.example.com"], "a.example.com", True),
            (["*.example.com"], "A.EXAMPLE.COM.", True),
            (["*.example.com"], "example.com", False),
            (["*.example.com"], "a.b.example.com", False),
            (["*.com"], "example.com", False),
            (["*"], "example", False),
            (["a*.example.com"], "ab.example.com", False),
            (["a.*.com"], "a.example.com", False),
            (["*.*.com"], "a.example.com", False),
            (["example.com"], "*.example.com", False),
            (["*.example.com"], "*.example.com", True),
            (["example.com"], "xexample.com", False),
            (["example.com"], "", False),
        ],
    )
    def test_table(self, names, domain, expected):
        assert covers(read(house().server(domains=tuple(names)).der, "it"), domain) is expected

    @pytest.mark.parametrize(
        "domain",
        [SHARP, "fa\u00df.de", "\u03c3\u03c2.example", "\u0391\u03a3.example", "caf\u00e9.example", "\uff45xample.com", "\u212bngstr\u00f6m.example"]
        + [
            "\u0627\u062e\u062a\u0628\u0627\u0631.example",
            "\u4f8b\u5b50.\u6d4b\u8bd5",
            "\u00e6\u00f8\u00e5.example",
            "a\u00adb\u00fc.example",
            "\u0130x.example",
        ],
    )
    def test_as_the_library_for_it(self, domain):
        import idna

        assert to_ascii(domain) == idna.encode(domain, uts46=True, transitional=False).decode()


def test_a_handshake_that_fails_without_a_reason_of_certificates():
    with pytest.raises(Refused) as refused:
        handshake([read(house().leaf.der, "it")], house().stranger.key)
    assert refused.value.code == 0


@pytest.mark.parametrize("number", [1, 60])
def test_a_long_chain_does_not_block(number):
    """More than a pipe holds."""
    path = [read(house().leaf.der, "it"), *[read(house().stranger.der, "it")] * number * 4]
    try:
        handshake(path, house().leaf.key)
    except Refused:
        pass


def test_an_authority_is_read_whatever_its_extensions():
    issued = issue("Odd", authority=True)
    assert read(issued.der, "it").extension("NameConstraints") is None
