# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""A table of ports and who may connect, as rules that any firewall can hold; what is wrong with it is a ValueError with the sentence."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import typing as t
from collections import defaultdict

from .networks import Network, network

Row = t.Mapping[str, t.Any]


class Rule(t.TypedDict):
    """What a firewall does with the ports; no networks are every address."""

    action: str  # accept or drop
    protocol: str  # tcp or udp
    family: str  # ipv4, ipv6 or any
    networks: list[str]
    ports: list[str]  # ports and ranges


PROTOCOLS = {"tcp": ("tcp",), "udp": ("udp",), "both": ("tcp", "udp")}
Span = t.Tuple[int, int]
FAMILIES = {4: "ipv4", 6: "ipv6"}
ALONE = ("everyone", "nobody")
# What marks the rules of one plan on a host
MARK = re.compile(r"[0-9a-f]{16}")
# name in a row: what the variable with its networks is called behind the role's name
VARIABLES = {"balancers": "balancer_addresses", "admins": "admin_networks", "peers": "address", "agents": "agent_networks"}


def _port(value: object, called: str) -> int:
    text = str(value)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError(f"{called}: {text[:80]!r} is no port; give a number from 1 to 65535")
    return int(text)


def _span(row: Row, properties: t.Mapping[str, t.Any], called: str) -> Span:
    """First and last port of a row; what the node's properties say counts."""
    first, _dash, last = str(row["port"]).partition("-")
    ends = [_port(first, called), _port(last or first, called)]
    names = list(row.get("properties") or [])
    if len(names) == 1:
        names *= 2
    for place, name in enumerate(names[:2]):
        value = str(properties.get(name) or "").strip()
        if value:
            ends[place] = _port(value, f"{name} in the properties of the node")
    if ends[0] > ends[1]:
        said = f" (properties {' and '.join(names)} of the node)" if names else ""
        raise ValueError(f"{called}: the range {ends[0]}-{ends[1]}{said} ends before it begins; exchange its ends")
    return ends[0], ends[1]


def _who(names: t.Any, networks: t.Mapping[str, t.Iterable[object]], called: str, prefix: str) -> tuple[list[Network], bool]:
    """Networks that may connect, and whether that is everyone."""
    names = [names] if isinstance(names, str) else list(names or [])
    if not names or (len(names) > 1 and set(names) & set(ALONE)):
        raise ValueError(f"{called}: from is {names}; give names and networks, or alone everyone or nobody")
    if names[0] in ALONE:
        return [], names[0] == "everyone"
    found: list[Network] = []
    for name in names:
        for text in networks.get(name, [name]):
            try:
                found.append(network(text))
            except ValueError as exc:
                if name not in networks:
                    known = ", ".join([*networks, *ALONE])
                    raise ValueError(f"{called}: from has {str(name)[:80]!r}, which is none of {known} and no network ({exc})") from None
                raise ValueError(f"{prefix}_{VARIABLES.get(name, name)}: {exc}; give addresses, or networks such as 192.0.2.0/24") from None
    return found, False


def _refuse_overlaps(spans: t.Mapping[str, list[tuple[int, int, str]]], called: str) -> None:
    for protocol, taken in spans.items():
        taken.sort()
        for (_first, last, name), (first, _last, other) in zip(taken, taken[1:]):
            if first <= last:
                raise ValueError(
                    f"{called}: rows '{name}' and '{other}' both have port {first}/{protocol}; leave it in one of them, or change the "
                    "property of the node that one of them follows"
                )


def _without(span: Span, protected: t.Iterable[int]) -> t.Iterator[Span]:
    """The span cut at every protected port."""
    first, last = span
    for port in sorted(port for port in protected if first <= port <= last):
        if first < port:
            yield first, port - 1
        first = port + 1
    if first <= last:
        yield first, last


def _merged(networks: t.Iterable[Network], version: int) -> tuple[Network, ...]:
    """The networks of one version of IP, none inside another."""
    if version == 4:
        return tuple(ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv4Network)))
    return tuple(ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv6Network)))


def _text(span: Span) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"


def port_rules(
    table: t.Sequence[Row],
    networks: t.Mapping[str, t.Iterable[object]],
    changes: t.Mapping[str, t.Any] | None = None,
    properties: t.Mapping[str, t.Any] | None = None,
    protected: t.Iterable[t.Any] = (),
    prefix: str = "wcs_node",
) -> list[Rule]:
    """Return the rules, those that accept before those that drop.

    A row has name, port (a number or a range), protocol, from (names out of networks, networks, or everyone or nobody) and properties, which have
    the port where they are set. changes are other from by name of the row; protected are the TCP ports that no rule may touch.
    """
    changes, called = changes or {}, f"{prefix}_ports"
    names = [row.get("name") for row in table]
    for name in names:
        if not name or names.count(name) > 1:
            raise ValueError(f"{called}: the name '{name}' is missing or not unique; give every row a name of its own")
    for name in changes:
        if name not in names:
            raise ValueError(f"{called}_from: '{name}' is no row of {called}; its rows are {', '.join(map(str, names))}")
    kept = {int(port) for port in protected}
    spans: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    accepted: dict[tuple[str, str, tuple[Network, ...]], list[Span]] = defaultdict(list)
    dropped: dict[str, list[Span]] = defaultdict(list)
    for row in table:
        here = f"{called}, row '{row['name']}'"
        if "port" not in row or ("from" not in row and row["name"] not in changes):
            raise ValueError(f"{here}: port or from is missing")
        protocol = row.get("protocol") or "tcp"
        if protocol not in PROTOCOLS:
            raise ValueError(f"{here}: protocol is {str(protocol)[:80]!r}; give tcp, udp or both")
        span = _span(row, properties or {}, here)
        changed = row["name"] in changes
        may, everyone = _who(changes[row["name"]] if changed else row["from"], networks, f"{called}_from, row '{row['name']}'" if changed else here, prefix)
        for transport in PROTOCOLS[protocol]:
            spans[transport].append((*span, row["name"]))
            parts = list(_without(span, kept if transport == "tcp" else ()))
            if everyone:
                accepted["any", transport, ()].extend(parts)
                continue
            dropped[transport].extend(parts)
            for version, family in FAMILIES.items():
                merged = _merged(may, version)
                if merged:
                    accepted[family, transport, merged].extend(parts)
    _refuse_overlaps(spans, called)
    rules = [("accept", *key, parts) for key, parts in sorted(accepted.items(), key=lambda item: (*item[0][:2], [str(net) for net in item[0][2]]))]
    rules += [("drop", "any", protocol, (), parts) for protocol, parts in sorted(dropped.items())]
    return [
        {"action": action, "protocol": protocol, "family": family, "networks": [str(net) for net in nets], "ports": [_text(part) for part in sorted(parts)]}
        for action, family, protocol, nets, parts in rules
        if parts
    ]


class Look(t.NamedTuple):
    """What firewall_look.sh printed on a host, for one role."""

    ssh: list[int]  # ports that must never be closed
    active: list[str]  # firewalls that are in force
    families: list[str]  # of addresses that the kernel has
    has_nft: bool
    touched: list[str]  # firewalls that hold something of the role
    live: dict[str, set[str]]  # by firewall, the marks of the rules that are in force
    blocks: dict[str, str]  # by file of ufw, the SHA-256 of what it has of the role

    def in_force(self, firewall: str) -> str:
        """The mark of the rules that a firewall has in force, all of them and no others; empty when that is not so."""
        marks = self.live.get(firewall, set())
        mark = next(iter(marks)) if len(marks) == 1 else ""
        return mark if MARK.fullmatch(mark) else ""


def read_look(lines: t.Iterable[str], role: str) -> Look:
    """Read the lines of firewall_look.sh; a line of another form is none of ours."""
    look = Look([], [], [], False, [], defaultdict(set), {})
    for line in lines:
        kind, *words = line.split() or [""]
        if kind == "ssh" and len(words) == 1 and words[0].isdecimal():
            look.ssh.append(int(words[0]))
        elif kind == "active" and len(words) == 1:
            look.active.append(words[0])
        elif kind == "family" and len(words) == 1:
            look.families.append(words[0])
        elif kind == "has" and words == ["nft"]:
            look = look._replace(has_nft=True)
        elif kind == "touched" and words[:1] == [role] and len(words) == 2:
            look.touched.append(words[1])
        elif kind == "live" and words[:1] == [role] and len(words) == 3:
            look.live[words[1]].add(words[2])
        elif kind == "block" and words[:1] == [role] and len(words) == 3:
            look.blocks[words[1]] = words[2]
    return look


class Plan(t.TypedDict):
    """What is to be done to the firewall of a host."""

    firewall: str  # firewalld, ufw, nftables or none
    rules: list[Rule]
    digest: str  # marks the rules on the host
    in_force: bool  # whether the kernel has them, all of them and no others
    active: list[str]  # firewalls that are in force
    touched: list[str]  # firewalls that hold something of the role
    families: list[str]  # of addresses that the kernel has
    has_nft: bool
    blocks: dict[str, str]  # by file of ufw, the SHA-256 of what it has of the role
    due: list[str]  # what is to be done but for files, a clause each
    problem: str


def firewall_plan(lines: t.Iterable[str], wanted: t.Mapping[str, t.Any]) -> Plan:
    """Plan the firewall of a host.

    lines are what firewall_look.sh printed there. wanted has role (whose variables are named), firewall (auto, or one of them), without (what auto is
    where no firewall is active), and table, networks, changes and properties for the rules.
    """
    role = str(wanted["role"])
    look = read_look(lines, role)
    firewall = str(wanted["firewall"])
    if firewall == "auto":
        firewall = [*look.active, str(wanted["without"])][0]
    rules: list[Rule] = []
    problem = ""
    if firewall not in (*look.active, "nftables", "none"):
        problem = (
            f"{role}_firewall is {firewall}, but {firewall} is not active on this host, and the role never enables a firewall, because that may shut "
            f"SSH out: let SSH in there and enable it yourself, or set {role}_firewall to auto."
        )
    try:
        rules = port_rules(wanted["table"], wanted["networks"], wanted["changes"], wanted["properties"], sorted(set(look.ssh)), role)
    except ValueError as error:
        problem = f"{str(error).rstrip('.')}."
    digest = hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()[:16]
    in_force = look.in_force(firewall) == digest
    clauses = [] if in_force or firewall == "none" else [f"the rules of {firewall} are not in force"]
    return {
        "firewall": firewall,
        "rules": rules,
        "digest": digest,
        "in_force": in_force,
        "blocks": look.blocks,
        "due": clauses + [f"{other} holds rules still" for other in look.touched if other != firewall],
        "active": look.active,
        "touched": look.touched,
        "families": look.families,
        "has_nft": look.has_nft,
        "problem": problem,
    }
