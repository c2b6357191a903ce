# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Where a node is in the CDN that the nodes make among themselves; what is wrong with it is a ValueError with the sentence."""

from __future__ import annotations

import ipaddress
import re
import typing as t

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]

# An address or a name
PLACE = re.compile(r"[A-Za-z0-9_:]([A-Za-z0-9_.:-]{0,251}[A-Za-z0-9_:])?")
GROUP = re.compile(r"[^,\s\x00-\x1f\x7f]{1,200}")


def cdn_address(host: str, hostvars: Hostvars) -> str:
    """Where the inventory says that a node is in the CDN."""
    return str(next((hostvars[host][key] for key in ("wcs_node_cdn_ip", "wcs_node_address", "ansible_host") if hostvars[host].get(key)), host))


def _is_name(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return True
    return False


def cdn_properties(
    host: str,
    hosts: t.Iterable[str],
    hostvars: Hostvars,
    role: str = "none",
    address: str = "",
    point_of_entry: str = "",
    groups: t.Iterable[str] = (),
) -> dict[str, t.Any]:
    """Return the properties of WCS by their names; None stands for one that has to go."""
    if role == "none":
        return {}
    address = address or cdn_address(host, hostvars)
    for variable, value in (("wcs_node_cdn_ip", address), ("wcs_node_cdn_point_of_entry", point_of_entry)):
        if value and not PLACE.fullmatch(str(value)):
            raise ValueError(f"{variable}: {str(value)[:80]!r} is neither an address nor a name; give one of them")
    others = {name: cdn_address(name, hostvars) for name in hosts if name != host and hostvars[name].get("wcs_node_cdn_role", "none") != "none"}
    origins = [name for name in others if hostvars[name]["wcs_node_cdn_role"] == "origin"]
    entry = point_of_entry or next((others[name] for name in origins), "")
    for name, other in others.items():
        if other == address:
            raise ValueError(f"wcs_node_cdn_ip: hosts '{host}' and '{name}' are both {address} in the CDN; give each an address of its own")
    if entry == address:
        raise ValueError(f"wcs_node_cdn_point_of_entry: {entry} is host '{host}' itself; name another node, or nothing to take the first origin")
    if role == "edge" and not entry:
        raise ValueError(
            f"wcs_node_cdn_role: '{host}' is an edge, but no host of its group is an origin; "
            "set wcs_node_cdn_role to origin in the inventory for one, or name one in wcs_node_cdn_point_of_entry"
        )
    for group in groups:
        if not GROUP.fullmatch(str(group)):
            raise ValueError(f"wcs_node_cdn_groups: {str(group)[:80]!r} is no name of a group; leave out blanks and commas")
    return {
        "cdn_enabled": True,
        "cdn_role": role,
        "cdn_ip": address,
        "cdn_nodes_resolve_ip": _is_name(address) or _is_name(entry or address),
        "cdn_point_of_entry": entry or None,
        "cdn_groups": ",".join(groups) or None,
    }
