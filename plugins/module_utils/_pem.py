# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""PEM: from what the user gave to its blocks. What is none of them raises a PemError that says what is wrong and what to do."""

from __future__ import annotations

import base64
import re
import typing as t

LARGEST = 1024 * 1024
# The options that hold material, and what has to be in each.
WANTED = {"certificate": "certificate", "chain": "certificate", "private_key": "private key"}

CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE")
PRIVATE_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
# Not written: the first repeats what the key says, the second is for a key exchange that no browser has any more.
CURVE, DIFFIE_HELLMAN = "EC PARAMETERS", "DH PARAMETERS"

# A block begins and ends with a line of its own, as for OpenSSL; blanks around it are forgiven.
MARK = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]+)-----")
GLUED = re.compile(r"^([^\S\n]*-----END [A-Z0-9 ]+-----)(?=-----BEGIN )", re.MULTILINE)
BYTE_ORDER_MARK = "\xef\xbb\xbf"

# Often left beside a certificate and its key, and nothing without them
BESIDE = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "PUBLIC KEY")

REMEDIES = {
    "ENCRYPTED PRIVATE KEY": "is encrypted and HAProxy cannot ask for a passphrase: decrypt it with `(umask 077; openssl pkey -in FILE -out FILE.plain)`",
    "DSA PRIVATE KEY": "is a DSA key, which browsers do not accept: make an ECDSA (P-256) or RSA key",
    "PKCS7": "is PKCS#7: convert it with `openssl pkcs7 -print_certs -in FILE -out FILE.pem`",
    "CERTIFICATE REQUEST": "is a certificate request: give the certificate that the authority made from it",
    "NEW CERTIFICATE REQUEST": "is a certificate request: give the certificate that the authority made from it",
    "TRUSTED CERTIFICATE": "is OpenSSL's own format for trust: convert it with `openssl x509 -in FILE -out FILE.pem`",
    "OPENSSH PRIVATE KEY": "is a key for SSH: make a key for TLS with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
    "PUBLIC KEY": "is a public key: give the private key it belongs to",
}

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

    def __str__(self) -> str:
        return f"The {self.label} block in {self.origin}"


def pem(label: str, der: bytes) -> bytes:
    body = base64.b64encode(der).decode("ascii")
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def blocks(source: Material) -> list[Block]:
    """The blocks of one thing the user gave, which has to hold what its option is for."""
    if len(source.data) > LARGEST:
        raise PemError(f"{source} has {len(source.data)} bytes: more than {LARGEST} are no certificates and keys in PEM.")
    for start, remedy in FOREIGN:
        if start.match(source.data):
            raise PemError(f"{source} {remedy}.")
    if not source.data.strip():
        raise PemError(f"{source} is empty.")
    found = split(source.data.decode("latin-1"), str(source))
    labels = {"certificate": CERTIFICATES, "private key": PRIVATE_KEYS}[source.wanted]
    if not any(block.label in labels for block in found):
        for block in found:
            if block.label in BESIDE:
                raise PemError(f"{block} {REMEDIES[block.label]}.")
        instead = f"only a {found[0].label} block" if found else "no PEM block at all"
        raise PemError(f"{source} has no {source.wanted} in it but {instead}: give a PEM file with a {source.wanted}.")
    return found


def split(text: str, origin: str) -> list[Block]:
    """The blocks of a text, whatever stands between them and however its lines end; a mark within a line is text, as for OpenSSL."""
    if not re.search(r"[\r\n]", text.strip()):
        # As a folded scalar of YAML makes it: everything on one line.
        text = MARK.sub(r"\n\g<0>\n", text)
    found: list[Block] = []
    label, aside = "", False
    body: list[str] = []
    for line in GLUED.sub(r"\1\n", text.replace("\r\n", "\n").replace("\r", "\n")).split("\n"):
        line = line.replace(BYTE_ORDER_MARK, "").strip()
        mark = MARK.fullmatch(line)
        if mark is None:
            body.append(line)
            aside = aside or "-----BEGIN " in line
        elif mark[1] == "END" and not label and aside:
            # That of a block whose BEGIN is commented out
            aside = False
        elif mark.groups() != (("END", label) if label else ("BEGIN", mark[2])):
            raise PemError(f"A {label or mark[2]} block in {origin} is cut off: its BEGIN and END lines do not pair. Copy the file again.")
        elif label:
            found.append(_decoded(Block(label, "".join(body).encode("latin-1"), origin)))
            label = ""
        else:
            label, body = mark[2], []
    if label:
        raise PemError(f"A {label} block in {origin} is cut off: its BEGIN and END lines do not pair. Copy the file again.")
    return found


def _decoded(block: Block) -> Block:
    label = "ENCRYPTED PRIVATE KEY" if block.der.startswith(b"Proc-Type:") else block.label
    if label in BESIDE:
        return block
    if label in REMEDIES:
        raise PemError(f"{block} {REMEDIES[label]}.")
    if label not in (*CERTIFICATES, *PRIVATE_KEYS, CURVE, DIFFIE_HELLMAN):
        raise PemError(f"{block} has no place in a bundle: remove it.")
    try:
        return block._replace(der=base64.b64decode(b"".join(block.der.split()), validate=True))
    except ValueError:
        raise PemError(f"{block} is damaged: it is not Base64. Copy the file again.") from None
