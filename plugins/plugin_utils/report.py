# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visit to the balancers and their nodes has shown, judged row by row."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .firewall import read_look
from .run import brief

Row = dict[str, t.Any]
Seen = Mapping[str, t.Any]
# Below it a certificate should have been renewed: nine days of ninety, half a day of six
LEAST_PERCENT = 10
LISTED = 3
CLIENT = re.compile(r"/(.+):([0-9]{1,5})")


def row(where: str, what: str, ok: bool, detail: t.Any) -> Row:
    """Return one thing that was looked at; what others wrote becomes one printable line."""
    said = brief(detail)
    return {"where": where, "what": what, "ok": bool(ok), "detail": said, "line": f"{'ok  ' if ok else 'FAIL'}  {where:<16}  {what:<34}  {said}"}


def reached(name: str, asked: Seen | None) -> Row | None:
    """Return a row for a host that could not be asked."""
    if not asked or asked.get("problem") == "":
        return None
    what = {"unreachable": "cannot be reached", "rights": "Ansible is not root there"}.get(str(asked.get("problem")), "could not be asked")
    return row(name, "host", False, f"{what}: {asked.get('detail', '')}")


def in_force_rows(name: str, results: Iterable[tuple[str, Seen | None]]) -> Iterator[Row]:
    """Judge whether services run on what lies on disk."""
    for what, result in results:
        if not result or result.get("skipped"):
            continue
        if "in_force" not in result:
            yield row(name, f"{what} in force", False, result.get("msg", "it could not be looked at"))
        else:
            reasons = result.get("reasons") or []
            yield row(name, f"{what} in force", result["in_force"], "; ".join(map(str, reasons)) or "runs on its files")


def wcs_in_force(result: Seen | None) -> Seen | None:
    """Tell in the words of the others what flashphoner_properties would change, and what WCS has not read yet."""
    if not result or "changed_keys" not in result:
        return result
    wrong = {"are not set": result["changed_keys"], "are in the file, and WCS has not read them": result.get("pending_keys") or []}
    reasons = [f"{', '.join(keys)} {what}" for what, keys in wrong.items() if keys]
    if not result.get("active", True):
        reasons.append("it does not run")
    return {"in_force": not reasons, "reasons": reasons}


def ports_in_force(result: Seen | None, role: str) -> Seen | None:
    """Tell in the words of the others what the look at a firewall has shown."""
    if not result or "stdout_lines" not in result:
        return result
    look = read_look(result["stdout_lines"], role)
    if not look.touched:
        return None
    wrong = [name for name in look.touched if not look.in_force(name)]
    return {"in_force": not wrong, "reasons": [f"the rules of {name} are not all in the kernel" for name in wrong]}


def server_row(name: str, server: Seen) -> Row:
    """Judge how HAProxy sees one node. What somebody wanted is no fault."""
    # A question that is under way puts a star before the answer to the last one
    status, agent, said = str(server.get("status", "")), str(server.get("agent_status", "L7OK")).removeprefix("* "), str(server.get("last_agt", ""))
    detail = f"{status}, weight {server.get('weight')}, {server.get('agent_status', 'no agent')} {said}".replace(" : ", " ")
    ok = status == "UP" and agent == "L7OK"
    if status.startswith("DRAIN") and agent == "L7OK":
        ok, detail = True, f"drained by {'its agent' if 'drain' in said else 'hand on the balancer'}: {detail}"
    elif status == "MAINT":
        ok, detail = True, f"in maintenance by hand on the balancer: {detail}"
    return row(f"{name} -> {server.get('name')}", "view of HAProxy", ok, detail)


def visit_rows(name: str, visit: Seen) -> Iterator[Row]:
    """Judge the visit to one balancer from outside."""
    here = f"here -> {name}"
    if "page" not in visit:
        yield row(here, "page and WebSockets", False, visit.get("msg", "there was no visit"))
        return
    page, certificate = visit["page"], visit.get("certificate", {})
    yield row(here, "page over TLS", 200 <= page["status"] < 400, f"{page['status']}, {page['size']} bytes")
    if certificate:
        left = f"{certificate['days_left']} days, {certificate['percent_left']} % of its lifetime left"
        yield row(
            here, "certificate", certificate["percent_left"] >= LEAST_PERCENT, f"until {certificate['not_after']}: {left}; serial {certificate['serial']}"
        )
    answers = [session["answer"] for session in visit["sessions"]]
    others = sorted(set(answers) - {"getUserData"})
    yield row(here, "WebSockets", bool(answers) and not others, f"{len(answers)} established{', answered with ' + ', '.join(others) if others else ''}")
    yield from port_rows(visit.get("ports", []))


def port_rows(ports: Sequence[Seen]) -> Iterator[Row]:
    """Judge the ports that are closed to strangers, a row for each host."""
    for host in dict.fromkeys(port["host"] for port in ports):
        states: dict[str, list[str]] = {}
        for port in ports:
            if port["host"] == host:
                states.setdefault(port["state"], []).append(f"{port['name']} {port['port']}")
        told = {"open": "open to strangers", "closed": "closed", "known": "not tried, as it may come from here"}
        yield row(
            f"here -> {host}", "ports", "open" not in states, "; ".join(f"{told[state]}: {', '.join(states[state])}" for state in told if state in states)
        )


def balancer_rows(name: str, seen: Seen) -> Iterator[Row]:
    """Judge one balancer: what runs there, how it sees its nodes, and the visit from outside."""
    unasked = reached(name, seen.get("wcs_verify_asked"))
    if unasked:
        yield unasked
    else:
        haproxy = seen.get("wcs_verify_haproxy") or {}
        servers = [server for server in haproxy.get("servers", []) if str(server["backend"]).startswith("wcs_back")]
        if not servers:
            yield row(name, "HAProxy", False, haproxy.get("msg", "it knows of no node"))
        yield from (server_row(name, server) for server in servers)
        held = sum(worker["sessions"] for worker in haproxy.get("old_workers", []))
        if held:
            yield row(name, "workers from before a reload", True, f"{len(haproxy['old_workers'])} with {held} sessions to end")
        yield from in_force_rows(name, ((what, seen.get(f"wcs_verify_{what}_in_force")) for what in ("haproxy", "nginx")))
    yield from visit_rows(name, seen.get("wcs_verify_visit") or {})


def place(text: str) -> tuple[t.Any, int] | None:
    """Return address and port of the client in a session's id, /ADDRESS:PORT/…, None where there is none."""
    match = CLIENT.match(f"/{text.lstrip('/').partition('/')[0]}")
    return _place(match[1], match[2]) if match else None


def _place(address: str, port: str) -> tuple[t.Any, int] | None:
    try:
        found = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found, int(port)


def visitors(visit: Seen) -> list[tuple[t.Any, int] | None]:
    """Return our own address and port in each session."""
    return [_place(*session["address"].rpartition(":")[::2]) for session in visit.get("sessions", [])]


def identifiers(info: Seen) -> list[str]:
    """Return what the node calls its sessions."""
    return [str(connection.get("sessionId", "")) for connection in info.get("connections", [])]


def node_rows(name: str, info: Seen, ours: Sequence[str], strangers: set[t.Any], forged: str) -> Iterator[Row]:
    """Judge one node: its statistics, and whose address its sessions carry."""
    if "statistics" not in info:
        yield row(name, "statistics and sessions", False, info.get("msg", "it was not asked"))
        return
    websockets = info["statistics"].get("connection", {}).get("connections_websocket")
    yield row(name, "statistics", isinstance(websockets, int), f"connections_websocket={websockets}")
    believed = re.compile(rf"(?<![0-9.]){re.escape(forged)}(?![0-9.])")
    deceived = [identifier for identifier in identifiers(info) if believed.search(identifier)]
    hidden = [identifier for identifier in identifiers(info) if (found := place(identifier)) and found[0] in strangers]
    if deceived:
        detail = f"a forged address is believed: {deceived[0]}"
    elif hidden:
        detail = f"the balancer's address stands in place of the client's: {hidden[0]}"
    else:
        detail = ours[0] if ours else "nobody was sent here"
    yield row(name, "address of the client in sessionId", not deceived and not hidden, detail)


def listed(value: t.Any) -> list[str]:
    """Return a list as it comes from an inventory, where roles take a text with commas for one as well."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) and value else [str(part) for part in value or ()]


def addresses(seen: Seen) -> set[t.Any]:
    """Return the addresses that a host may have for the others."""
    own = [*listed(seen.get("haproxy_lb_addresses")), seen.get("wcs_node_address"), seen.get("ansible_host")]
    return {found[0] for address in own if address and (found := _place(str(address), "0"))}


def report(hostvars: Mapping[str, Seen], balancers: Sequence[str], nodes: Sequence[str], forged: str) -> list[Row]:
    """Return a row for each thing that was looked at. A host that --limit leaves out was not, which is no fault."""
    rows: list[Row] = []
    came: list[tuple[t.Any, int] | None] = []
    asked_balancers = [name for name in balancers if "wcs_verify_asked" in hostvars[name]]
    asked_nodes = [name for name in nodes if "wcs_verify_asked" in hostvars[name]]
    for name in asked_balancers:
        rows.extend(balancer_rows(name, hostvars[name]))
        came += visitors(hostvars[name].get("wcs_verify_visit") or {})
    own = {found[0] for found in came if found}
    strangers = set().union(*(addresses(hostvars[name]) for name in balancers)) - own if came else set()
    count = 0
    for name in asked_nodes:
        unasked = reached(name, hostvars[name]["wcs_verify_asked"])
        info = hostvars[name].get("wcs_verify_node") or {}
        ours = [identifier for identifier in identifiers(info) if place(identifier) in came and place(identifier)]
        count += len(ours)
        rows.extend([unasked] if unasked else node_rows(name, info, ours, strangers, forged))
        if not unasked:
            seen = hostvars[name]
            looks = {
                "agent": seen.get("wcs_verify_agent_in_force"),
                "wcs": wcs_in_force(seen.get("wcs_verify_wcs")),
                "ports": ports_in_force(seen.get("wcs_verify_firewall"), "wcs_node"),
            }
            rows.extend(in_force_rows(name, looks.items()))
    if came and asked_nodes:
        elsewhere = len(asked_nodes) < len(nodes) or any(hostvars[name].get("haproxy_lb_servers") for name in asked_balancers)
        ok = count > 0 if elsewhere else count == len(came)
        detail = f"{count} of {len(came)} are on the nodes that were asked"
        rows.append(
            row("all nodes", "sessions of the visit", ok, detail + ("" if ok else "; where addresses are translated on the way here, verify from elsewhere"))
        )
    missing = [name for name in (*balancers, *nodes) if name not in asked_balancers and name not in asked_nodes]
    if missing:
        more = f" and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
        rows.append(row("this run", "hosts", True, f"--limit leaves out {', '.join(missing[:LISTED])}{more}"))
    return rows


def closed_ports(hostvars: Mapping[str, Seen], balancers: Sequence[str], nodes: Sequence[str]) -> list[dict[str, t.Any]]:
    """Return the ports that are closed to strangers, as wcs_probe takes them.

    A row of a node's ports that its variables open to somebody else is left out, and so are nodes without a firewall of ours.
    """
    of_balancers = sorted(str(address) for address in set().union(set(), *(addresses(hostvars[name]) for name in balancers)))
    found = []
    for name in nodes:
        seen = hostvars[name]
        open_to_world = str(seen.get("wcs_node_ports_open_to_world", False)).lower() in ("true", "yes", "1", "on")
        if seen.get("wcs_node_firewall") == "none" or "wcs_node_ports" in seen or open_to_world:
            continue
        given = listed(seen.get("wcs_node_balancer_addresses")) or of_balancers
        admins, agent = listed(seen.get("wcs_node_admin_networks")), listed(seen.get("wcs_node_agent_networks"))
        for what, port, known in (
            ("ws", seen.get("wcs_node_ws_port", 8080), given),
            ("http", seen.get("wcs_node_http_port", 8081), [*given, *admins]),
            ("agent", seen.get("wcs_node_agent_port", 9707), [*given, *agent]),
        ):
            if what not in (seen.get("wcs_node_ports_from") or {}):
                own = [str(address) for address in addresses(seen)]
                found.append({"host": name, "name": what, "address": _host(name, seen), "port": int(port), "known": [*known, *own]})
    for name in balancers:
        seen = hostvars[name]
        host, _colon, port = str(seen.get("haproxy_lb_web_address", "127.0.0.1:8180")).rpartition(":")
        if host.strip("[]") in ("127.0.0.1", "::1", "localhost") and "websdk_nginx_listen" not in seen and port.isdigit():
            found.append(
                {"host": name, "name": "pages", "address": _host(name, seen), "port": int(port), "known": [str(address) for address in addresses(seen)]}
            )
    return found


def _host(name: str, seen: Seen) -> str:
    return str(seen.get("ansible_host", name))
