# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throw-away authorities, certificates and keys for the tests of the bundle."""

from __future__ import annotations

import functools
import ipaddress
import typing as t
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
PLAIN = serialization.NoEncryption()
NOW = datetime.now(timezone.utc).replace(microsecond=0)
PASSPHRASE = serialization.BestAvailableEncryption(b"secret")


@functools.cache
def new_key(kind: str = "P-256", which: int = 0):
    """One key of a kind; another one for each number. Only RSA is slow to make, and made once."""
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind.split()[1]))
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curve = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "secp256k1": ec.SECP256K1}[kind]
    return ec.generate_private_key(curve())


class Issued(t.NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    private_key: t.Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(DER)

    @property
    def key(self) -> bytes:
        return self.private_key.private_bytes(PEM, PKCS8, PLAIN)

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def name(text: str | x509.Name) -> x509.Name:
    if isinstance(text, x509.Name):
        return text
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


@functools.cache
def issue(
    subject: str | x509.Name,
    issuer: Issued | None = None,
    private_key=None,
    authority: bool = False,
    path_length: int | None = None,
    may_sign: bool = True,
    domains: t.Sequence[str] = (),
    usages: t.Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
    days: tuple[float, float] = (-1, 90),
    pss: bool = False,
    issuer_name: x509.Name | None = None,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> Issued:
    """Issue a certificate, by default one of a server, signed by its issuer or by itself. The same order brings the same certificate."""
    private_key = private_key or new_key("P-256", hash((subject, issuer, authority, days)))
    signer = issuer.private_key if issuer else private_key
    public_key = private_key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer_name or (issuer.certificate.subject if issuer else name(subject)))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(authority, path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if domains:
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(domain) for domain in domains]), critical=False)
    if authority:
        usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False)
        builder = builder.add_extension(x509.KeyUsage(digital_signature=True, crl_sign=True, key_cert_sign=may_sign, **usage), critical=True)
    elif usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else None
    return Issued(builder.sign(signer, digest, rsa_padding=scheme), private_key)


def _alternative(domain: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(domain))
    except ValueError:
        return x509.DNSName(domain)


class House:
    """One ordinary hierarchy: a root, an authority, a second one below it, a server's certificate."""

    def __init__(self) -> None:
        self.root = issue("Root", authority=True, days=(-1000, 3000))
        self.upper = issue("Upper", self.root, authority=True, days=(-500, 1500))
        self.lower = issue("Lower", self.upper, authority=True, path_length=0, days=(-200, 500))
        self.leaf = self.server()
        self.chain = self.lower.pem + self.upper.pem
        self.stranger = issue("Stranger", authority=True)

    def server(self, subject: str | x509.Name = "example.com", issuer: Issued | None = None, **options) -> Issued:
        options.setdefault("domains", ("example.com", "www.example.com"))
        return issue(subject, issuer or self.lower, **options)

    def given(self, leaf: Issued | None = None, **options) -> dict[str, t.Any]:
        """The options of the module for a bundle that is all right, but for what the options say."""
        leaf = leaf or self.leaf
        return {"certificate": leaf.pem, "chain": self.chain, "private_key": leaf.key, "domain": "example.com", **options}


@functools.cache
def house() -> House:
    return House()
