# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What the inventory means for a node, and the problems of that, a sentence each."""

from __future__ import annotations

import ipaddress
import typing as t

from .cdn import Hostvars, cdn_properties
from .networks import host_networks

MAXCONN = 4000
# The network of nobody, where it could not be found out whose it is
NOBODY = ["0.0.0.0/32"]

_Result = t.TypeVar("_Result")


class Plan(t.TypedDict):
    """What the other hosts mean for a node."""

    balancers: list[str]  # networks
    peers: list[str]  # networks of the other nodes
    needed: dict[str, t.Any]  # properties of WCS; None stands for one that has to go
    address: str  # where the node is, if that is an address
    domains: list[str]  # of the balancers
    maxconn: int  # sessions that all balancers together send it
    cdn: bool  # whether other nodes are in a CDN
    problems: list[str]


def _number(value: object, default: int) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def node_plan(options: t.Mapping[str, t.Any], host: str, groups: t.Mapping[str, t.Iterable[str]], hostvars: Hostvars) -> Plan:
    """Plan a node; what could not be found out is a problem, and the rest of the plan stands."""
    problems: list[str] = []

    def found(function: t.Callable[[], _Result], otherwise: _Result) -> _Result:
        try:
            return function()
        except ValueError as problem:
            problems.append(f"{str(problem).rstrip('.')}.")
            return otherwise

    nodes = list(groups.get(options["group"], []))
    balancers = list(groups.get(options["balancers_group"], []))
    peers = [name for name in nodes if name != host]
    needed: dict[str, t.Any] = {"ws.map_custom_headers": True, "ws.ip_forward_header": "X-Client-IP"}
    if options["bandwidth_check"]:
        needed["global_bandwidth_check_enabled"] = True
    cdn = (options["cdn_role"], options["cdn_ip"], options["cdn_point_of_entry"], options["cdn_groups"])
    none: dict[str, t.Any] = {}
    needed |= found(lambda: cdn_properties(host, nodes, hostvars, *cdn), none)
    address = str(next((hostvars[host][key] for key in ("wcs_node_address", "ansible_host") if hostvars[host].get(key)), host))
    own = hostvars[host].get("haproxy_lb_maxconn")
    return {
        "balancers": options["balancer_addresses"] or found(lambda: host_networks(balancers, hostvars, "haproxy_lb_addresses"), NOBODY),
        "peers": found(lambda: host_networks(peers, hostvars, "wcs_node_address", also="wcs_node_cdn_ip"), []),
        "needed": needed,
        "address": address if _is_address(address) else "",
        "domains": list(dict.fromkeys(str(hostvars[name]["haproxy_lb_domain"]) for name in balancers if hostvars[name].get("haproxy_lb_domain"))),
        # They share it out
        "maxconn": max((_number(own or hostvars[name].get("haproxy_lb_maxconn"), MAXCONN) for name in balancers), default=0),
        "cdn": any(hostvars[name].get("wcs_node_cdn_role", "none") in ("origin", "edge") for name in peers),
        "problems": problems,
    }
