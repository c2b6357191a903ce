# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""From a certificate, its chain and its key to the one file HAProxy loads: bytes in, bytes out.

Split the material into PEM blocks, classify them, put them in order, verify them. Whatever cannot become a bundle that HAProxy loads
and browsers accept raises a PemError that says what is wrong and what to do.
"""

from __future__ import annotations

import base64
import itertools
import re
import typing as t
from datetime import datetime, timedelta

from ._x509 import Certificate, DerError, Name, Scheme, certificate, folded, pem, private_key_kind, written

LARGEST = 1024 * 1024
SHORTEST_RSA = 2048
CHALLENGE = b"the private key of this bundle belongs to its certificate"

MARK = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]+)-----")
# What OpenSSL reads too: every mark alone on its line.
LOADABLE = re.compile(r"^-----BEGIN ([A-Z0-9 ]+)-----\r?\n(?:[A-Za-z0-9+/=]{1,76}\r?\n)+-----END \1-----\r?$", re.MULTILINE)

CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE")
PRIVATE_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
# `openssl ecparam -genkey` writes it before the key, which repeats it.
IDLE = ("EC PARAMETERS",)
REMEDIES = {
    "PKCS7": "is PKCS#7: convert it with `openssl pkcs7 -print_certs -in FILE -out FILE.pem`",
    "CERTIFICATE REQUEST": "is a certificate request: give the certificate that the authority made from it",
    "NEW CERTIFICATE REQUEST": "is a certificate request: give the certificate that the authority made from it",
    "TRUSTED CERTIFICATE": "is OpenSSL's own format for trust: convert it with `openssl x509 -in FILE -out FILE.pem`",
    "OPENSSH PRIVATE KEY": "is a key for SSH: make a key for TLS with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
    "PUBLIC KEY": "is a public key: give the private key it belongs to",
    "DH PARAMETERS": "has no place in the bundle: give it to HAProxy as `ssl-dh-param-file`",
}
ENCRYPTED = "is encrypted and HAProxy cannot ask for a passphrase: decrypt it with `(umask 077; openssl pkey -in FILE -out FILE.plain)`"

_SEQUENCE = rb"\x30(?:\x80|[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)"
FOREIGN = tuple(
    (re.compile(start, re.DOTALL), remedy)
    for start, remedy in (
        (rb"\xff\xfe|\xfe\xff", "is UTF-16 text: convert it with `iconv -f UTF-16 -t ASCII FILE`"),
        (
            rb"\xfe\xed\xfe\xed",
            "is a Java keystore: convert it with `keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12`",
        ),
        (_SEQUENCE + rb"\x02\x01\x03", "is PKCS#12, not PEM: convert it with `(umask 077; openssl pkcs12 -in FILE -nodes -out FILE.pem)`"),
        (
            _SEQUENCE + rb"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
            "is PKCS#7 in DER, not PEM: convert it with `openssl pkcs7 -inform DER -print_certs -in FILE -out FILE.pem`",
        ),
        (
            _SEQUENCE + rb"\x02\x01[\x00\x01]",
            "is a private key in DER, not PEM: convert it with `(umask 077; openssl pkey -inform DER -in FILE -out FILE.pem)`",
        ),
        (
            _SEQUENCE * 2 + rb"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05",
            "is an encrypted private key in DER, not PEM: convert it with `(umask 077; openssl pkcs8 -inform DER -in FILE -out FILE.pem)`",
        ),
        (_SEQUENCE * 2, "is DER, not PEM: convert it with `openssl x509 -inform DER -in FILE -out FILE.pem`"),
    )
)


class PemError(Exception):
    """The material is no bundle; the message is one sentence for the user."""


class Crypto(t.Protocol):
    """What is not computed here: neither method knows of certificates, and neither raises on a bad key or signature."""

    def sign(self, private_key: bytes, kind: str, message: bytes) -> bytes | None:
        """Sign the message (SHA-256) with a private key in PEM of this kind; None when that key cannot."""

    def verify(self, public_key: bytes, scheme: Scheme, signature: bytes, message: bytes) -> bool:
        """Whether the holder of this key, a DER SubjectPublicKeyInfo, signed the message."""


class Material(t.NamedTuple):
    """What the user gave: which option, from where, and what has to be in it: a certificate or a private key."""

    option: str
    where: str
    wanted: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.option} ({self.where})" if self.where else self.option


class Block(t.NamedTuple):
    """One PEM block, decoded; its origin is for messages."""

    label: str
    der: bytes
    origin: str

    @property
    def pem(self) -> bytes:
        return pem(self.label, self.der)


class Bundle(t.NamedTuple):
    """The verified bundle: the leaf, the certificates above it in order, the key."""

    leaf: Certificate
    chain: tuple[Certificate, ...]
    private_key: Block

    @property
    def data(self) -> bytes:
        certificates = b"".join(pem("CERTIFICATE", found.der) for found in (self.leaf, *self.chain))
        return certificates + self.private_key.pem


def bundle(material: t.Iterable[Material], crypto: Crypto, now: datetime, domain: str | None = None, include_root: bool = False) -> Bundle:
    """Make the bundle; PemError when the material is not all of one, or not one that works now and for this domain."""
    blocks = [block for source in material for block in _wanted(source)]
    certificates = _certificates(blocks)
    private_key = _private_key(blocks)
    leaf = _leaf(certificates)
    _check_leaf(leaf)
    path = _path(leaf, certificates, crypto)
    for found in path:
        _check_dates(found, now)
    if not belongs(private_key, leaf, crypto):
        raise PemError(
            f"The private key in {private_key.origin} does not match the certificate {_called(leaf)}, or is damaged: "
            "give the key from which its certificate request was made."
        )
    if domain:
        _check_domain(leaf, domain)
    if include_root and not path[-1].is_root:
        raise PemError(f"include_root is set but the root certificate {_named(path[-1].issuer)} is not there: add it to the chain.")
    return Bundle(leaf, tuple(found for found in path[1:] if include_root or not found.is_root), private_key)


def split(text: str, origin: str) -> list[Block]:
    """The PEM blocks of a text, whatever stands between them and however their lines end."""
    blocks = []
    marks = list(MARK.finditer(text))
    for begin, end in itertools.zip_longest(marks[::2], marks[1::2]):
        label = begin[2]
        if begin[1] != "BEGIN" or end is None or end.groups() != ("END", label):
            raise PemError(f"A {label} block in {origin} is cut off: its BEGIN and END lines do not pair. Copy the file again.")
        if label not in IDLE:
            blocks.append(Block(label, _decoded(label, text[begin.end() : end.start()], origin), origin))
    return blocks


def _decoded(label: str, body: str, origin: str) -> bytes:
    what = f"The {label} block in {origin}"
    if label in REMEDIES:
        raise PemError(f"{what} {REMEDIES[label]}.")
    if label == "ENCRYPTED PRIVATE KEY" or "Proc-Type:" in body:
        raise PemError(f"{what} {ENCRYPTED}.")
    if label not in CERTIFICATES + PRIVATE_KEYS:
        raise PemError(f"{what} has no place in a bundle: remove it.")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except ValueError:
        raise PemError(f"{what} is damaged: it is not Base64. Copy the file again.") from None


def same(data: bytes, made: Bundle, crypto: Crypto) -> bool:
    """Whether a file that is there means this bundle, and HAProxy can load it: then its wording does not matter."""
    text = data.decode("latin-1")
    if "-----" in LOADABLE.sub("", text):
        return False
    try:
        blocks = split(text, "the file")
    except PemError:
        return False
    certificates = [block.der for block in blocks if block.label in CERTIFICATES]
    keys = [block for block in blocks if block.label in PRIVATE_KEYS]
    if certificates != [found.der for found in (made.leaf, *made.chain)] or len(keys) != 1:
        return False
    return keys[0].pem == made.private_key.pem or belongs(keys[0], made.leaf, crypto)


def belongs(private_key: Block, leaf: Certificate, crypto: Crypto) -> bool:
    """Whether the key can make a signature that the certificate verifies: all that TLS will ask of it."""
    try:
        kind = private_key_kind(private_key.label, private_key.der)
    except DerError:
        return False
    if kind != leaf.public_key.kind:
        return False
    signature = crypto.sign(private_key.pem, kind, CHALLENGE)
    return signature is not None and crypto.verify(leaf.public_key.der, Scheme(kind, "sha256"), signature, CHALLENGE)


def described(data: bytes | None) -> str:
    """What a diff may show of a file: its certificates, never its key."""
    if data is None:
        return ""
    try:
        found = [certificate(block.der) for block in split(data.decode("latin-1"), "the file") if block.label in CERTIFICATES]
    except (PemError, DerError):
        return "not a bundle\n"
    lines = (f"{key}: {value}\n" for one in found for key, value in facts(one).items())
    return "".join(lines)


def facts(found: Certificate) -> dict[str, str]:
    """What may be said of a certificate everywhere."""
    return {
        "subject": written(found.subject),
        "issuer": written(found.issuer),
        "serial": found.serial,
        "not_before": timestamp(found.not_before),
        "not_after": timestamp(found.not_after),
        "fingerprint": found.fingerprint,
    }


def warnings(made: Bundle, now: datetime, days: int) -> list[str]:
    """What works today and will not for long."""
    soon = [found for found in (made.leaf, *made.chain) if found.not_after < now + timedelta(days=days)]
    found = [f"The certificate {_called(one)} expires on {timestamp(one.not_after)} (days left: {days_left(one, now)})." for one in soon]
    if made.leaf.is_root:
        found.append(f"The certificate {_called(made.leaf)} is self-signed: browsers refuse it unless they are told to trust it.")
    elif not made.chain:
        found.append(
            f"The bundle has no certificate between {_called(made.leaf)} and its issuer {_named(made.leaf.issuer)}: "
            "clients that do not know this issuer already will refuse it."
        )
    return found


def days_left(found: Certificate, now: datetime) -> int:
    return (found.not_after - now).days


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _wanted(source: Material) -> list[Block]:
    """The blocks of one thing the user gave, which has to hold what its option is for."""
    if len(source.data) > LARGEST:
        raise PemError(f"{source} has {len(source.data)} bytes: more than {LARGEST} are no certificates and keys in PEM.")
    for start, remedy in FOREIGN:
        if start.match(source.data):
            raise PemError(f"{source} {remedy}.")
    if not source.data.strip():
        raise PemError(f"{source} is empty.")
    blocks = split(source.data.decode("latin-1"), str(source))
    labels = {"certificate": CERTIFICATES, "private key": PRIVATE_KEYS}[source.wanted]
    if not any(block.label in labels for block in blocks):
        instead = f"only a {blocks[0].label} block" if blocks else "no PEM block at all"
        raise PemError(f"{source} has no {source.wanted} in it but {instead}: give a PEM file with a {source.wanted}.")
    return blocks


def _certificates(blocks: list[Block]) -> list[Certificate]:
    found: dict[bytes, Certificate] = {}
    for block in blocks:
        if block.label in CERTIFICATES:
            try:
                found[block.der] = certificate(block.der)
            except DerError:
                raise PemError(f"A {block.label} block in {block.origin} is damaged: it is no X.509 certificate. Copy the file again.") from None
    return list(found.values())


def _private_key(blocks: list[Block]) -> Block:
    keys = {block.der: block for block in blocks if block.label in PRIVATE_KEYS}
    if not keys:
        raise PemError("There is no private key: give it as private_key or private_key_content.")
    if len(keys) > 1:
        origins = " and ".join(sorted({block.origin for block in keys.values()}))
        raise PemError(f"There are {len(keys)} private keys in {origins}: leave the one that belongs to the certificate.")
    (key,) = keys.values()
    try:
        kind = private_key_kind(key.label, key.der)
    except DerError:
        raise PemError(f"The {key.label} block in {key.origin} is damaged: it is no private key. Copy the file again.") from None
    if kind not in ("RSA", "EC"):
        raise PemError(f"The private key in {key.origin} is {kind}, which browsers do not accept: make an ECDSA (P-256) or RSA key.")
    return key


def _leaf(certificates: list[Certificate]) -> Certificate:
    """The one certificate that is no authority; or the only one there is, when it is self-signed as `openssl req -x509` makes it."""
    if len(certificates) == 1 and certificates[0].is_root:
        return certificates[0]
    issuers = {folded(found.issuer) for found in certificates if not found.is_root}
    leaves = [found for found in certificates if not found.is_authority and folded(found.subject) not in issuers]
    if not leaves:
        raise PemError("There is no server certificate: all that were given are certificates of authorities.")
    if len(leaves) > 1:
        listed = " and ".join(f"{_called(found)} (serial {found.serial}, until {timestamp(found.not_after)})" for found in leaves)
        raise PemError(f"There are {len(leaves)} server certificates, {listed}: leave one of them.")
    return leaves[0]


def _check_leaf(leaf: Certificate) -> None:
    key = leaf.public_key
    if key.kind not in ("RSA", "EC") or (key.kind == "EC" and not key.curve.startswith("P-")):
        kind = f"EC on the curve {key.curve}" if key.curve else key.kind
        raise PemError(f"The key of the certificate {_called(leaf)} is {kind}, which browsers do not accept: make an ECDSA (P-256) or RSA key.")
    if not leaf.for_servers:
        raise PemError(f"The certificate {_called(leaf)} is not meant for TLS servers (extendedKeyUsage without serverAuth): order another.")


def _path(leaf: Certificate, certificates: list[Certificate], crypto: Crypto) -> list[Certificate]:
    """From the leaf to the top of what was given, each signed by the next; nothing may be left over."""
    path = [leaf]
    others = [found for found in certificates if found is not leaf]
    _check_strength(leaf)
    while not path[-1].is_root:
        issuer = _issuer(path[-1], others, crypto)
        if issuer is None:
            break
        _check_authority(issuer, path)
        path.append(issuer)
        others.remove(issuer)
    if leaf.is_root and not _signed_by(leaf, leaf, crypto):
        raise PemError(f"The certificate {_called(leaf)} is damaged: it names itself as its issuer but its signature is another's.")
    twins = {(folded(found.subject), found.public_key.der) for found in path}
    strangers = [found for found in others if not (found.is_root and (folded(found.subject), found.public_key.der) in twins)]
    if strangers and path[-1].is_root:
        raise PemError(f"The certificate {_called(strangers[0])} is not in the chain of {_called(leaf)}: remove it.")
    if strangers:
        raise PemError(
            f"The chain has a gap: {_called(path[-1])} was issued by {_named(path[-1].issuer)}, whose certificate is not there "
            f"(but {_called(strangers[0])} is); add it."
        )
    return path


def _issuer(found: Certificate, others: list[Certificate], crypto: Crypto) -> Certificate | None:
    named = [other for other in others if folded(other.subject) == folded(found.issuer)]
    signers = [other for other in named if _signed_by(found, other, crypto)]
    if named and not signers:
        raise PemError(
            f"The certificate {_called(found)} names {_named(found.issuer)} as its issuer, but the key of the one given did not sign it: "
            "get the chain that belongs to this certificate."
        )
    # A cross-signed authority is often given beside its root: the root is what clients have, the other leads those on that have it not.
    signers = [other for other in signers if not other.is_root] or signers
    if len(signers) > 1:
        listed = " and ".join(f"serial {other.serial} by {_named(other.issuer)}" for other in signers)
        raise PemError(f"The authority {_named(found.issuer)} is there with {len(signers)} certificates ({listed}): leave one of them.")
    return signers[0] if signers else None


def _signed_by(found: Certificate, issuer: Certificate, crypto: Crypto) -> bool:
    if found.scheme is None or found.scheme.kind.split("-")[0] != issuer.public_key.kind:
        return False
    return crypto.verify(issuer.public_key.der, found.scheme, found.signature, found.signed)


def _check_strength(found: Certificate) -> None:
    """HAProxy does not load, or browsers do not accept, what is weaker. A root is trusted by name: its own signature is not looked at."""
    if found.scheme is None:
        raise PemError(f"The certificate {_called(found)} is signed with {found.algorithm}, which browsers do not accept: order another.")
    if found.public_key.kind == "RSA" and found.public_key.bits < SHORTEST_RSA:
        raise PemError(f"The certificate {_called(found)} has an RSA key of {found.public_key.bits} bits, less than {SHORTEST_RSA}: order another.")


def _check_authority(issuer: Certificate, below: list[Certificate]) -> None:
    if not issuer.is_root:
        _check_strength(issuer)
        if not issuer.is_authority or not issuer.may_sign:
            raise PemError(f"The certificate {_called(below[-1])} was signed with {_called(issuer)}, which is no authority: order it from one.")
    if issuer.path_length is not None and len(below) - 1 > issuer.path_length:
        raise PemError(f"The authority {_called(issuer)} may have {issuer.path_length} authorities below it, but {len(below) - 1} are there.")


def _check_dates(found: Certificate, now: datetime) -> None:
    if now > found.not_after:
        raise PemError(f"The certificate {_called(found)} expired on {timestamp(found.not_after)}: renew it.")
    if now < found.not_before:
        raise PemError(f"The certificate {_called(found)} is not valid before {timestamp(found.not_before)}, and it is {timestamp(now)} on this host.")


def _check_domain(leaf: Certificate, domain: str) -> None:
    if not leaf.domains:
        raise PemError(f"The certificate {_called(leaf)} has no subjectAltName, without which browsers refuse it: order one for {domain}.")
    if not any(_covers(pattern, domain) for pattern in leaf.domains):
        raise PemError(f"The certificate {_called(leaf)} is not for {domain} but for {', '.join(leaf.domains)}.")


def _covers(pattern: str, domain: str) -> bool:
    """A wildcard stands for one whole label, the first (RFC 6125)."""
    try:
        name = domain.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return False
    if pattern.startswith("*."):
        return name == pattern or name.partition(".")[2] == pattern[2:]
    return name == pattern


def _named(name: Name) -> str:
    return f"'{written(name)}'"


def _called(found: Certificate) -> str:
    """A certificate may have no subject but only domains."""
    return _named(found.subject) if found.subject else f"for {', '.join(found.domains[:3]) or 'nobody'}"
