# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What an X.509 certificate and a private key say of themselves (RFC 5280, 5480, 5915, 5958, 8017).

Read here rather than by a library, so that every host gives the same answer whichever tools it has; those only sign and verify.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import typing as t
from datetime import datetime, timezone

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET = 0x01, 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
UTC_TIME, GENERALIZED_TIME, UNIVERSAL_STRING, BMP_STRING = 0x17, 0x18, 0x1C, 0x1E
VERSION, EXTENSIONS, KEY_IDENTIFIER, DNS_NAME, IP_ADDRESS = 0xA0, 0xA3, 0x80, 0x82, 0x87
PSS_DIGEST, PSS_SALT = 0xA0, 0xA2

KEYS = {
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.2.840.10045.2.1": "EC",
    "1.2.840.10040.4.1": "DSA",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
CURVES = {"1.2.840.10045.3.1.7": "P-256", "1.3.132.0.34": "P-384", "1.3.132.0.35": "P-521"}
SIGNATURES = {
    "1.2.840.113549.1.1.11": ("RSA", "sha256"),
    "1.2.840.113549.1.1.12": ("RSA", "sha384"),
    "1.2.840.113549.1.1.13": ("RSA", "sha512"),
    "1.2.840.10045.4.3.2": ("EC", "sha256"),
    "1.2.840.10045.4.3.3": ("EC", "sha384"),
    "1.2.840.10045.4.3.4": ("EC", "sha512"),
}
RSASSA_PSS = "1.2.840.113549.1.1.10"
PSS_DIGESTS = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
# Known so that the refusal can call them by name.
OTHER_SIGNATURES = {
    "1.2.840.113549.1.1.2": "MD2",
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.2.840.10045.4.1": "SHA-1",
    "1.2.840.10040.4.3": "SHA-1",
    "1.2.840.113549.1.1.10": "RSASSA-PSS with SHA-1",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.42": "GN",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}
SUBJECT_KEY_IDENTIFIER, KEY_USAGE, ALTERNATIVE_NAMES = "2.5.29.14", "2.5.29.15", "2.5.29.17"
BASIC_CONSTRAINTS, AUTHORITY_KEY_IDENTIFIER, EXTENDED_KEY_USAGE = "2.5.29.19", "2.5.29.35", "2.5.29.37"
SERVER_AUTHENTICATION, ANY_USAGE = "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
KEY_CERT_SIGN = 0x04
EMPTY = b"\x30\x00"

Name = t.Tuple[t.Tuple[str, str], ...]


class DerError(ValueError):
    """The bytes are not the structure they should be."""


class Element(t.NamedTuple):
    """One DER element; raw is the whole of it."""

    tag: int
    content: bytes
    raw: bytes


class Scheme(t.NamedTuple):
    """How a signature is made: RSA, RSA-PSS (with its salt) or EC, over a digest."""

    kind: str
    digest: str
    salt: int = 0


class PublicKey(t.NamedTuple):
    """A SubjectPublicKeyInfo: its DER, and what can be said of it: EC P-256, RSA 2048, Ed25519."""

    der: bytes
    kind: str
    curve: str = ""
    bits: int = 0


class Certificate(t.NamedTuple):
    """The fields that decide whether a browser accepts a certificate."""

    der: bytes
    subject: Name
    issuer: Name
    serial: str
    not_before: datetime
    not_after: datetime
    public_key: PublicKey
    domains: tuple[str, ...]
    is_authority: bool
    path_length: int | None
    may_sign: bool
    for_servers: bool
    key_identifier: bytes
    authority_identifier: bytes
    signed: bytes
    signature: bytes
    scheme: Scheme | None
    algorithm: str

    @property
    def fingerprint(self) -> str:
        """SHA-256, written as `openssl x509 -fingerprint -sha256` does."""
        return colons(hashlib.sha256(self.der).digest())

    @property
    def is_root(self) -> bool:
        """Whether it names itself as its issuer; two key identifiers that differ are those of a key change, not of a root."""
        identifiers = {self.key_identifier, self.authority_identifier} - {b""}
        return folded(self.subject) == folded(self.issuer) and len(identifiers) < 2


def pem(label: str, der: bytes) -> bytes:
    body = base64.b64encode(der).decode("ascii")
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def colons(data: bytes) -> str:
    return ":".join(f"{byte:02X}" for byte in data)


def written(name: Name) -> str:
    """A distinguished name on one line, in its own order; nothing in it can break out of the line."""
    line = ", ".join(f"{attribute}={value}" for attribute, value in name)
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line)


def folded(name: Name) -> Name:
    """A name as RFC 5280 compares it: neither case nor the number of blanks counts, nor the string type, which is gone already."""
    return tuple((attribute, " ".join(value.split()).casefold()) for attribute, value in name)


def certificate(der: bytes) -> Certificate:
    """Read a certificate; DerError when it is none."""
    try:
        return _certificate(der)
    except (ValueError, IndexError) as failure:
        raise DerError(str(failure)) from failure


def private_key_kind(label: str, der: bytes) -> str:
    """RSA, EC, Ed25519, ... of a private key under its PEM label; DerError when it has not the structure the label promises."""
    try:
        fields = _inside(der, SEQUENCE)
        if label == "PRIVATE KEY":
            _expect(fields, INTEGER, SEQUENCE, OCTET_STRING)
            return _key_kind(_elements(fields[1].content))
        if label == "RSA PRIVATE KEY":
            _expect(fields, *[INTEGER] * 9)
            return "RSA"
        if label == "EC PRIVATE KEY":
            _expect(fields, INTEGER, OCTET_STRING)
            return "EC"
        return label.split()[0]
    except (ValueError, IndexError) as failure:
        raise DerError(str(failure)) from failure


def _certificate(der: bytes) -> Certificate:
    signed, algorithm, signature = _inside(der, SEQUENCE)
    _expect((signed, algorithm, signature), SEQUENCE, SEQUENCE, BIT_STRING)
    fields = _elements(signed.content)
    if fields[0].tag == VERSION:
        del fields[0]
    _expect(fields, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE)
    serial, inner_algorithm, issuer, validity, subject, public_key = fields[:6]
    if inner_algorithm.raw != algorithm.raw:
        raise DerError("two signature algorithms")
    not_before, not_after = (_time(element) for element in _elements(validity.content))
    extensions = _extensions(fields[6:])
    constraints = _inside(extensions.get(BASIC_CONSTRAINTS, EMPTY), SEQUENCE)
    usages = [_oid(usage) for usage in _inside(extensions.get(EXTENDED_KEY_USAGE, EMPTY), SEQUENCE)]
    identifiers = _inside(extensions.get(AUTHORITY_KEY_IDENTIFIER, EMPTY), SEQUENCE)
    return Certificate(
        der=der,
        subject=_name(subject),
        issuer=_name(issuer),
        serial=f"{_integer(serial):X}",
        not_before=not_before,
        not_after=not_after,
        public_key=_public_key(public_key),
        domains=tuple(_domains(extensions.get(ALTERNATIVE_NAMES, EMPTY))),
        is_authority=any(element.tag == BOOLEAN and element.content != b"\x00" for element in constraints),
        path_length=next((_integer(element) for element in constraints if element.tag == INTEGER), None),
        # The first byte of a bit string counts its unused bits.
        may_sign=KEY_USAGE not in extensions or bool(_element(extensions[KEY_USAGE]).content[1] & KEY_CERT_SIGN),
        for_servers=not usages or SERVER_AUTHENTICATION in usages or ANY_USAGE in usages,
        key_identifier=_element(extensions.get(SUBJECT_KEY_IDENTIFIER, b"\x04\x00")).content,
        authority_identifier=next((element.content for element in identifiers if element.tag == KEY_IDENTIFIER), b""),
        signed=signed.raw,
        signature=_bits(signature),
        scheme=_scheme(algorithm),
        algorithm=_algorithm_name(algorithm),
    )


def _extensions(fields: list[Element]) -> dict[str, bytes]:
    found = {}
    for field in fields:
        if field.tag == EXTENSIONS:
            for extension in _inside(field.content, SEQUENCE):
                parts = _elements(extension.content)
                _expect(parts[-1:], OCTET_STRING)
                found[_oid(parts[0])] = parts[-1].content
    return found


def _domains(names: bytes) -> t.Iterator[str]:
    for name in _inside(names, SEQUENCE):
        if name.tag == DNS_NAME:
            yield name.content.decode("ascii", "backslashreplace").lower()
        elif name.tag == IP_ADDRESS:
            yield str(ipaddress.ip_address(name.content))


def _name(element: Element) -> Name:
    parts = []
    for part in _elements(element.content):
        for attribute in _elements(part.content):
            kind, value = _elements(attribute.content)
            parts.append((ATTRIBUTES.get(_oid(kind), _oid(kind)), _string(value)))
    return tuple(parts)


def _string(element: Element) -> str:
    if element.tag in (BMP_STRING, UNIVERSAL_STRING):
        return element.content.decode("utf-16-be" if element.tag == BMP_STRING else "utf-32-be")
    try:
        return element.content.decode("utf-8")
    except UnicodeDecodeError:
        return element.content.decode("latin-1")


def _public_key(element: Element) -> PublicKey:
    algorithm, value = _elements(element.content)
    parameters = _elements(algorithm.content)
    kind = _key_kind(parameters)
    if kind == "RSA":
        modulus = _inside(_bits(value), SEQUENCE)[0]
        return PublicKey(element.raw, kind, bits=_integer(modulus).bit_length())
    if kind == "EC":
        named = parameters[1].tag == OID
        return PublicKey(element.raw, kind, curve=CURVES.get(_oid(parameters[1]), _oid(parameters[1])) if named else "of its own parameters")
    return PublicKey(element.raw, kind)


def _key_kind(algorithm: list[Element]) -> str:
    return KEYS.get(_oid(algorithm[0]), _oid(algorithm[0]))


def _scheme(algorithm: Element) -> Scheme | None:
    parts = _elements(algorithm.content)
    oid = _oid(parts[0])
    if oid in SIGNATURES:
        return Scheme(*SIGNATURES[oid])
    if oid != RSASSA_PSS:
        return None
    parameters = {element.tag: _element(element.content) for element in _elements(parts[1].content)}
    if PSS_DIGEST not in parameters:
        return None
    digest = PSS_DIGESTS.get(_oid(_elements(parameters[PSS_DIGEST].content)[0]))
    return Scheme("RSA-PSS", digest, _integer(parameters[PSS_SALT]) if PSS_SALT in parameters else 20) if digest else None


def _algorithm_name(algorithm: Element) -> str:
    oid = _oid(_elements(algorithm.content)[0])
    return OTHER_SIGNATURES.get(oid, oid)


def _time(element: Element) -> datetime:
    text = element.content.decode("ascii")
    if element.tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif element.tag != GENERALIZED_TIME:
        raise DerError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)


def _oid(element: Element) -> str:
    _expect([element], OID)
    arcs, arc = [], 0
    for byte in element.content:
        arc = arc << 7 | byte & 0x7F
        if byte < 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def _integer(element: Element) -> int:
    _expect([element], INTEGER)
    return int.from_bytes(element.content, "big", signed=True)


def _bits(element: Element) -> bytes:
    """A bit string that is made of whole bytes."""
    _expect([element], BIT_STRING)
    if element.content[0]:
        raise DerError("unused bits")
    return element.content[1:]


def _expect(elements: t.Sequence[Element], *tags: int) -> None:
    if [element.tag for element in elements[: len(tags)]] != list(tags):
        raise DerError("another structure")


def _inside(data: bytes, tag: int) -> list[Element]:
    """What is inside the one element that the data is."""
    element = _element(data)
    _expect([element], tag)
    return _elements(element.content)


def _element(data: bytes) -> Element:
    elements = _elements(data)
    if len(elements) != 1:
        raise DerError("more than one element")
    return elements[0]


def _elements(data: bytes) -> list[Element]:
    """The elements that stand one after the other in the data."""
    elements = []
    start = 0
    while start < len(data):
        tag, length = data[start], data[start + 1]
        content = start + 2
        if tag & 0x1F == 0x1F or length == 0x80:
            raise DerError("not DER")
        if length > 0x80:
            content += length - 0x80
            length = int.from_bytes(data[start + 2 : content], "big")
        end = content + length
        if end > len(data):
            raise DerError("cut off")
        elements.append(Element(tag, data[content:end], data[start:end]))
        start = end
    return elements
