# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Inventory hosts, or servers spelled out, as the servers of an HAProxy backend; what is wrong is a ValueError with the sentence."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from . import addresses
from .haproxy_limits import number, word

Server = t.Dict[str, t.Any]
Options = t.Mapping[str, t.Any]

# key of a server: what it is by itself
DEFAULTS: dict[str, int | None] = {"port": 8080, "check_port": 8081, "agent_port": 9707, "maxconn": None, "weight": None}

# key of a server: the inventory variable that has it
HOST_VARIABLES = {
    "port": "wcs_node_ws_port",
    "check_port": "wcs_node_http_port",
    "agent_port": "wcs_node_agent_port",
    "maxconn": "haproxy_lb_maxconn",
    "weight": "haproxy_lb_weight",
}


def _from_inventory(name: str, hostvars: t.Mapping[str, Options]) -> tuple[Options, dict[str, str]]:
    """What the inventory has of a host, and how the sources are called in an error."""
    variables = hostvars[name]
    address_variable = next((key for key in ("wcs_node_address", "ansible_host") if variables.get(key)), None)
    row = {"name": name, "address": variables[address_variable] if address_variable else name}
    row.update({key: variables[variable] for key, variable in HOST_VARIABLES.items() if variables.get(variable) is not None})
    called = {key: f"{variable} of host {addresses.shown(name)}" for key, variable in HOST_VARIABLES.items()}
    called["address"] = f"wcs_node_address of host {addresses.shown(name)}"
    called["name"] = "the name of a host in the inventory"
    # Agents grade unless they are told not to
    graded = variables.get("wcs_node_agent_graded", True)
    try:
        row["graded"] = boolean(graded)
    except TypeError:
        raise ValueError(f"wcs_node_agent_graded of host {addresses.shown(name)}: {addresses.shown(graded)} is neither true nor false") from None
    return row, called


def _spelled_out(entry: Options, position: int, variable: str) -> tuple[Options, dict[str, str]]:
    """The same for a server that is in no inventory."""
    for key in ("name", "address"):
        if not entry.get(key):
            raise ValueError(f"{variable}: server {position} has no {key}; give each server a name and an address")
    name = addresses.shown(entry["name"])
    unknown = sorted(map(str, set(entry) - {"name", "address", *DEFAULTS}))
    if unknown:
        raise ValueError(f"{variable}: server {name} has the unknown key {addresses.shown(unknown[0])}; known are name, address, {', '.join(DEFAULTS)}")
    row = {key: value for key, value in entry.items() if value is not None}
    return row, {key: f"{key} of server {name} in {variable}" for key in ("name", "address", *DEFAULTS)}


def _address(value: object, called: str) -> str:
    try:
        host = addresses.host(value)
    except ValueError as error:
        raise ValueError(f"{called}: {error}") from None
    return f"[{host}]" if ":" in host else host


def _server(row: Options, called: t.Mapping[str, str], maxconn: int) -> Server:
    server: Server = {"name": word("server", row["name"], called["name"]), "address": _address(row["address"], called["address"])}
    for key, default in {**DEFAULTS, "maxconn": maxconn}.items():
        server[key] = number(key, row[key], called[key]) if key in row else default
    server["graded"] = bool(row.get("graded", False)) and server["agent_port"] != 0
    return server


def _with_weights(servers: list[Server]) -> list[Server]:
    """Fill in the weights nobody chose: in proportion to maxconn, the smallest 100 where HAProxy's limit of 256 leaves room.

    A weight below 100 would lose the agent's finest grades: HAProxy rounds a percentage of it down, in the end to 0, which drains.
    """
    open_ones = [server for server in servers if server["weight"] is None]
    if open_ones:
        sizes = [server["maxconn"] for server in open_ones]
        scale = min(100 / min(sizes), 256 / max(sizes))
        for server in open_ones:
            server["weight"] = max(1, round(server["maxconn"] * scale))
    return servers


def servers_of(
    entries: t.Iterable[t.Any], hostvars: t.Mapping[str, Options] | None = None, maxconn: int = 4000, variable: str = "haproxy_lb_servers"
) -> list[Server]:
    """Return the servers of a backend, in the order given."""
    servers = []
    for position, entry in enumerate(entries, start=1):
        row, called = _spelled_out(entry, position, variable) if isinstance(entry, t.Mapping) else _from_inventory(str(entry), hostvars or {})
        servers.append(_server(row, called, maxconn))
    for what, keys in (("the name", ("name",)), ("the address and port", ("address", "port"))):
        known: dict[tuple[t.Any, ...], str] = {}
        for server in servers:
            value = tuple(server[key] for key in keys)
            if value in known:
                raise ValueError(
                    f"servers '{known[value]}' and '{server['name']}' have {what} {':'.join(map(str, value))} in common; "
                    "make wcs_node_address (or the entries of haproxy_lb_servers) differ"
                )
            known[value] = server["name"]
    return _with_weights(servers)
