# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a host from being a node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_problems
short_description: Tell what keeps a host from being a node
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Judges what was seen on a host, and what its variables and the properties of WCS say of each other.
positional: node
options:
  _input:
    description:
      - What the role's look at the host printed, lines such as C(Version=5.2.1537).
    type: str
    required: true
  node:
    description:
      - What the role knows of the node, with C(home), C(service), C(installed), C(balancers_group), C(balancers) (their networks), C(domains) (theirs),
        C(python) (its version, such as V(3.9.2)), C(family), C(release) (the major one, such as V(9)), C(supervisor) (of the agent), C(ws_port), C(http_port),
        C(limits), C(bandwidth) (keys of the statistics), C(rules) (of the firewall, as P(webcallserver.balancer.port_rules#filter) returns them; none
        where there is no firewall), C(properties) (as they will be), C(needed) (those that
        the role sets), C(wanted) (those that the operator sets) and C(cdn) (whether the other nodes are one).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what is wrong with a node that has 12 MB left
  ansible.builtin.debug:
    msg: "{{ look | webcallserver.balancer.node_problems(node) }}"
  vars:
    look: |
      Id=webcallserver.service
      LoadState=loaded
      ActiveState=active
      Free=12
    node:
      {home: /usr/local/FlashphonerWebCallServer, service: webcallserver, installed: true, balancers_group: wcs_balancers, balancers: [192.0.2.10/32],
       domains: [], python: 3.11.2, family: Debian, release: "12", supervisor: systemd, ws_port: 8080, http_port: 8081, limits: {}, bandwidth: {},
       rules: null, properties: {}, needed: {}, wanted: {}, cdn: false}
"""

RETURN = r"""
_value:
  description: A sentence or two for each problem, with the variable and the remedy; none where all is well.
  type: list
  elements: str
"""

import re
from fnmatch import fnmatchcase

# Megabytes that a run writes at most, with the backups of it
LEAST_FREE = 50
# Seconds that a clock may be off
MOST_OFF = 120
OLDEST = (5, 2)
OLDEST_PYTHON = (3, 9)
# Release of the RedHat family that no longer has xinetd; Amazon Linux counts in years
NO_XINETD = 9


class _Node:
    """What is known of the node."""

    def __init__(self, look, node):
        self.seen = {}
        for key, _equals, value in (line.partition("=") for line in look.splitlines()):
            self.seen.setdefault(key, []).append(value)
        self.units = dict(zip(self.seen.get("Id", []), zip(self.seen.get("LoadState", []), self.seen.get("ActiveState", []))))
        self.properties = {key: _text(value) for key, value in node["properties"].items()}
        self.__dict__.update({key: value for key, value in node.items() if key != "properties"})

    @property
    def unit(self):
        """LoadState and ActiveState of WCS."""
        return self.units.get(f"{self.service}.service", ("not-found", "inactive"))

    def first(self, key):
        return self.seen.get(key, [""])[0]

    def is_true(self, key):
        return self.properties.get(key, "").lower() == "true"

    def port(self, key, default):
        value = self.properties.get(key, "")
        return int(value) if value.isdigit() else default


def _text(value):
    """A value as the file has it."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value).strip()


def _absent(node):
    if not node.installed:
        yield (
            f"WCS is not installed on this host, {node.home}/conf/flashphoner.properties does not exist: "
            "install Web Call Server first, or set wcs_node_home to the directory that it is in."
        )
    if node.unit[0] != "loaded":
        yield f"This host has no service {node.service}: install Web Call Server first, or set wcs_node_service to the name of its systemd unit."
    elif node.unit[1] != "active" and not node.first("Java"):
        yield f"WCS (wcs_node_service, {node.service}) does not run, and this host has no Java to run it with: install the Java that WCS needs."


def _host(node):
    version = re.match(r"(\d+)\.(\d+)", node.first("Version"))
    if version and tuple(map(int, version.groups())) < OLDEST:
        yield f"WCS in wcs_node_home, {node.home}, is {node.first('Version')}, which cannot tell clients behind a balancer apart: upgrade it to 5.2 or later."
    free = node.first("Free")
    if free.isdigit() and int(free) < LEAST_FREE:
        yield f"The file system of wcs_node_home, {node.home}, has {free} MB left: free {LEAST_FREE} MB at least, the logs of WCS come first."
    off = int(node.first("Ahead") or 0)
    if abs(off) > MOST_OFF:
        yield f"The clock of this host is {abs(off)} s {'ahead of' if off > 0 else 'behind'} the controller's: switch time synchronization on, on both of them."


def _agent(node):
    python = tuple(map(int, node.python.split(".")[:2]))
    if python < OLDEST_PYTHON:
        yield (
            f"Python on this host is {node.python}, and the agent needs {'.'.join(map(str, OLDEST_PYTHON))}: "
            "install a newer one beside it, and name it in ansible_python_interpreter."
        )
    if node.supervisor == "xinetd" and node.family == "RedHat" and int(node.release) >= NO_XINETD and node.units.get("xinetd.service", ("",))[0] != "loaded":
        yield "wcs_node_agent_supervisor is xinetd, which this release does not have any more: leave it at systemd."


def _balancers(node):
    if not node.balancers:
        yield (
            f"No balancer may ask the agent, the inventory's group {node.balancers_group} is empty: put the balancers there, "
            "name their group in wcs_node_balancers_group, or list their addresses in wcs_node_balancer_addresses."
        )


def _ports(node):
    for key, variable, port in (("ws.port", "wcs_node_ws_port", node.ws_port), ("http.port", "wcs_node_http_port", node.http_port)):
        if node.port(key, int(port)) != int(port):
            yield (
                f"{variable} is {port}, but WCS listens on {node.properties[key]} ({key} in {node.home}/conf/flashphoner.properties): "
                f"set {variable} in the inventory, where the balancers read it too."
            )


def _overruled(node):
    """Properties that the operator sets to something else than the role has to."""
    for key, needed in node.needed.items():
        if key in node.wanted and _text(node.wanted[key]) != _text(needed):
            instead = "set the variables wcs_node_cdn_* instead" if key.startswith("cdn_") else "leave it out there"
            yield f"wcs_node_properties sets {key} to '{_text(node.wanted[key])}', but the balancer needs '{_text(needed)}': {instead}."
    if node.is_true("load_balancing_enabled"):
        yield "WCS balances by itself (load_balancing_enabled), beside HAProxy: set load_balancing_enabled to false in wcs_node_properties."
    if node.cdn and node.is_true("cdn_enabled") and "cdn_role" not in node.needed:
        yield (
            f"WCS is {node.properties.get('cdn_role') or 'edge'} in a CDN by its properties, but not by its variables, while other nodes are: "
            "set wcs_node_cdn_role in the inventory, or cdn_enabled to false in wcs_node_properties."
        )


def _domains(node):
    entries = [entry.strip().lower() for entry in node.properties.get("allow_domains", "").split(",") if entry.strip()]
    asking = {domain: f"pages of the balancer ({domain})" for domain in node.domains}
    if node.is_true("cdn_enabled") and node.properties.get("cdn_ip"):
        asking[node.properties["cdn_ip"]] = f"the CDN (cdn_ip, {node.properties['cdn_ip']})"
    for domain, called in asking.items() if entries else ():
        decides = next((entry for entry in entries if fnmatchcase(domain.lower(), entry.lstrip("!"))), "!")
        if decides.startswith("!"):
            yield f"allow_domains of WCS turns away {called}: put {domain} into allow_domains in wcs_node_properties, before what forbids it."


def _addresses(node):
    """Behind NAT, ip is the address outside and ip_local the one that the host has."""
    outside, inside = (node.properties.get(key, "") for key in ("ip", "ip_local"))
    unset, own = ("", "0.0.0.0"), node.seen.get("Address", [])
    if inside not in unset and inside not in own:
        yield f"ip_local of WCS is {inside}, which is no address of this host ({', '.join(own)}): set ip_local to one of them in wcs_node_properties."
    elif outside not in unset and outside not in own and inside in unset:
        yield f"ip of WCS is {outside}, which is outside of this host, so behind NAT: set ip_local to one of {', '.join(own)} in wcs_node_properties."
    if outside.startswith("127.") or outside == "::1":
        yield f"ip of WCS is {outside}, where no client reaches its media: set ip to the node's public address in wcs_node_properties."


def _media(node):
    first, last = node.port("media_port_from", 31001), node.port("media_port_to", 32000)
    # WCS takes the even ones, unless it is told to be compact, and never the last
    ports = len(range(first, last)) if node.is_true("compact_media_port_usage") else len(range(first + first % 2, last, 2))
    named = f"{ports} media ports (media_port_from {first}, media_port_to {last})"
    for limit in ("publishers", "subscribers"):
        if node.limits.get(limit) is not None and int(node.limits[limit]) > ports:
            yield f"{limit} in wcs_node_agent_limits is {node.limits[limit]}, but WCS has {named}: lower the limit, or widen the range in wcs_node_properties."
    if node.limits.get("media-ports-free") is not None and int(node.limits["media-ports-free"]) >= ports:
        yield f"media-ports-free in wcs_node_agent_limits is {node.limits['media-ports-free']}, but WCS has {named}: no session would ever be let in."
    let_in = set()
    for rule in node.rules or ():
        for begin, _dash, end in (span.partition("-") for span in rule["ports"] if (rule["action"], rule["protocol"]) == ("accept", "udp")):
            let_in |= set(range(int(begin), int(end or begin) + 1))
    if node.rules is not None and not let_in.issuperset(range(first, last)):
        yield f"Media of WCS, UDP {first}-{last}, are outside of what the firewall lets in: correct row media of wcs_node_ports, or media_port_from and _to."


def _statistics(node):
    named = [node.bandwidth[key] for key in ("in", "out") if node.bandwidth.get(key)]
    if named and not node.is_true("global_bandwidth_check_enabled"):
        yield f"wcs_node_agent_bandwidth reads {' and '.join(named)}, which WCS does not measure: set wcs_node_bandwidth_check, or leave the keys empty."


CHECKS = (_absent, _host, _agent, _balancers, _ports, _overruled, _domains, _addresses, _media, _statistics)


def node_problems(look, node):
    """Return the problems, the gravest first."""
    known = _Node(look, node)
    return [problem for check in CHECKS for problem in check(known)]


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"node_problems": node_problems}
