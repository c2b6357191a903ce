# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""From a certificate, its chain and its key to the one file HAProxy loads: bytes in, bytes out.

The key says which certificate is the server's; from there every way up is tried until one works. Whatever cannot become a bundle that
HAProxy loads and browsers accept raises a PemError that says what is wrong and what to do.
"""

from __future__ import annotations

import itertools
import typing as t
from datetime import datetime, timedelta

from ._pem import CERTIFICATES, DIFFIE_HELLMAN, PRIVATE_KEYS, Block, Material, PemError, blocks, pem, split
from ._x509 import ANOTHER_KEY, BROWSER_KEYS, SIGNING_KEYS, Certificate, Refused, check_leaf, check_signer, check_strength, covers, handshake, private_key, read

OPTIONS: dict[str, dict[str, t.Any]] = {
    "domain": {"type": "str"},
    "include_root": {"type": "bool", "default": False},
    "warn_days": {"type": "int", "default": 14},
}
MOST_WAYS = 100
# What OpenSSL calls them: X509_V_ERR_...
NOT_SIGNED, NO_AUTHORITY, TOO_LONG = (2, 7, 19, 20, 21, 30), (24, 32, 79), 25


class Bundle(t.NamedTuple):
    """The verified bundle: the leaf, the certificates above it in order, the key; and what was left out of it that somebody should know."""

    leaf: Certificate
    chain: tuple[Certificate, ...]
    private_key: bytes
    left_out: tuple[str, ...]

    @property
    def data(self) -> bytes:
        return b"".join(pem("CERTIFICATE", found.der) for found in (self.leaf, *self.chain)) + self.private_key


def bundle(material: t.Iterable[Material], now: datetime, domain: str | None = None, include_root: bool = False) -> Bundle:
    """Make the bundle; PemError when the material is not all of one, or not one that works now and for this domain."""
    given = [block for source in material for block in blocks(source)]
    certificates = list({block.der: read(block.der, str(block)) for block in given if block.label in CERTIFICATES}.values())
    key, public_key = _private_key(given)
    path = _first_way(_leaves(certificates, key, public_key, now, domain), certificates, key, now, domain)
    leaf, top = path[0], path[-1]
    if include_root and not top.is_root:
        raise PemError(f"include_root is set but the root certificate '{top.issuer}' is not there: add it to the chain.")
    chain = path[1:] if include_root or not top.is_root else path[1:-1]
    left_out = tuple(f"{block} is left out of the bundle: the key exchange of browsers needs none." for block in given if block.label == DIFFIE_HELLMAN)
    return Bundle(leaf, chain, key.pem, left_out)


def described(data: bytes | None) -> str:
    """What a diff may show of a file: its certificates, never its key."""
    if data is None:
        return ""
    try:
        found = [read(block.der, str(block)) for block in split(data.decode("latin-1"), "the file") if block.label in CERTIFICATES]
    except PemError:
        return "not a bundle\n"
    return "".join(f"{key}: {value}\n" for one in found for key, value in facts(one).items())


def facts(found: Certificate) -> dict[str, str]:
    """What may be said of a certificate everywhere."""
    return {
        "subject": found.subject,
        "issuer": found.issuer,
        "serial": found.serial,
        "not_before": timestamp(found.not_before),
        "not_after": timestamp(found.not_after),
        "fingerprint": found.fingerprint,
    }


def results(made: Bundle, now: datetime) -> dict[str, t.Any]:
    """What the module says of a bundle."""
    return {
        "subject": made.leaf.subject,
        "domains": made.leaf.domains,
        "fingerprint": made.leaf.fingerprint,
        "not_after": timestamp(made.leaf.not_after),
        "days_left": (made.leaf.not_after - now).days,
        "chain": [facts(found) for found in made.chain],
    }


def warnings(made: Bundle, now: datetime, days: int) -> list[str]:
    """What works today and will not for long."""
    leaf = made.leaf
    found = [
        f"The certificate {one} expires on {timestamp(one.not_after)} (days left: {(one.not_after - now).days})."
        for one in (leaf, *made.chain)
        # A certificate of six days is no news on its first day.
        if one.not_after - now < min(timedelta(days=days), (one.not_after - one.not_before) / 3)
    ]
    if leaf.is_root:
        found.append(f"The certificate {leaf} is self-signed: browsers refuse it unless they are told to trust it.")
    elif not made.chain:
        found.append(
            f"The bundle has no certificate between {leaf} and its issuer '{leaf.issuer}': clients that do not know this issuer already will refuse it."
        )
    return [*found, *made.left_out]


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _private_key(given: list[Block]) -> tuple[Block, bytes]:
    """The one key that is there, and the public key that belongs to it."""
    keys: dict[bytes, Block] = {}
    for key in (block for block in given if block.label in PRIVATE_KEYS):
        try:
            kind, public_key = private_key(key.pem)
        except PemError as problem:
            raise PemError(f"{key} {problem}.") from None
        if kind not in SIGNING_KEYS:
            raise PemError(f"The private key in {key.origin} is {kind}, {ANOTHER_KEY}.")
        # The same key in two formats is one key
        keys.setdefault(public_key, key)
    if not keys:
        raise PemError("There is no private key: give it as private_key or private_key_content.")
    if len(keys) > 1:
        origins = " and ".join(sorted({block.origin for block in keys.values()}))
        raise PemError(f"There are {len(keys)} private keys in {origins}: leave the one that belongs to the certificate.")
    public_key, key = next(iter(keys.items()))
    return key, public_key


def _leaves(certificates: list[Certificate], key: Block, public_key: bytes, now: datetime, domain: str | None) -> list[Certificate]:
    """The certificates that the key belongs to: for the domain, valid, and for longest, first. A self-signed one beside others is their placeholder."""
    found = [one for one in certificates if one.public_key == public_key]
    found = [one for one in found if not one.is_root] or found
    if found:
        return sorted(found, key=lambda one: (not domain or covers(one, domain), _is_valid(one, now), one.not_after), reverse=True)
    servers = [one for one in certificates if not one.is_authority or len(certificates) == 1]
    if not servers:
        raise PemError("There is no server certificate: all that were given are certificates of authorities.")
    for one in servers:
        if one.key not in BROWSER_KEYS:
            check_leaf(one)
    raise PemError(_mismatch(key, servers))


def _first_way(leaves: t.Sequence[Certificate], certificates: list[Certificate], key: Block, now: datetime, domain: str | None) -> tuple[Certificate, ...]:
    """The way up from the first certificate of the key that has one."""
    problems: list[PemError] = []
    for leaf in leaves:
        try:
            check_strength(leaf)
            check_leaf(leaf)
            _check_dates(leaf, now)
            if domain and not covers(leaf, domain):
                raise PemError(f"The certificate {leaf} is not for {domain} but for {', '.join(leaf.domains)}.")
            return _path(leaf, certificates, key, now)
        except PemError as problem:
            problems.append(problem)
    raise problems[0]


def _mismatch(key: Block, certificates: t.Sequence[Certificate]) -> str:
    listed = " and ".join(map(str, certificates))
    return f"The private key in {key.origin} does not match the certificate {listed}, or is damaged: give the key from which its certificate request was made."


def _path(leaf: Certificate, certificates: list[Certificate], key: Block, now: datetime) -> tuple[Certificate, ...]:
    """From the leaf to the top of what was given, by the first way that works."""
    by_name = {found.name: [one for one in certificates if one.name == found.name] for found in certificates}
    failures: list[str] = []
    attempts = itertools.count(1)

    def climb(path: tuple[Certificate, ...]) -> t.Iterator[tuple[Certificate, ...]]:
        if next(attempts) > MOST_WAYS:
            raise PemError(f"There are more than {MOST_WAYS} ways from {leaf} to a root in what was given: leave out what is not its chain.")
        top = path[-1]
        try:
            _check_dates(top, now)
            if not top.is_root:
                check_strength(top)
            if top is not leaf:
                check_signer(top)
            handshake(path, key.pem)
        except PemError as problem:
            failures.append(str(problem))
            return
        except Refused as refused:
            failures.append(_reason(refused, path, key))
            return
        issuers = [one for one in by_name.get(top.issuer_name, []) if one not in path]
        if top.is_root or not issuers:
            yield path
            return
        # A cross-signed authority is often given beside its root: the root is what clients have, the other leads those on that have it not.
        for issuer in sorted(issuers, key=lambda one: (one.is_root, one.issuer_name not in by_name, now - one.not_after)):
            yield from climb((*path, issuer))

    found = climb((leaf,))
    first = next(found, None)
    if first is None:
        raise PemError(failures[0] if len(failures) == 1 else f"No way from {leaf} to a root works: {' '.join(dict.fromkeys(failures))}")
    strangers = [one for one in certificates if one.is_authority and one.public_key != leaf.public_key and one.name not in _above(leaf, by_name)]
    if not strangers or first[-1].is_root:
        return first
    to_root = next((path for path in found if path[-1].is_root), None)
    if to_root is None:
        raise PemError(
            f"The chain has a gap, or a certificate too many: {first[-1]} was issued by '{first[-1].issuer}', whose certificate is not there, "
            f"and {strangers[0]} leads nowhere: add the one, or, if that is a root, leave out the other."
        )
    return to_root


def _above(leaf: Certificate, by_name: t.Mapping[t.Any, list[Certificate]]) -> set[t.Any]:
    """The names of all that stand on any way up, whether it works or not."""
    found: set[t.Any] = set()
    names = [leaf.issuer_name]
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            names += [one.issuer_name for one in by_name.get(name, [])]
    return found


def _reason(refused: Refused, path: tuple[Certificate, ...], key: Block) -> str:
    """Why this path does not work and all of it but its last certificate does."""
    leaf, top = path[0], path[-1]
    if len(path) == 1:
        if refused.code in NOT_SIGNED:
            return f"The certificate {leaf} is damaged: it names itself as its issuer but its signature is another's."
        return f"OpenSSL refuses the certificate {leaf} ({refused}): order another." if refused.code else _mismatch(key, path)
    below = path[-2]
    if refused.code in NOT_SIGNED:
        return (
            f"The certificate {below} names '{below.issuer}' as its issuer, but the key of the one given did not sign it: "
            "get the chain that belongs to this certificate."
        )
    if refused.code in NO_AUTHORITY:
        return f"The certificate {below} was signed with {top}, which is no authority: order it from one."
    if refused.code == TOO_LONG:
        length = top.extension("BasicConstraints").path_length
        return f"The authority {top} may have {length} authorities below it, but {len(path) - 2} are there."
    return f"OpenSSL refuses the certificate {leaf} with the authority {top} above it ({refused}): order one from another authority."


def _is_valid(found: Certificate, now: datetime) -> bool:
    return found.not_before <= now <= found.not_after


def _check_dates(found: Certificate, now: datetime) -> None:
    if now > found.not_after:
        remedy = "get the present one from the authority" if found.is_authority else "renew it"
        remedy += ", or leave it out if clients have that already" if found.is_authority and found.is_root else ""
        raise PemError(f"The certificate {found} expired on {timestamp(found.not_after)}: {remedy}.")
    if now < found.not_before:
        raise PemError(f"The certificate {found} is not valid before {timestamp(found.not_before)}, and it is {timestamp(now)} on this host.")
