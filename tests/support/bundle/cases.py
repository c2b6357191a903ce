# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table: what the module refuses and with which sentence, and what it accepts.

A case makes the options of the module; what is bytes among them lies in a file of that name. In an expected sentence, `*` stands for dates, serial
numbers and directories.
"""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.webcallserver.balancer.tests.support.bundle.authorities import (
    DER,
    NOW,
    PASSPHRASE,
    PEM,
    PKCS8,
    PLAIN,
    TRADITIONAL,
    House,
    Issued,
    issue,
    new_key,
)
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Options = t.Dict[str, t.Any]


class Refused(t.NamedTuple):
    """A case that fails with one sentence."""

    name: str
    options: t.Callable[[House], Options]
    sentence: str


class Accepted(t.NamedTuple):
    """A case that makes a bundle of these certificates, above the leaf, and warns with these sentences."""

    name: str
    options: t.Callable[[House], Options]
    chain: t.Callable[[House], list[Issued]] = lambda h: [h.lower, h.upper]
    warnings: tuple[str, ...] = ()
    # Whom a client has to trust; None where no client accepts the bundle without being told to.
    root: t.Callable[[House], Issued | None] = lambda h: h.root


def block(label: str, der: bytes) -> bytes:
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (label.encode(), base64.encodebytes(der), label.encode())


def traditional(private_key) -> bytes:
    return private_key.private_bytes(PEM, TRADITIONAL, PLAIN)


def flipped(issued: Issued, old: bytes, new: bytes) -> bytes:
    """The certificate with something else in it than was signed."""
    assert old in issued.der and len(old) == len(new)
    return block("CERTIFICATE", issued.der.replace(old, new))


def unbroken(pem: bytes) -> bytes:
    """The text on one line, as a folded block scalar of YAML makes it."""
    return b" ".join(pem.split(b"\n"))


def request(h: House) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(h.leaf.certificate.subject)
    return builder.sign(h.leaf.private_key, h.leaf.certificate.signature_hash_algorithm).public_bytes(PEM)


def revocations(h: House) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(h.lower.certificate.subject).last_update(NOW).next_update(NOW.replace(year=NOW.year + 1))
    return builder.sign(h.lower.private_key, h.leaf.certificate.signature_hash_algorithm).public_bytes(PEM)


def below(h: House, **options) -> Options:
    """A bundle whose leaf was issued by another lower authority than the ordinary one."""
    lower = issue("Odd", h.upper, authority=True, **options)
    return h.given(h.server(issuer=lower), chain=lower.pem + h.upper.pem)


def directly_below(h: House, authority: Issued) -> Options:
    return h.given(h.server(issuer=authority), chain=authority.pem)


def alone(issued: Issued) -> Options:
    return {"certificate": issued.pem, "private_key": issued.key}


def self_signed_and_changed(h: House) -> Options:
    leaf = issue("example.com", domains=("one.example",))
    return {**alone(leaf), "certificate": flipped(leaf, b"one.example", b"two.example")}


def path_too_long(h: House) -> Options:
    third = issue("Third", h.lower, authority=True)
    return h.given(h.server(issuer=third), chain=third.pem + h.chain)


def signed_by_leaf(h: House) -> Options:
    return h.given(h.server("shop.example.com", h.leaf, domains=("example.com",)), chain=h.leaf.pem + h.chain)


def same_name_other_key(h: House) -> Options:
    return h.given(chain=issue("Lower", h.upper, private_key=new_key("P-256", 99), authority=True).pem + h.upper.pem)


def crossed(h: House) -> Issued:
    """The lower authority, certified by another root as well."""
    return issue("Lower", h.stranger, private_key=h.lower.private_key, authority=True)


def crossed_root(h: House) -> Issued:
    """The root, certified by an older one for clients that do not have the root yet."""
    return issue("Root", h.stranger, private_key=h.root.private_key, authority=True)


def rsa_house(h: House, kind: str = "RSA 2048", pss: bool = False) -> tuple[Issued, Issued]:
    authority = issue("RSA authority", h.root, private_key=new_key(kind, 1), authority=True)
    return authority, h.server(issuer=authority, private_key=new_key("RSA 2048"), pss=pss)


def rsa_given(h: House, kind: str = "RSA 2048", pss: bool = False, **options) -> Options:
    authority, leaf = rsa_house(h, kind, pss)
    return h.given(leaf, chain=authority.pem, **options)


def sha1(h: House) -> Options:
    """Nothing signs with SHA-1 here any more, but the name of the algorithm is enough for the refusal."""
    authority, leaf = rsa_house(h)
    old, new = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    return h.given(leaf, certificate=flipped(leaf, old, new), chain=authority.pem)


# As `openssl ecparam -name prime256v1 -genkey -param_enc explicit` and `openssl req -x509` have it: the curve spelt out instead of named
EXPLICIT_CURVE_KEY = b"""\
-----BEGIN EC PRIVATE KEY-----
MIIBaAIBAQQgdOM5Yi5r0i3nDIWdQr1pCu/dJabpaA/YDeTPr84qebqggfowgfcC
AQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////
MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57Pr
vVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEE
axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54W
K84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8
YyVRAgEBoUQDQgAEg7N+hmJ9JR1Bfe5I7oTv+ozt/2DIhBiJFanrQzOQgn+SL/zY
IYq6jICxGBcTUHq7dcrO+WYvlPIBZuSTPhInlg==
-----END EC PRIVATE KEY-----
"""
EXPLICIT_CURVE = b"""\
-----BEGIN CERTIFICATE-----
MIICdzCCAh2gAwIBAgIUIUwJiXK04DqeGV6NWJGq4ddS+FIwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLZXhhbXBsZS5jb20wIBcNMjYxMTI2MTEzNDAyWhgPMjEyNjEx
MDIxMTM0MDJaMBYxFDASBgNVBAMMC2V4YW1wbGUuY29tMIIBSzCCAQMGByqGSM49
AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////
////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXY
qjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreB
n36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n
60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxee
hPO5ysL8YyVRAgEBA0IABIOzfoZifSUdQX3uSO6E7/qM7f9gyIQYiRWp60MzkIJ/
ki/82CGKuoyAsRgXE1B6u3XKzvlmL5TyAWbkkz4SJ5ajUzBRMB0GA1UdDgQWBBTe
OiQX9PJrsIbiaCdZoSUqBcQGUTAfBgNVHSMEGDAWgBTeOiQX9PJrsIbiaCdZoSUq
BcQGUTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCzSAzq8EOV
r/PG+aaFeQ051cCUdncAcaQIlP0qUUlPHgIgXOwpkV5SLcdorqa9pdOcfg5wxSUP
ahwIcyq5vgSLZlE=
-----END CERTIFICATE-----
"""


def ed25519_key() -> bytes:
    return new_key("Ed25519").private_bytes(PEM, PKCS8, PLAIN)


def damaged_key(h: House) -> bytes:
    der = h.leaf.private_key.private_bytes(DER, PKCS8, PLAIN)
    return block("PRIVATE KEY", der[:-9])


def mislabelled(h: House) -> bytes:
    return block("RSA PRIVATE KEY", h.leaf.private_key.private_bytes(DER, PKCS8, PLAIN))


def wrong_number(h: House) -> bytes:
    """An EC key whose secret number is another than the public key beside it says."""
    der = h.leaf.private_key.private_bytes(DER, PKCS8, PLAIN)
    number = h.leaf.private_key.private_numbers().private_value.to_bytes(32, "big")
    return block("PRIVATE KEY", der.replace(number, number[:-1] + bytes([number[-1] ^ 1])))


def keystore(h: House) -> bytes:
    return pkcs12.serialize_key_and_certificates(b"example.com", h.leaf.private_key, h.leaf.certificate, None, PASSPHRASE)


def bag(h: House) -> bytes:
    """As `openssl pkcs12 -nodes` writes it."""
    attributes = b"Bag Attributes\n    friendlyName: example.com\n    localKeyID: 54 69 6D 65\n"
    subject = b"subject=CN = example.com\n\nissuer=CN = Lower\n\n"
    return attributes + b"Key Attributes: <No Attributes>\n" + h.leaf.key + attributes + subject + h.leaf.pem + h.chain


def printable(h: House) -> Options:
    """The authority writes its name as another string type and in another case than its own certificate does."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "LOWER", _type=x509.name._ASN1Type.PrintableString)])
    return h.given(h.server(issuer_name=name))


def usage(*names: str) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    """The usages of a key, and no others."""
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    return ((x509.KeyUsage(**{one: one in names for one in every}, encipher_only=False, decipher_only=False), True),)


def limited(h: House, permitted: str | None, excluded: str | None = None) -> Options:
    """A bundle below an authority that may issue for some domains only."""
    names = [None if domain is None else [x509.DNSName(domain)] for domain in (permitted, excluded)]
    return below(h, extra=((x509.NameConstraints(*names), True),))


def limited_authority(h: House) -> Issued:
    return issue("Odd", h.upper, authority=True, extra=((x509.NameConstraints([x509.DNSName("example.com")], None), True),))


def namesake(h: House) -> Issued:
    return issue("Lower", h.upper, private_key=new_key("P-256", 99), authority=True)


UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
STAPLE = (x509.TLSFeature([x509.TLSFeatureType.status_request]), False)


def upper_again(h: House, days: tuple[float, float]) -> Issued:
    """The same authority, certified by the root a second time."""
    return issue("Upper", h.root, private_key=h.upper.private_key, authority=True, days=days)


def root_again(h: House, days: tuple[float, float]) -> Issued:
    return issue("Root", private_key=h.root.private_key, authority=True, days=days)


def dead_cross(h: House) -> Issued:
    """The root as an older one certified it, until yesterday."""
    return issue("Root", h.stranger, private_key=h.root.private_key, authority=True, days=(-900, -1))


def expiring(h: House) -> Options:
    return h.given(h.server(days=(-80, 9.5)))


def expiring_authority(h: House) -> Options:
    return below(h, days=(-80, 3.5))


UNREADABLE = (
    "The * block in private_key (*/private_key) is damaged: it is no private key that browsers accept. "
    "Copy the file again, or make an ECDSA (P-256) or RSA key."
)
GAP = (
    "The chain has a gap, or a certificate too many: '{}' was issued by '{}', whose certificate is not there, and '{}' leads nowhere: "
    "add the one, or, if that is a root, leave out the other."
)
NO_MORE = "which Firefox refuses from a server: give one of a server, and its key."
CUT = "is cut off: its BEGIN and END lines do not pair. Copy the file again."
ECDSA = "which browsers do not accept: make an ECDSA (P-256) or RSA key."

REFUSED = [
    # Dates
    Refused("expired", lambda h: h.given(h.server(days=(-90, -1))), "The certificate 'CN=example.com' expired on *: renew it."),
    Refused(
        "not yet valid",
        lambda h: h.given(h.server(days=(1, 90))),
        "The certificate 'CN=example.com' is not valid before *, and it is * on this host.",
    ),
    Refused("expired authority", lambda h: below(h, days=(-90, -1)), "The certificate 'CN=Odd' expired on *: get the present one from the authority."),
    Refused("authority not yet valid", lambda h: below(h, days=(1, 90)), "The certificate 'CN=Odd' is not valid before *, and it is * on this host."),
    # The key
    Refused(
        "key of another certificate",
        lambda h: h.given(private_key=h.stranger.key),
        "The private key in private_key (*/private_key) does not match the certificate 'CN=example.com', or is damaged: "
        "give the key from which its certificate request was made.",
    ),
    Refused(
        "key of the authority",
        lambda h: h.given(private_key=h.lower.key),
        "The certificate 'CN=Lower' is that of an authority (CA:TRUE), which Firefox refuses from a server: give one of a server, and its key.",
    ),
    Refused(
        "key of another kind",
        lambda h: h.given(private_key=traditional(new_key("RSA 2048"))),
        "The private key in private_key (*/private_key) does not match the certificate 'CN=example.com', or is damaged: *.",
    ),
    Refused(
        "key with another secret number",
        lambda h: h.given(private_key=wrong_number(h)),
        "The * in private_key (*/private_key) *is damaged*.",
    ),
    Refused(
        "encrypted key",
        lambda h: h.given(private_key=h.leaf.private_key.private_bytes(PEM, PKCS8, PASSPHRASE)),
        "The ENCRYPTED PRIVATE KEY block in private_key (*/private_key) is encrypted and HAProxy cannot ask for a passphrase: "
        "decrypt it with `(umask 077; openssl pkey -in FILE -out FILE.plain)`.",
    ),
    Refused(
        "encrypted key in the old format",
        lambda h: h.given(private_key=h.leaf.private_key.private_bytes(PEM, TRADITIONAL, PASSPHRASE)),
        "The EC PRIVATE KEY block in private_key (*/private_key) is encrypted and HAProxy cannot ask for a passphrase: *.",
    ),
    Refused(
        "no key",
        lambda h: {"certificate": h.leaf.pem + h.chain},
        "There is no private key: give it as private_key or private_key_content.",
    ),
    Refused(
        "two keys",
        lambda h: h.given(certificate=h.leaf.pem + h.stranger.key),
        "There are 2 private keys in certificate (*/certificate) and private_key (*/private_key): leave the one that belongs to the certificate.",
    ),
    Refused("cut off key", lambda h: h.given(private_key=h.leaf.key[:-30]), f"A PRIVATE KEY block in private_key (*/private_key) {CUT}"),
    Refused(
        "damaged key",
        lambda h: h.given(private_key=damaged_key(h)),
        UNREADABLE,
    ),
    Refused(
        "key under a wrong label",
        lambda h: h.given(private_key=mislabelled(h)),
        UNREADABLE,
    ),
    Refused("Ed25519 key", lambda h: h.given(private_key=ed25519_key()), f"The private key in private_key (*/private_key) is Ed25519, {ECDSA}"),
    Refused(
        "DSA key",
        lambda h: h.given(private_key=block("DSA PRIVATE KEY", bytes.fromhex("30060201000201 05".replace(" ", "")))),
        f"The DSA PRIVATE KEY block in private_key (*/private_key) is a DSA key, {ECDSA}",
    ),
    Refused(
        "SSH key",
        lambda h: h.given(private_key=h.leaf.private_key.private_bytes(PEM, serialization.PrivateFormat.OpenSSH, PLAIN)),
        "The OPENSSH PRIVATE KEY block in private_key (*/private_key) is a key for SSH: "
        "make a key for TLS with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.",
    ),
    Refused(
        "public key",
        lambda h: h.given(private_key=h.leaf.certificate.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)),
        "The PUBLIC KEY block in private_key (*/private_key) is a public key: give the private key it belongs to.",
    ),
    # The chain
    Refused(
        "gap below",
        lambda h: h.given(chain=h.upper.pem),
        GAP.format("CN=example.com", "CN=Lower", "CN=Upper"),
    ),
    Refused(
        "gap above, in the wrong order",
        lambda h: h.given(chain=h.root.pem + h.lower.pem),
        GAP.format("CN=Lower", "CN=Upper", "CN=Root"),
    ),
    Refused(
        "chain of another certificate",
        lambda h: h.given(chain=h.stranger.pem),
        GAP.format("CN=example.com", "CN=Lower", "CN=Stranger"),
    ),
    Refused(
        "issuer with the right name and another key",
        same_name_other_key,
        "The certificate 'CN=example.com' names 'CN=Lower' as its issuer, but the key of the one given did not sign it: "
        "get the chain that belongs to this certificate.",
    ),
    Refused(
        "certificate changed after it was signed",
        lambda h: h.given(certificate=flipped(h.leaf, b"www.example.com", b"vvv.example.com")),
        "The certificate 'CN=example.com' names 'CN=Lower' as its issuer, but the key of the one given did not sign it: *.",
    ),
    Refused(
        "authority changed after it was signed",
        lambda h: h.given(chain=flipped(h.lower, b"Upper", b"Uppar") + h.upper.pem),
        GAP.format("CN=Lower", "CN=Uppar", "CN=Upper"),
    ),
    Refused(
        "self-signed certificate changed after it was signed",
        self_signed_and_changed,
        "The certificate 'CN=example.com' is damaged: it names itself as its issuer but its signature is another's.",
    ),
    Refused(
        "authorities only",
        lambda h: h.given(certificate=h.lower.pem),
        "There is no server certificate: all that were given are certificates of authorities.",
    ),
    Refused(
        "one authority only",
        lambda h: {"certificate": h.lower.pem, "private_key": h.lower.key},
        "The certificate 'CN=Lower' is that of an authority (CA:TRUE), which Firefox refuses from a server: give one of a server, and its key.",
    ),
    Refused(
        "signed with a server's certificate",
        signed_by_leaf,
        "The certificate 'CN=shop.example.com' was signed with 'CN=example.com', which is no authority: order it from one.",
    ),
    Refused(
        "authority that may not sign",
        lambda h: below(h, may_sign=False),
        "The certificate 'CN=example.com' was signed with 'CN=Odd', which is no authority: order it from one.",
    ),
    Refused("longer than the authority allows", path_too_long, "The authority 'CN=Lower' may have 0 authorities below it, but 1 are there."),
    Refused(
        "root asked for and not given",
        lambda h: h.given(include_root=True),
        "include_root is set but the root certificate 'CN=Root' is not there: add it to the chain.",
    ),
    # The algorithms
    Refused(
        "Ed25519 certificate",
        lambda h: h.given(h.server(private_key=new_key("Ed25519")), private_key=h.leaf.key),
        f"The certificate 'CN=example.com' has a key that is Ed25519, {ECDSA}",
    ),
    Refused(
        "curve of Bitcoin",
        lambda h: h.given(h.server(private_key=new_key("secp256k1"))),
        f"The private key in private_key (*/private_key) is secp256k1, {ECDSA}",
    ),
    Refused("explicit curve", lambda h: {"certificate": EXPLICIT_CURVE, "private_key": EXPLICIT_CURVE_KEY}, "The * make an ECDSA (P-256) or RSA key."),
    Refused(
        "short RSA key",
        lambda h: h.given(h.server(private_key=new_key("RSA 1024"))),
        "The certificate 'CN=example.com' has an RSA key of 1024 bits, less than 2048: order another.",
    ),
    Refused(
        "authority with a short RSA key",
        lambda h: rsa_given(h, "RSA 1024"),
        "The certificate 'CN=RSA authority' has an RSA key of 1024 bits, less than 2048: order another.",
    ),
    Refused("SHA-1", sha1, "The certificate 'CN=example.com' is signed with sha1WithRSAEncryption, which browsers do not accept: order another."),
    Refused(
        "Ed25519 authority",
        lambda h: directly_below(h, issue("Modern", h.root, private_key=new_key("Ed25519"), authority=True)),
        "The certificate 'CN=example.com' is signed with ed25519, which browsers do not accept: order another.",
    ),
    # What the certificate is for
    Refused(
        "certificate of a client",
        lambda h: h.given(h.server(usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))),
        "The certificate 'CN=example.com' is not meant for TLS servers (extendedKeyUsage without serverAuth): order another.",
    ),
    Refused(
        "another domain",
        lambda h: h.given(domain="example.org"),
        "The certificate 'CN=example.com' is not for example.org but for example.com, www.example.com.",
    ),
    Refused(
        "wildcard and the domain itself",
        lambda h: h.given(h.server(domains=("*.example.com",))),
        "The certificate 'CN=example.com' is not for example.com but for [*].example.com.",
    ),
    Refused(
        "wildcard and two labels",
        lambda h: h.given(h.server(domains=("*.example.com",)), domain="a.b.example.com"),
        "The certificate 'CN=example.com' is not for a.b.example.com but for [*].example.com.",
    ),
    Refused(
        "only a common name",
        lambda h: h.given(h.server(domains=())),
        "The certificate 'CN=example.com' has no subjectAltName with a domain, without which browsers refuse it: order another.",
    ),
    Refused(
        "another address",
        lambda h: h.given(
            h.server(
                domains=(
                    "192.0.2.1",
                    "2001:db8::1",
                )
            ),
            domain="192.0.2.2",
        ),
        "The certificate 'CN=example.com' is not for 192.0.2.2 but for 192.0.2.1, 2001:db8::1.",
    ),
    Refused(
        "domain that is none",
        lambda h: h.given(domain="example..com"),
        "The certificate 'CN=example.com' is not for example..com but for example.com, *.",
    ),
    Refused(
        "neither subject nor the right domain",
        lambda h: h.given(h.server(""), domain="example.org"),
        "The certificate for example.com, www.example.com is not for example.org but for example.com, www.example.com.",
    ),
    # Formats
    Refused("empty certificate", lambda h: h.given(certificate=b""), "certificate (*/certificate) is empty."),
    Refused("blank chain", lambda h: h.given(chain=b" \r\n\n"), "chain (*/chain) is empty."),
    Refused("empty key", lambda h: h.given(private_key=b""), "private_key (*/private_key) is empty."),
    Refused("empty text", lambda h: {"certificate_content": "", "private_key": h.leaf.key}, "certificate_content is empty."),
    Refused(
        "prose",
        lambda h: h.given(certificate=b"Dear customer,\nyour certificate is ready for download.\n"),
        "certificate (*/certificate) has no certificate in it but no PEM block at all: give a PEM file with a certificate.",
    ),
    Refused(
        "binary",
        lambda h: h.given(chain=bytes(range(256)) * 16),
        "chain (*/chain) has no certificate in it but no PEM block at all: give a PEM file with a certificate.",
    ),
    Refused("10 MB", lambda h: h.given(chain=h.chain + b"#" * 10_000_000), "*/chain is larger than 4 MiB: that is not a file of this kind."),
    Refused(
        "2 MB",
        lambda h: h.given(chain=h.chain + b"\n" * 2_000_000),
        "chain (*/chain) has * bytes: more than 1048576 are no certificates and keys in PEM.",
    ),
    Refused("cut off certificate", lambda h: h.given(certificate=h.leaf.pem[:300]), f"A CERTIFICATE block in certificate (*/certificate) {CUT}"),
    Refused(
        "cut off certificate before another",
        lambda h: h.given(chain=h.lower.pem[:300] + h.upper.pem),
        "The CERTIFICATE block in chain (*/chain) is damaged: it is not Base64. Copy the file again.",
    ),
    Refused("no BEGIN line", lambda h: h.given(certificate=h.leaf.pem[28:]), f"A CERTIFICATE block in certificate (*/certificate) {CUT}"),
    Refused(
        "END line of something else",
        lambda h: h.given(certificate=h.leaf.pem.replace(b"END CERTIFICATE", b"END PRIVATE KEY")),
        f"A CERTIFICATE block in certificate (*/certificate) {CUT}",
    ),
    Refused(
        "not Base64",
        lambda h: h.given(certificate=h.leaf.pem.replace(b"MII", b"M!I")),
        "The CERTIFICATE block in certificate (*/certificate) is damaged: it is not Base64. Copy the file again.",
    ),
    Refused(
        "newlines written as backslash and n",
        lambda h: h.given(certificate=h.leaf.pem.replace(b"\n", b"\\n")),
        "The CERTIFICATE block in certificate (*/certificate) is damaged: it is not Base64. Copy the file again.",
    ),
    Refused(
        "a line is missing",
        lambda h: h.given(certificate=b"\n".join(line for number, line in enumerate(h.leaf.pem.split(b"\n")) if number != 3)),
        "The CERTIFICATE block in certificate (*/certificate) is damaged: it is no X.509 certificate that can be read. Copy the file again, or order another.",
    ),
    Refused(
        "key given as the certificate",
        lambda h: h.given(certificate=h.leaf.key),
        "certificate (*/certificate) has no certificate in it but only a PRIVATE KEY block: give a PEM file with a certificate.",
    ),
    Refused(
        "certificate given as the key",
        lambda h: h.given(private_key=h.leaf.pem),
        "private_key (*/private_key) has no private key in it but only a CERTIFICATE block: give a PEM file with a private key.",
    ),
    Refused(
        "request",
        lambda h: h.given(certificate=request(h)),
        "The CERTIFICATE REQUEST block in certificate (*/certificate) is a certificate request: give the certificate that the authority made from it.",
    ),
    Refused(
        "trusted certificate",
        lambda h: h.given(certificate=block("TRUSTED CERTIFICATE", h.leaf.der)),
        "The TRUSTED CERTIFICATE block in certificate (*/certificate) is OpenSSL's own format for trust: "
        "convert it with `openssl x509 -in FILE -out FILE.pem`.",
    ),
    Refused(
        "revocation list",
        lambda h: h.given(chain=h.chain + revocations(h)),
        "The X509 CRL block in chain (*/chain) has no place in a bundle: remove it.",
    ),
    Refused(
        "DER",
        lambda h: h.given(certificate=h.leaf.der),
        "certificate (*/certificate) is DER, not PEM: convert it with `openssl x509 -inform DER -in FILE -out FILE.pem`.",
    ),
    Refused(
        "key in DER",
        lambda h: h.given(private_key=h.leaf.private_key.private_bytes(DER, PKCS8, PLAIN)),
        "private_key (*/private_key) is a private key in DER, not PEM: convert it with `(umask 077; openssl pkey -inform DER -in FILE -out FILE.pem)`.",
    ),
    Refused(
        "encrypted key in DER",
        lambda h: h.given(private_key=h.leaf.private_key.private_bytes(DER, PKCS8, PASSPHRASE)),
        "private_key (*/private_key) is an encrypted private key in DER, not PEM: convert it with "
        "`(umask 077; openssl pkcs8 -inform DER -in FILE -out FILE.pem)`.",
    ),
    Refused(
        "PKCS#12",
        lambda h: h.given(certificate=keystore(h)),
        "certificate (*/certificate) is PKCS#12, not PEM: convert it with `(umask 077; openssl pkcs12 -in FILE -nodes -out FILE.pem)`.",
    ),
    Refused(
        "PKCS#12 as Windows writes it",
        lambda h: h.given(certificate=b"\x30\x80\x02\x01\x03\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"),
        "certificate (*/certificate) is PKCS#12, not PEM: *.",
    ),
    Refused(
        "PKCS#7",
        lambda h: h.given(chain=pkcs7.serialize_certificates([h.lower.certificate], PEM)),
        "The PKCS7 block in chain (*/chain) is PKCS#7: convert it with `openssl pkcs7 -print_certs -in FILE -out FILE.pem`.",
    ),
    Refused(
        "PKCS#7 in DER",
        lambda h: h.given(chain=pkcs7.serialize_certificates([h.lower.certificate], DER)),
        "chain (*/chain) is PKCS#7 in DER, not PEM: convert it with `openssl pkcs7 -inform DER -print_certs -in FILE -out FILE.pem`.",
    ),
    Refused(
        "Java keystore",
        lambda h: h.given(certificate=bytes.fromhex("feedfeed0000000200000001")),
        "certificate (*/certificate) is a Java keystore: convert it with "
        "`keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12`.",
    ),
    Refused(
        "UTF-16",
        lambda h: h.given(certificate=h.leaf.pem.decode().encode("utf-16")),
        "certificate (*/certificate) is UTF-16 text: convert it with `iconv -f UTF-16 -t ASCII FILE`.",
    ),
    # What clients refuse, and a file that loads in HAProxy does not show
    Refused(
        "key usage without signatures",
        lambda h: h.given(h.server(extra=usage("key_encipherment"))),
        "The certificate 'CN=example.com' may not be used for TLS of today (keyUsage without digitalSignature): order another.",
    ),
    Refused(
        "key usage of agreement only",
        lambda h: h.given(h.server(extra=usage("key_agreement", "key_encipherment"))),
        "The certificate 'CN=example.com' may not be used for TLS of today (keyUsage without digitalSignature): order another.",
    ),
    Refused(
        "P-521",
        lambda h: h.given(h.server(private_key=new_key("P-521"))),
        f"The certificate 'CN=example.com' has a key that is secp521r1, {ECDSA}",
    ),
    Refused(
        "must-staple",
        lambda h: h.given(h.server(extra=(STAPLE,))),
        "The certificate 'CN=example.com' asks for an OCSP staple (must-staple), which the balancer does not have: order one without it.",
    ),
    Refused(
        "valid for ten years",
        lambda h: h.given(h.server(days=(-1, 3650))),
        "The certificate 'CN=example.com' is valid for 3651 days, and Apple's clients refuse more than 825: order a shorter one.",
    ),
    Refused(
        "server that is an authority",
        lambda h: h.given(h.server(authority=True)),
        f"The certificate 'CN=example.com' is that of an authority (CA:TRUE), {NO_MORE}",
    ),
    Refused(
        "unknown critical extension",
        lambda h: h.given(h.server(extra=(UNKNOWN,))),
        "OpenSSL refuses the certificate 'CN=example.com' (unhandled critical extension): order another.",
    ),
    Refused(
        "unknown critical extension of an authority",
        lambda h: below(h, extra=(UNKNOWN,)),
        "OpenSSL refuses the certificate 'CN=example.com' with the authority 'CN=Odd' above it (unhandled critical extension): *.",
    ),
    Refused(
        "authority for another domain",
        lambda h: limited(h, "example.org"),
        "OpenSSL refuses the certificate 'CN=example.com' with the authority 'CN=Odd' above it (permitted subtree violation): "
        "order one from another authority.",
    ),
    Refused(
        "authority for all but this domain",
        lambda h: limited(h, None, "example.com"),
        "OpenSSL refuses the certificate 'CN=example.com' with the authority 'CN=Odd' above it (excluded subtree violation): *.",
    ),
    Refused(
        "root for another domain",
        lambda h: directly_below(h, issue("Narrow", authority=True, extra=((x509.NameConstraints([x509.DNSName("example.org")], None), True),))),
        "OpenSSL refuses the certificate 'CN=example.com' with the authority 'CN=Narrow' above it (permitted subtree violation): *.",
    ),
    Refused(
        "authority that is for clients",
        lambda h: below(h, extra=((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),)),
        "*'CN=Odd'*",
    ),
    Refused(
        "any extended key usage alone",
        lambda h: h.given(h.server(usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,))),
        "The certificate 'CN=example.com' is not meant for TLS servers (extendedKeyUsage without serverAuth): order another.",
    ),
    Refused(
        "authority on a curve of no browser",
        lambda h: below(h, private_key=new_key("secp256k1", 5)),
        "The authority 'CN=Odd' has a key that is secp256k1, which browsers do not accept: order a certificate from another.",
    ),
    Refused(
        "root on a curve of no browser",
        lambda h: directly_below(h, issue("Curved", authority=True, private_key=new_key("secp256k1", 6))),
        "The authority 'CN=Curved' has a key that is secp256k1, which browsers do not accept: order a certificate from another.",
    ),
    Refused(
        "may sign and is no authority",
        lambda h: h.given(h.server(extra=usage("digital_signature", "key_cert_sign"))),
        "The certificate 'CN=example.com' may sign others (keyUsage with keyCertSign) and is no authority, which Chrome refuses: order another.",
    ),
    # No way works
    Refused(
        "expired root",
        lambda h: directly_below(h, issue("Old", authority=True, days=(-90, -1))),
        "The certificate 'CN=Old' expired on *: get the present one from the authority, or leave it out if clients have that already.",
    ),
    Refused(
        "expired cross-signed root alone",
        lambda h: h.given(chain=h.chain + dead_cross(h).pem),
        "The certificate 'CN=Root' expired on *: get the present one from the authority.",
    ),
    Refused(
        "two ways, both expired",
        lambda h: h.given(chain=h.lower.pem + upper_again(h, (-90, -1)).pem + upper_again(h, (-90, -2)).pem),
        "No way from 'CN=example.com' to a root works: The certificate 'CN=Upper' expired on *. The certificate 'CN=Upper' expired on *.",
    ),
    # Files
    Refused("no such file", lambda h: h.given(chain="/nowhere/chain.pem"), "chain (/nowhere/chain.pem) does not exist on this host."),
    Refused("directory", lambda h: h.given(private_key="/etc"), "/etc is a directory: name the file itself."),
    Refused("device", lambda h: h.given(private_key="/dev/zero"), "/dev/zero is not a regular file."),
]

ACCEPTED = [
    Accepted("ordinary", lambda h: h.given()),
    Accepted("without a domain", lambda h: h.given(domain=None)),
    Accepted("chain upside down, root and leaf in it", lambda h: h.given(chain=h.root.pem + h.upper.pem + h.lower.pem + h.leaf.pem)),
    Accepted("root asked for", lambda h: h.given(chain=h.root.pem + h.chain, include_root=True), lambda h: [h.lower, h.upper, h.root]),
    Accepted("everything in one file, the key first", lambda h: {"certificate": h.leaf.key + h.chain + h.leaf.pem}),
    Accepted("the bundle as HAProxy takes it", lambda h: {"certificate": h.leaf.pem + h.chain + h.leaf.key}),
    Accepted("everything three times", lambda h: dict.fromkeys(("certificate", "chain", "private_key"), h.leaf.key + h.leaf.pem + h.chain)),
    Accepted("CRLF", lambda h: h.given(**{key: value.replace(b"\n", b"\r\n") for key, value in h.given(domain=b"").items() if value}, domain="example.com")),
    Accepted("carriage returns only", lambda h: h.given(certificate=h.leaf.pem.replace(b"\n", b"\r"))),
    Accepted("byte order mark", lambda h: h.given(certificate=b"\xef\xbb\xbf" + h.leaf.pem, private_key=b"\xef\xbb\xbf" + h.leaf.key)),
    Accepted("no newline at the end", lambda h: h.given(certificate=h.leaf.pem.strip(), chain=h.chain.strip(), private_key=h.leaf.key.strip())),
    Accepted("no newline between", lambda h: h.given(certificate=(h.leaf.pem + h.chain).replace(b"-\n-", b"--") + h.leaf.key)),
    Accepted("on one line", lambda h: h.given(certificate=unbroken(h.leaf.pem), chain=unbroken(h.chain), private_key=unbroken(h.leaf.key))),
    Accepted("indented", lambda h: h.given(certificate=h.leaf.pem.replace(b"\n", b"\n    "), chain=h.chain.replace(b"\n", b"\n\t"))),
    Accepted("comments between", lambda h: h.given(chain=b"# Lower -- ours\n" + h.lower.pem + b"\n# Upper, caf\xc3\xa9\n" + h.upper.pem)),
    Accepted("out of PKCS#12", lambda h: {"certificate": bag(h), "domain": "www.example.com"}),
    Accepted("texts", lambda h: {f"{key}_content": value.decode() for key, value in h.given(domain=b"").items() if value}),
    Accepted("texts with the key in the certificate", lambda h: {"certificate_content": (h.leaf.key + h.leaf.pem + h.chain).decode()}),
    Accepted("EC key in the old format", lambda h: h.given(private_key=traditional(h.leaf.private_key))),
    Accepted(
        "EC key with its parameters",
        lambda h: h.given(private_key=block("EC PARAMETERS", bytes.fromhex("06082a8648ce3d030107")) + traditional(h.leaf.private_key)),
    ),
    Accepted("old label", lambda h: h.given(certificate=h.leaf.pem.replace(b" CERT", b" X509 CERT"))),
    Accepted(
        "authority on P-521",
        lambda h: below(h, private_key=new_key("P-521", 5)),
        lambda h: [issue("Odd", h.upper, authority=True, private_key=new_key("P-521", 5)), h.upper],
    ),
    Accepted("the key in both formats", lambda h: h.given(certificate=h.leaf.pem + traditional(h.leaf.private_key))),
    Accepted("request beside", lambda h: h.given(certificate=request(h) + h.leaf.pem)),
    Accepted(
        "self-signed placeholder of the same key beside",
        lambda h: h.given(certificate=h.leaf.pem + issue("example.com", private_key=h.leaf.private_key, domains=("example.com",), days=(-1, 800)).pem),
    ),
    Accepted(
        "placeholder as openssl req -x509 makes it beside",
        lambda h: h.given(
            certificate=h.leaf.pem + issue("example.com", private_key=h.leaf.private_key, authority=True, domains=("example.com",), days=(-1, 800)).pem
        ),
    ),
    Accepted(
        "another domain's certificate of the same key, valid for longer",
        lambda h: h.given(
            certificate=h.server("shop.example.com", private_key=h.leaf.private_key, domains=("shop.example.com",), days=(-1, 200)).pem + h.leaf.pem
        ),
    ),
    Accepted(
        "a certificate of the same key that browsers refuse, valid for longer",
        lambda h: h.given(certificate=h.server(private_key=h.leaf.private_key, extra=usage("key_encipherment"), days=(-1, 200)).pem + h.leaf.pem),
    ),
    Accepted("P-384", lambda h: h.given(h.server(private_key=new_key("P-384")))),
    Accepted("RSA", rsa_given, lambda h: [rsa_house(h)[0]]),
    Accepted(
        "RSA key in the old format",
        lambda h: rsa_given(h, private_key=traditional(new_key("RSA 2048"))),
        lambda h: [rsa_house(h)[0]],
    ),
    Accepted("signed with RSASSA-PSS", lambda h: rsa_given(h, pss=True), lambda h: [rsa_house(h)[0]]),
    Accepted(
        "wildcard",
        lambda h: h.given(
            h.server(
                domains=(
                    "example.com",
                    "*.example.com",
                )
            ),
            domain="a.example.com",
        ),
    ),
    Accepted("wildcard as the domain", lambda h: h.given(h.server(domains=("*.example.com",)), domain="*.example.com")),
    Accepted("domain in capitals with a final dot", lambda h: h.given(domain="WWW.Example.COM.")),
    Accepted("international domain", lambda h: h.given(h.server(domains=("xn--bcher-kva.example",)), domain="b\u00fccher.example")),
    Accepted(
        "addresses",
        lambda h: h.given(
            h.server(
                domains=(
                    "192.0.2.1",
                    "2001:db8::1",
                )
            ),
            domain="2001:db8::1",
        ),
    ),
    Accepted("no subject", lambda h: h.given(h.server(""))),
    Accepted("name written in another way by the authority", printable),
    Accepted("key usage of signatures", lambda h: h.given(h.server(extra=usage("digital_signature", "key_encipherment")))),
    Accepted("authority for this domain", lambda h: limited(h, "example.com"), lambda h: [limited_authority(h), h.upper]),
    Accepted("valid for 825 days", lambda h: h.given(h.server(days=(-1, 824)))),
    Accepted("root and the same root renewed", lambda h: h.given(chain=h.chain + h.root.pem + root_again(h, (-1, 3000)).pem)),
    Accepted("expired root beside the same one renewed", lambda h: h.given(chain=h.chain + root_again(h, (-90, -1)).pem + h.root.pem)),
    Accepted("expired cross-signed root beside the root", lambda h: h.given(chain=h.chain + dead_cross(h).pem + h.root.pem)),
    Accepted("expired authority beside the same one renewed", lambda h: h.given(chain=upper_again(h, (-90, -1)).pem + h.chain)),
    Accepted("authority of the future beside the present one", lambda h: h.given(chain=upper_again(h, (1, 90)).pem + h.chain)),
    Accepted(
        "authority in two certificates, both valid",
        lambda h: h.given(chain=h.lower.pem + h.upper.pem + upper_again(h, (-1, 1700)).pem),
        lambda h: [h.lower, upper_again(h, (-1, 1700))],
    ),
    Accepted("cross-signed authority, both ways given", lambda h: h.given(chain=h.chain + crossed(h).pem)),
    Accepted("namesake with another key beside the issuer", lambda h: h.given(chain=namesake(h).pem + h.chain)),
    Accepted("stranger beside a whole chain", lambda h: h.given(chain=h.chain + h.root.pem + h.stranger.pem)),
    Accepted("expired stranger beside a whole chain", lambda h: h.given(chain=h.chain + h.root.pem + issue("Gone", authority=True, days=(-90, -1)).pem)),
    Accepted("another server's certificate beside it", lambda h: h.given(chain=h.server("shop.example.com").pem + h.chain)),
    Accepted("renewed certificate appended to the old one", lambda h: h.given(certificate=h.server(days=(-80, -10)).pem + h.chain + h.leaf.pem)),
    Accepted(
        "renewed with the same key, both given",
        lambda h: h.given(certificate=h.server(days=(-80, 5), private_key=h.leaf.private_key).pem + h.leaf.pem),
    ),
    Accepted(
        "parameters of Diffie-Hellman",
        lambda h: h.given(certificate=h.leaf.pem + block("DH PARAMETERS", b"\x30\x00")),
        warnings=("The DH PARAMETERS block in certificate (*/certificate) is left out of the bundle: the key exchange of browsers needs none.",),
    ),
    Accepted(
        "chain beside a self-signed certificate",
        lambda h: h.given(issue("example.com", domains=("example.com",))),
        lambda h: [],
        ("The certificate 'CN=example.com' is self-signed: browsers refuse it unless they are told to trust it.",),
        lambda h: None,
    ),
    Accepted("six days, the first of them", lambda h: h.given(h.server(days=(-0.5, 5.5)))),
    Accepted(
        "six days, the fifth of them",
        lambda h: h.given(h.server(days=(-4.5, 1.5))),
        warnings=("The certificate 'CN=example.com' expires on * (days left: 1).",),
    ),
    Accepted("45 days, the first of them", lambda h: h.given(h.server(days=(-0.5, 44.5)))),
    Accepted("90 days, the first of them", lambda h: h.given(h.server(days=(-0.5, 89.5)))),
    Accepted("200 days, the first of them", lambda h: h.given(h.server(days=(-0.5, 199.5)))),
    Accepted(
        "address written in full",
        lambda h: h.given(h.server(domains=("2001:db8::1",)), domain="2001:0db8:0:0:0:0:0:0001"),
        root=lambda h: None,
    ),
    Accepted("sharp s", lambda h: h.given(h.server(domains=("xn--strae-oqa.example",)), domain="stra\u00dfe.example"), root=lambda h: None),
    Accepted("no extended key usage", lambda h: h.given(h.server(usages=()))),
    Accepted(
        "cross-signed root beside the root",
        lambda h: h.given(chain=h.chain + crossed_root(h).pem + h.root.pem),
        lambda h: [h.lower, h.upper, crossed_root(h)],
    ),
    Accepted(
        "cross-signed authority, one way given",
        lambda h: h.given(chain=crossed(h).pem),
        lambda h: [crossed(h)],
        root=lambda h: h.stranger,
    ),
    Accepted("expires soon", expiring, warnings=("The certificate 'CN=example.com' expires on * (days left: 9).",)),
    Accepted("expires soon and nobody wants to know", lambda h: {**expiring(h), "warn_days": 0}),
    Accepted(
        "authority expires soon",
        expiring_authority,
        lambda h: [issue("Odd", h.upper, authority=True, days=(-80, 3.5)), h.upper],
        ("The certificate 'CN=Odd' expires on * (days left: 3).",),
    ),
    Accepted(
        "issued by the root",
        lambda h: alone(h.server(issuer=h.root)),
        lambda h: [],
        ("The bundle has no certificate between 'CN=example.com' and its issuer 'CN=Root': clients that do not know this issuer already will refuse it.",),
    ),
    Accepted(
        "self-signed",
        lambda h: alone(issue("example.com", domains=("example.com",))),
        lambda h: [],
        ("The certificate 'CN=example.com' is self-signed: browsers refuse it unless they are told to trust it.",),
        lambda h: None,
    ),
    Accepted(
        "self-signed as openssl req -x509 makes it",
        lambda h: alone(issue("example.com", authority=True, domains=("example.com",))),
        lambda h: [],
        ("The certificate 'CN=example.com' is self-signed: browsers refuse it unless they are told to trust it.",),
        lambda h: None,
    ),
]
