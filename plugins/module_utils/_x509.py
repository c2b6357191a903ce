# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Certificates: read by the library cryptography, validated by OpenSSL, and what browsers refuse beyond that."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import threading
import typing as t
import unicodedata
import warnings
from datetime import datetime, timedelta, timezone

from ._pem import PemError, pem

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

# Of OpenSSL's x509_vfy.h; Python names only the first, and that from 3.10 on.
PARTIAL_CHAIN, NO_CHECK_TIME, CHECK_SELF_SIGNATURE = 0x80000, 0x200000, 0x4000

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
SHORTEST_RSA = 2048
ANOTHER_KEY = "which browsers do not accept: make an ECDSA (P-256) or RSA key"
BROWSER_KEYS = ("RSA", "secp256r1", "secp384r1")
# Of an authority one more is accepted
SIGNING_KEYS = (*BROWSER_KEYS, "secp521r1")
RSASSA_PSS = "1.2.840.113549.1.1.10"
BROWSER_SIGNATURES = {
    RSASSA_PSS,
    *(f"1.2.840.113549.1.1.{number}" for number in (11, 12, 13)),  # RSA with SHA-256, SHA-384, SHA-512
    *(f"1.2.840.10045.4.3.{number}" for number in (2, 3, 4)),  # ECDSA with the same
}
_DIGEST = "300d06096086480165030402{:02x}0500"
# The parameters of RSASSA-PSS: SHA-256, SHA-384 or SHA-512, the same in MGF1, and a salt as long as that
BROWSER_PSS = tuple(
    bytes.fromhex(f"a00f{digest}a11c301a06092a864886f70d010108{digest}a2030201{salt:02x}")
    for digest, salt in ((_DIGEST.format(number), length) for number, length in ((1, 32), (2, 48), (3, 64)))
)
# Apple's limit, the only one that also holds for authorities which users added themselves, and from when on.
LONGEST, LONGEST_SINCE = timedelta(days=825), datetime(2019, 7, 1, tzinfo=timezone.utc)


class Certificate(t.NamedTuple):
    """What is asked of a certificate."""

    der: bytes
    subject: str
    issuer: str
    name: tuple[tuple[str, str], ...]
    issuer_name: tuple[tuple[str, str], ...]
    serial: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    public_key: bytes
    key: str
    bits: int
    signature: str
    extensions: x509.Extensions

    @property
    def is_root(self) -> bool:
        """Whether it names itself as its issuer; two key identifiers that differ are those of a key change, not of a root."""
        own, authority = self.extension("SubjectKeyIdentifier"), self.extension("AuthorityKeyIdentifier")
        changed = own and authority and authority.key_identifier and authority.key_identifier != own.digest
        return self.name == self.issuer_name and not changed

    @property
    def is_authority(self) -> bool:
        constraints = self.extension("BasicConstraints")
        return bool(constraints and constraints.ca)

    @property
    def domains(self) -> list[str]:
        names = self.extension("SubjectAlternativeName") or ()
        return [str(name.value).lower() for name in names if isinstance(name, (x509.DNSName, x509.IPAddress))]

    def extension(self, kind: str) -> t.Any:
        with contextlib.suppress(x509.ExtensionNotFound):
            return self.extensions.get_extension_for_class(getattr(x509, kind)).value
        return None

    def __str__(self) -> str:
        """A certificate may have no subject but only domains."""
        return f"'{self.subject}'" if self.subject else f"for {', '.join(self.domains[:3]) or 'nobody'}"


class Refused(Exception):
    """OpenSSL does not accept a path: in its words, and under its number for what is wrong with a certificate, or 0."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code


def read(der: bytes, origin: str) -> Certificate:
    """Read a certificate; PemError when it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(x509.load_der_x509_certificate(der), der)
    except (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise PemError(f"{origin} is damaged: it is no X.509 certificate that can be read. Copy the file again, or order another.") from None


def _read(found: x509.Certificate, der: bytes) -> Certificate:
    key, bits, public_key = "", 0, b""
    try:
        loaded = found.public_key()
        key, bits = kind_of_key(loaded)
        public_key = loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        # The library forgives a curve that is spelt out; browsers do not.
        key = key if public_key in der else f"{key} written in an unusual way"
    # Each is what some release of the library raises for a key it does not know. Nothing passes for it: no check accepts this kind
    except (ValueError, UnsupportedAlgorithm, NotImplementedError):
        key = "of an unknown kind or curve"
    return Certificate(
        der=der,
        subject=written(found.subject),
        issuer=written(found.issuer),
        name=_folded(found.subject),
        issuer_name=_folded(found.issuer),
        serial=f"{found.serial_number:X}",
        not_before=_moment(found, "not_valid_before"),
        not_after=_moment(found, "not_valid_after"),
        fingerprint=":".join(f"{byte:02X}" for byte in found.fingerprint(hashes.SHA256())),
        public_key=public_key,
        key=key,
        bits=bits,
        signature=found.signature_algorithm_oid.dotted_string,
        extensions=found.extensions,
    )


def private_key(text: bytes) -> tuple[str, bytes]:
    """The kind of a private key, and the public key that belongs to it in DER; PemError when it is none, or one of no use."""
    try:
        loaded: t.Any = load_pem_private_key(text, None)
        return kind_of_key(loaded)[0], loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # Each is what some release of the library raises for a damaged, encrypted or unknown key. All are refused, in one sentence
    except (ValueError, TypeError, UnsupportedAlgorithm, NotImplementedError):
        raise PemError("is damaged: it is no private key that browsers accept. Copy the file again, or make an ECDSA (P-256) or RSA key") from None


def kind_of_key(key: t.Any) -> tuple[str, int]:
    """RSA, the name of a curve, or what else it is; and its length."""
    if isinstance(key, (rsa.RSAPublicKey, rsa.RSAPrivateKey)):
        return "RSA", key.key_size
    if isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)):
        return key.curve.name, key.key_size
    return type(key).__name__.strip("_").replace("PublicKey", "").replace("PrivateKey", ""), 0


def written(name: x509.Name) -> str:
    """A distinguished name on one line, in its own order; nothing in it can break out of the line."""
    return printable(", ".join(attribute.rfc4514_string() for attribute in name))


def printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _folded(name: x509.Name) -> tuple[tuple[str, str], ...]:
    """A name as OpenSSL compares it: neither case nor the number of blanks counts, nor the type of the string."""
    return tuple((attribute.oid.dotted_string, " ".join(str(attribute.value).split()).casefold()) for attribute in name)


def _moment(found: x509.Certificate, which: str) -> datetime:
    """The library has dates with a time zone from 42 on, and warns about the others."""
    aware: datetime | None = getattr(found, f"{which}_utc", None)
    return aware or getattr(found, which).replace(tzinfo=timezone.utc)


def check_strength(found: Certificate) -> None:
    """What browsers refuse of every certificate that they are sent. A root is trusted by name: its own signature is not looked at."""
    if found.signature not in BROWSER_SIGNATURES:
        algorithm = x509.ObjectIdentifier(found.signature)._name
        named = algorithm if algorithm != "Unknown OID" else found.signature
        raise PemError(f"The certificate {found} is signed with {named}, which browsers do not accept: order another.")
    if found.signature == RSASSA_PSS and not any(parameters in found.der for parameters in BROWSER_PSS):
        raise PemError(f"The certificate {found} is signed with RSASSA-PSS in a way of its own (digest, MGF1 or salt), which Chrome refuses: order another.")
    if found.key == "RSA" and found.bits < SHORTEST_RSA:
        raise PemError(f"The certificate {found} has an RSA key of {found.bits} bits, less than {SHORTEST_RSA}: order another.")


def check_signer(found: Certificate) -> None:
    """What browsers refuse of the key of an authority, a root's included."""
    if found.key not in SIGNING_KEYS:
        raise PemError(f"The authority {found} has a key that is {found.key}, which browsers do not accept: order a certificate from another.")


def check_leaf(leaf: Certificate) -> None:
    """What browsers refuse of a server's certificate, and OpenSSL does not."""
    usage, purposes, features = leaf.extension("KeyUsage"), leaf.extension("ExtendedKeyUsage"), leaf.extension("TLSFeature")
    alone, lifetime = leaf.is_root, leaf.not_after - leaf.not_before
    too_long = lifetime > LONGEST and leaf.not_before >= LONGEST_SINCE and not alone
    for refused, reason in (
        (leaf.is_authority and not alone, "is that of an authority (CA:TRUE), which Firefox refuses from a server: give one of a server, and its key"),
        (leaf.key not in BROWSER_KEYS, f"has a key that is {leaf.key}, {ANOTHER_KEY}"),
        (usage and not usage.digital_signature, "may not be used for TLS of today (keyUsage without digitalSignature): order another"),
        (
            usage and usage.key_cert_sign and not (alone or leaf.is_authority),
            "may sign others (keyUsage with keyCertSign) and is no authority, which Chrome refuses: order another",
        ),
        (
            purposes is not None and SERVER_AUTH not in {one.dotted_string for one in purposes},
            "is not meant for TLS servers (extendedKeyUsage without serverAuth): order another",
        ),
        (not leaf.domains, "has no subjectAltName with a domain, without which browsers refuse it: order another"),
        (features, "asks for an OCSP staple (must-staple), which the balancer does not have: order one without it"),
        (too_long, f"is valid for {lifetime.days} days, and Apple's clients refuse more than {LONGEST.days}: order a shorter one"),
    ):
        if refused:
            raise PemError(f"The certificate {leaf} {reason}.")


def handshake(path: t.Sequence[Certificate], key: bytes) -> None:
    """Whether a client that trusts the last of these certificates accepts a server that has all of them and the key; Refused if not.

    Both sides are contexts of OpenSSL in this process. The dates are the caller's, who knows which of them matter.
    """
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.set_ciphers("ALL:@SECLEVEL=0")
    client.set_ciphers("DEFAULT:@SECLEVEL=2")
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags(PARTIAL_CHAIN | NO_CHECK_TIME | (CHECK_SELF_SIGNATURE if len(path) == 1 and path[0].is_root else 0))
    try:
        client.load_verify_locations(cadata=path[-1].der)
        with _file(b"".join(pem("CERTIFICATE", found.der) for found in path)) as certificates, _file(key) as private:
            server.load_cert_chain(certificates, private)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        sides = client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)
        for side in (*sides, *sides):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
        sides[0].do_handshake()
    except ssl.SSLCertVerificationError as failure:
        raise Refused(failure.verify_message, failure.verify_code) from None
    except OSError as failure:
        # An error of TLS, or what Python makes of a key that does not fit when it cannot seek in its file.
        raise Refused((getattr(failure, "reason", None) or "key mismatch").lower().replace("_", " ")) from None


@contextlib.contextmanager
def _file(data: bytes) -> t.Iterator[str]:
    """The name of a file that holds the data and is on no disk: Python reads a key from files alone."""
    reader, writer = os.pipe()
    filling = threading.Thread(target=_fill, args=(writer, data))
    filling.start()
    try:
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)
        filling.join()


def _fill(writer: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(writer, "wb") as stream:
        stream.write(data)


def covers(leaf: Certificate, domain: str) -> bool:
    """Whether a browser accepts the certificate for what stands in its address bar."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(domain.strip("[]"))
        names = leaf.extension("SubjectAlternativeName") or ()
        return any(isinstance(name, x509.IPAddress) and name.value == address for name in names)
    name = to_ascii(domain)
    # A wildcard stands for one whole label, the first, and never for all names of a top-level domain.
    wildcard = "*." + name.partition(".")[2]
    return name in leaf.domains or (wildcard.count(".") > 1 and wildcard in leaf.domains)


def to_ascii(domain: str) -> str:
    """A domain as browsers send it: mapped by UTS 46 without its transitional rules, so that a sharp s stays one."""
    mapped = "".join({"\u1e9e": "\u00df"}.get(char, char if char in "\u00df\u03c2" else char.casefold()) for char in unicodedata.normalize("NFKC", domain))
    labels = unicodedata.normalize("NFKC", mapped.replace("\u00ad", "")).replace("\u3002", ".").rstrip(".").split(".")
    return ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii") for label in labels)
