# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of ports and who may connect, as rules that any firewall can hold."""

from __future__ import annotations

DOCUMENTATION = r"""
name: port_rules
short_description: Turn a table of ports into rules of a firewall
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Takes a table of ports and returns the rules that let in whom the table names and nobody else. They are to be applied in their order,
    after a rule that lets loopback in. Ports that are in no row are in no rule.
  - Whatever is wrong with the table ends in one error that names the variable.
positional: networks
options:
  _input:
    description:
      - Rows with C(name), C(port) (a port or a range), C(protocol) (V(tcp), V(udp) or V(both), V(tcp) when it is not given), C(from) (names out of
        O(networks), networks, or alone V(everyone) or V(nobody)), and C(properties).
      - C(properties) names one property that holds the port, or two that hold the ends of the range, and count where they are set.
      - No port may be in two rows.
    type: list
    elements: dict
    required: true
  networks:
    description:
      - Addresses and networks behind every name that a row may use, IPv4 and IPv6.
    type: dict
    required: true
  changes:
    description:
      - C(from) of rows, by their name, in place of what the table says.
    type: dict
    default: {}
  properties:
    description:
      - Properties of the node.
    type: dict
    default: {}
  spared:
    description:
      - TCP ports that are in no rule whatever the table says, such as those of SSH.
    type: list
    elements: int
    default: []
  prefix:
    description:
      - What the names of the variables in an error begin with.
    type: str
    default: wcs_node
"""

EXAMPLES = r"""
- name: Show the rules of a table
  ansible.builtin.debug:
    msg: "{{ table | webcallserver.balancer.port_rules({'balancers': ['192.0.2.10', '2001:db8::10']}) }}"
  vars:
    table:
      - {name: ws, port: 8080, from: [balancers]}
      - {name: media, port: 31001-32000, protocol: both, from: [everyone]}
"""

RETURN = r"""
_value:
  description:
    - Rules with C(action) (V(accept) or V(drop)), C(protocol) (V(tcp) or V(udp)), C(family) (V(ipv4), V(ipv6) or V(any)), C(networks) (none
      means every address) and C(ports) (ports and ranges as text).
  type: list
  elements: dict
  sample:
    - {action: accept, protocol: tcp, family: ipv4, networks: ["192.0.2.10/32"], ports: ["8080"]}
    - {action: drop, protocol: tcp, family: any, networks: [], ports: ["8080"]}
"""

import ipaddress
import re
from collections import defaultdict

from ansible.errors import AnsibleFilterError

from .host_networks import network

PROTOCOLS = {"tcp": ("tcp",), "udp": ("udp",), "both": ("tcp", "udp")}
FAMILIES = {4: "ipv4", 6: "ipv6"}
ALONE = ("everyone", "nobody")
# Which variable says the networks behind a name
SAID_BY = {"balancers": "balancer_addresses", "admins": "admin_networks", "peers": "address"}


def _port(value, called):
    if not re.fullmatch(r"[0-9]{1,5}", str(value)) or not 1 <= int(value) <= 65535:
        raise AnsibleFilterError(f"{called}: {str(value)[:80]!r} is no port; give a number from 1 to 65535")
    return int(value)


def _span(row, properties, called):
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
        raise AnsibleFilterError(f"{called}: the range {ends[0]}-{ends[1]}{said} ends before it begins; exchange its ends")
    return tuple(ends)


def _who(names, networks, called, prefix):
    """Networks that may connect, and whether that is everyone."""
    names = [names] if isinstance(names, str) else list(names or [])
    if not names or (len(names) > 1 and set(names) & set(ALONE)):
        raise AnsibleFilterError(f"{called}: from is {names}; give names and networks, or alone everyone or nobody")
    if names[0] in ALONE:
        return [], names[0] == "everyone"
    found = []
    for name in names:
        for text in networks.get(name, [name]):
            try:
                found.append(network(text))
            except ValueError as exc:
                if name not in networks:
                    known = ", ".join([*networks, *ALONE])
                    raise AnsibleFilterError(f"{called}: from has {str(name)[:80]!r}, which is none of {known} and no network ({exc})") from None
                raise AnsibleFilterError(f"{prefix}_{SAID_BY.get(name, name)}: {exc}; give addresses, or networks such as 192.0.2.0/24") from None
    return found, False


def _refuse_overlaps(spans, called):
    for protocol, taken in spans.items():
        taken.sort()
        for (_first, last, name), (first, _last, other) in zip(taken, taken[1:]):
            if first <= last:
                raise AnsibleFilterError(
                    f"{called}: rows '{name}' and '{other}' both have port {first}/{protocol}; leave it in one of them, or change the "
                    "property of the node that one of them follows"
                )


def _without(span, spared):
    """The span cut at every spared port."""
    first, last = span
    for port in sorted(port for port in spared if first <= port <= last):
        if first < port:
            yield first, port - 1
        first = port + 1
    if first <= last:
        yield first, last


def _text(span):
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"


def port_rules(table, networks, changes=None, properties=None, spared=(), prefix="wcs_node"):
    """Return the rules, those that accept before those that drop."""
    changes, called = changes or {}, f"{prefix}_ports"
    names = [row.get("name") for row in table]
    for name in names:
        if not name or names.count(name) > 1:
            raise AnsibleFilterError(f"{called}: the name '{name}' is missing or not unique; give every row a name of its own")
    for name in changes:
        if name not in names:
            raise AnsibleFilterError(f"{called}_from: '{name}' is no row of {called}; its rows are {', '.join(names)}")
    spared = {int(port) for port in spared}
    spans = defaultdict(list)
    accepted = defaultdict(list)
    dropped = defaultdict(list)
    for row in table:
        here = f"{called}, row '{row['name']}'"
        if "port" not in row or ("from" not in row and row["name"] not in changes):
            raise AnsibleFilterError(f"{here}: port or from is missing")
        protocol = row.get("protocol") or "tcp"
        if protocol not in PROTOCOLS:
            raise AnsibleFilterError(f"{here}: protocol is {str(protocol)[:80]!r}; give tcp, udp or both")
        span = _span(row, properties or {}, here)
        changed = row["name"] in changes
        may, everyone = _who(changes[row["name"]] if changed else row["from"], networks, f"{called}_from, row '{row['name']}'" if changed else here, prefix)
        for transport in PROTOCOLS[protocol]:
            spans[transport].append((*span, row["name"]))
            parts = list(_without(span, spared if transport == "tcp" else ()))
            if everyone:
                accepted["any", transport, ()].extend(parts)
                continue
            dropped[transport].extend(parts)
            for version, family in FAMILIES.items():
                merged = tuple(ipaddress.collapse_addresses(net for net in may if net.version == version))
                if merged:
                    accepted[family, transport, merged].extend(parts)
    _refuse_overlaps(spans, called)
    rules = [("accept", *key, parts) for key, parts in sorted(accepted.items())]
    rules += [("drop", "any", protocol, (), parts) for protocol, parts in sorted(dropped.items())]
    return [
        {"action": action, "protocol": protocol, "family": family, "networks": [str(net) for net in nets], "ports": [_text(part) for part in sorted(parts)]}
        for action, family, protocol, nets, parts in rules
        if parts
    ]


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"port_rules": port_rules}
