# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What stands in the way of making a host a node, a sentence each, with its remedy."""

from __future__ import annotations

import functools
import re
import types
import typing as t
from fnmatch import fnmatchcase
from importlib.machinery import SourceFileLoader
from pathlib import Path

from .firewall import Row, Rule, port_rules
from .node import Plan

# Megabytes that a run writes at most, with the backups of it
LEAST_FREE = 50
# Seconds that a clock may be off
MOST_OFF = 120
OLDEST = (5, 2)
OLDEST_PYTHON = (3, 9)
# Release of the RedHat family that no longer has xinetd; Amazon Linux counts in years
NO_XINETD = 9

# What units and command lines of the node are made of
PLAIN_PATH = re.compile(r"/[A-Za-z0-9._+@/-]{0,400}")
PLAIN_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,200}")


class _Node:
    """What is known of the node."""

    def __init__(self, host: t.Mapping[str, t.Any], node: t.Mapping[str, t.Any]) -> None:
        self.host = host
        self.options: t.Mapping[str, t.Any] = node["options"]
        self.plan: Plan = node["plan"]
        self.table: t.Sequence[Row] = node["table"]
        self.agent: t.Mapping[str, t.Any] = node["agent"]
        self.agent_python = str(node["agent_python"])
        self.python, self.family, self.release = str(node["python"]), str(node["family"]), str(node["release"])
        self.file_problem = str(node["file"].get("msg") or "") if "effective" not in node["file"] else ""
        self.properties = {str(key): _text(value) for key, value in (node["file"].get("effective") or {}).items()}

    @property
    def home(self) -> str:
        return str(self.options["home"])

    @property
    def unit(self) -> dict[str, str]:
        """What systemd says of WCS."""
        unit: dict[str, str] = self.host["units"].get(f"{self.options['service']}.service", {})
        return unit

    def is_true(self, key: str) -> bool:
        return self.properties.get(key, "").lower() == "true"

    def port(self, key: str, default: int) -> int:
        value = self.properties.get(key, "")
        return int(value) if re.fullmatch("[0-9]{1,5}", value) else default

    def rules(self) -> list[Rule]:
        """Rules of the firewall, before anybody has looked for the ports of SSH; ValueError where the table makes none."""
        networks: dict[str, t.Iterable[object]] = {
            "balancers": self.plan["balancers"],
            "admins": self.options["admin_networks"],
            "peers": self.plan["peers"],
            "agents": self.options["agent_networks"],
        }
        return port_rules(self.table, networks, changes=self.options["ports_from"], properties=self.properties)


def _text(value: object) -> str:
    """A value as the file has it."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value).strip()


def _values(node: _Node) -> t.Iterator[str]:
    """Texts that units and command lines are made of."""
    if not PLAIN_PATH.fullmatch(node.home):
        yield f"wcs_node_home is {node.home!r}: give an absolute path of letters, digits and . _ + @ - alone."
    if not PLAIN_UNIT.fullmatch(node.options["service"]):
        yield f"wcs_node_service is {node.options['service']!r}: give the name of a systemd unit, such as webcallserver."
    for key in ("ws_port", "http_port"):
        if not 1 <= node.options[key] <= 65535:
            yield f"wcs_node_{key} is {node.options[key]}: give a port from 1 to 65535."
    if not 1 <= node.options["restart_seconds"] <= 3600:
        yield f"wcs_node_restart_seconds is {node.options['restart_seconds']}: give 1 to 3600 seconds."
    yield from node.plan["problems"]


def _absent(node: _Node) -> t.Iterator[str]:
    service = node.options["service"]
    if "does not exist" in node.file_problem:
        yield (
            f"WCS is not installed on this host, {node.home}/conf/flashphoner.properties does not exist: "
            "install Web Call Server first, or set wcs_node_home to the directory that it is in."
        )
    elif node.file_problem:
        yield node.file_problem
    if node.unit.get("LoadState") == "masked":
        yield f"The service {service} of this host is masked, so that WCS cannot be started: unmask it with 'systemctl unmask {service}'."
    elif node.unit.get("LoadState") != "loaded":
        yield f"This host has no service {service}: install Web Call Server first, or set wcs_node_service to the name of its systemd unit."
    elif node.unit["ActiveState"] != "active" and not node.host["java"]:
        yield f"WCS (wcs_node_service, {service}) does not run, and this host has no Java to run it with: install the Java that WCS needs."


def _host(node: _Node) -> t.Iterator[str]:
    yield from node.host["unreadable"]
    version = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", node.host["version"])
    if version and tuple(map(int, version.groups())) < OLDEST:
        yield f"WCS in wcs_node_home, {node.home}, is {node.host['version']}, which cannot tell clients behind a balancer apart: upgrade it to 5.2 or later."
    if node.host["free"] < LEAST_FREE:
        yield f"The file system of wcs_node_home, {node.home}, has {node.host['free']} MB left: free {LEAST_FREE} MB at least, the logs of WCS come first."
    off = node.host["ahead"]
    if abs(off) > MOST_OFF:
        yield f"The clock of this host is {abs(off)} s {'ahead of' if off > 0 else 'behind'} the controller's: switch time synchronization on, on both of them."
    most, descriptors = node.plan["maxconn"], node.host["descriptors"]
    if descriptors and most > descriptors:
        yield (
            f"The balancers together send up to {most} sessions to this node (haproxy_lb_maxconn), but its WCS has {descriptors} file descriptors: "
            f"lower haproxy_lb_maxconn, or raise WCS_FD_LIMIT in {node.home}/bin/setenv.sh."
        )
    if ":" in node.plan["address"] and node.host["prefers_ipv4"]:
        yield (
            f"wcs_node_address is {node.plan['address']}, but Java is told to listen on IPv4 alone (-Djava.net.preferIPv4Stack=true in "
            f"{node.home}/conf/wcs-core.properties): give an IPv4 address, or take that line out."
        )


def _has_xinetd(node: _Node) -> bool:
    return bool(node.host["units"].get("xinetd.service", {}).get("LoadState") == "loaded")


def _agent(node: _Node) -> t.Iterator[str]:
    python = tuple(map(int, node.python.split(".")[:2]))
    if python < OLDEST_PYTHON:
        yield (
            f"Python on this host is {node.python}, and the agent needs {'.'.join(map(str, OLDEST_PYTHON))}: "
            "install a newer one beside it, and name it in ansible_python_interpreter."
        )
    if tuple(map(int, re.findall("[0-9]+", node.agent_python)[:2])) < OLDEST_PYTHON:
        yield (
            "The agent runs with the distribution's /usr/bin/python3, and needs 3.9 or newer; this host has "
            f"{node.agent_python or 'none'}: take a newer release of the distribution for this node."
        )
    if node.options["agent_supervisor"] == "xinetd" and node.family == "RedHat" and int(node.release) >= NO_XINETD and not _has_xinetd(node):
        yield "wcs_node_agent_supervisor is xinetd, which this release does not have any more: leave it at systemd."


@functools.cache
def _agent_program() -> types.ModuleType:
    """The agent itself: one file without a package around it, since that is what a node gets."""
    path = Path(__file__).resolve().parents[2] / "roles" / "wcs_node" / "files" / "wcs_agent.py"
    loader = SourceFileLoader("wcs_agent", str(path))
    module = types.ModuleType(loader.name)
    module.__file__ = loader.path
    loader.exec_module(module)
    return module


def _settings(node: _Node) -> t.Iterator[str]:
    """What the agent would refuse, asked of the agent itself."""
    agent = _agent_program()
    try:
        agent.make_settings(node.agent)
    except agent.SettingsError as problem:
        yield f"The agent refuses its settings: wcs_node_agent_{problem}."


def _balancers(node: _Node) -> t.Iterator[str]:
    if not node.plan["balancers"]:
        yield (
            f"No balancer may ask the agent, the inventory's group {node.options['balancers_group']} is empty: put the balancers there, "
            "name their group in wcs_node_balancers_group, or list their addresses in wcs_node_balancer_addresses."
        )


def _family(node: _Node) -> t.Iterator[str]:
    address, balancers = node.plan["address"], node.plan["balancers"]
    if address and balancers and all((":" in network) != (":" in address) for network in balancers):
        yield (
            f"wcs_node_address is {address}, but the balancers come from {', '.join(balancers)} alone, and the firewall lets nobody else in: "
            "give them addresses of the same kind in haproxy_lb_addresses, or the node one of theirs in wcs_node_address."
        )


def _ports(node: _Node) -> t.Iterator[str]:
    for key, variable, port in (("ws.port", "wcs_node_ws_port", node.options["ws_port"]), ("http.port", "wcs_node_http_port", node.options["http_port"])):
        if node.port(key, port) != port:
            yield (
                f"{variable} is {port}, but WCS listens on {node.properties[key]} ({key} in {node.home}/conf/flashphoner.properties): "
                f"set {variable} in the inventory, where the balancers read it too."
            )


def _overruled(node: _Node) -> t.Iterator[str]:
    """Properties that the operator sets to something else than the role has to."""
    wanted = node.options["properties"]
    for key, needed in node.plan["needed"].items():
        if key in wanted and _text(wanted[key]) != _text(needed):
            instead = "set the variables wcs_node_cdn_* instead" if key.startswith("cdn_") else "leave it out there"
            yield f"wcs_node_properties sets {key} to '{_text(wanted[key])}', but the balancer needs '{_text(needed)}': {instead}."
    if node.is_true("load_balancing_enabled"):
        yield "WCS balances by itself (load_balancing_enabled), beside HAProxy: set load_balancing_enabled to false in wcs_node_properties."
    if node.plan["cdn"] and node.is_true("cdn_enabled") and "cdn_role" not in node.plan["needed"]:
        yield (
            f"WCS is {node.properties.get('cdn_role') or 'edge'} in a CDN by its properties, but not by its variables, while other nodes are: "
            "set wcs_node_cdn_role in the inventory, or cdn_enabled to false in wcs_node_properties."
        )


def _domains(node: _Node) -> t.Iterator[str]:
    entries = [entry.strip().lower() for entry in node.properties.get("allow_domains", "").split(",") if entry.strip()]
    asking = {domain: f"pages of the balancer ({domain})" for domain in node.plan["domains"]}
    if node.is_true("cdn_enabled") and node.properties.get("cdn_ip"):
        asking[node.properties["cdn_ip"]] = f"the CDN (cdn_ip, {node.properties['cdn_ip']})"
    for domain, called in asking.items() if entries else ():
        decides = next((entry for entry in entries if fnmatchcase(domain.lower(), entry.lstrip("!"))), "!")
        if decides.startswith("!"):
            yield f"allow_domains of WCS turns away {called}: put {domain} into allow_domains in wcs_node_properties, before what forbids it."


def _addresses(node: _Node) -> t.Iterator[str]:
    """Behind NAT, ip is the address outside and ip_local the one that the host has."""
    outside, inside = (node.properties.get(key, "") for key in ("ip", "ip_local"))
    unset, own = ("", "0.0.0.0"), node.host["addresses"]
    if inside not in unset and inside not in own:
        yield f"ip_local of WCS is {inside}, which is no address of this host ({', '.join(own)}): set ip_local to one of them in wcs_node_properties."
    elif outside not in unset and outside not in own and inside in unset:
        yield f"ip of WCS is {outside}, which is outside of this host, so behind NAT: set ip_local to one of {', '.join(own)} in wcs_node_properties."
    if outside.startswith("127.") or outside == "::1":
        yield f"ip of WCS is {outside}, where no client reaches its media: set ip to the node's public address in wcs_node_properties."


def _media(node: _Node) -> t.Iterator[str]:
    first, last = node.port("media_port_from", 31001), node.port("media_port_to", 32000)
    # WCS takes the even ones, unless it is told to be compact, and never the last
    ports = len(range(first, last)) if node.is_true("compact_media_port_usage") else len(range(first + first % 2, last, 2))
    named = f"{ports} media ports (media_port_from {first}, media_port_to {last})"
    limits = node.options["agent_limits"]
    for limit in ("publishers", "subscribers"):
        if limits.get(limit) is not None and limits[limit] > ports:
            yield f"{limit} in wcs_node_agent_limits is {limits[limit]}, but WCS has {named}: lower the limit, or widen the range in wcs_node_properties."
    if limits.get("media-ports-free") is not None and limits["media-ports-free"] >= ports:
        yield f"media-ports-free in wcs_node_agent_limits is {limits['media-ports-free']}, but WCS has {named}: no session would ever be let in."
    try:
        rules = node.rules()
    except ValueError as problem:
        yield f"{str(problem).rstrip('.')}."
        return
    let_in: set[int] = set()
    for rule in rules:
        if (rule["action"], rule["protocol"]) == ("accept", "udp"):
            for begin, _dash, end in (span.partition("-") for span in rule["ports"]):
                let_in |= set(range(int(begin), int(end or begin) + 1))
    if node.options["firewall"] != "none" and not let_in.issuperset(range(first, last)):
        yield f"Media of WCS, UDP {first}-{last}, are outside of what the firewall lets in: correct row media of wcs_node_ports, or media_port_from and _to."


def _statistics(node: _Node) -> t.Iterator[str]:
    bandwidth = node.options["agent_bandwidth"]
    named = [bandwidth[key] for key in ("in", "out") if bandwidth.get(key)]
    if named and not node.is_true("global_bandwidth_check_enabled"):
        yield f"wcs_node_agent_bandwidth reads {' and '.join(named)}, which WCS does not measure: set wcs_node_bandwidth_check, or leave the keys empty."


CHECKS = (_values, _absent, _host, _agent, _settings, _balancers, _family, _ports, _overruled, _domains, _addresses, _media, _statistics)


def node_problems(host: t.Mapping[str, t.Any], node: t.Mapping[str, t.Any]) -> list[str]:
    """Return the problems, the gravest first.

    host is the answer to wcs of host_look; node has the options, the plan, the file of properties, the table of ports, Python, family and release
    of the host, and the Python that the agent gets.
    """
    if not host["root"]:
        return ["This run is not root on the host, so that it can neither see nor change what it has to: set 'become: true', or connect as root."]
    known = _Node(host, node)
    # A text that goes on in another line, or moves the cursor, is shown and does neither
    return ["".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in problem) for check in CHECKS for problem in check(known)]
