# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what a visit to the balancers and their nodes has shown."""

from __future__ import annotations

DOCUMENTATION = r"""
name: verify_report
short_description: Judge what a visit to the balancers and their nodes has shown
version_added: 1.0.0
author:
  - webcallserver.balancer contributors
description:
  - Reads the results that C(playbooks/verify.yml) registered on each host, and returns them as one row for each thing that was looked at.
options:
  _input:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  balancers:
    description: Names of the balancers.
    type: list
    elements: str
    required: true
  nodes:
    description: Names of the nodes.
    type: list
    elements: str
    required: true
  forged:
    description: The address that the visit claimed to come from, which nobody may believe.
    type: str
    required: true
positional: balancers, nodes, forged
"""

EXAMPLES = r"""
- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ hostvars | webcallserver.balancer.verify_report(['lb1'], ['wcs1'], '192.0.2.66') | rejectattr('ok') }}"
"""

RETURN = r"""
_value:
  description: The rows.
  type: list
  elements: dict
  contains:
    where:
      description: The host, or a path through several.
      type: str
    what:
      description: What was looked at.
      type: str
    ok:
      description: Whether it is as it should be.
      type: bool
    detail:
      description: What was seen.
      type: str
    line:
      description: All of it as a line of a table.
      type: str
  sample:
    - {"where": "lb1 -> wcs1", "what": "reply of the agent", "ok": true, "detail": "up", "line": "ok    lb1 -> wcs1  reply of the agent  up"}
"""


def row(where, what, ok, detail):
    line = f"{'ok  ' if ok else 'FAIL'}  {where:<16}  {what:<34}  {detail}"
    return {"where": where, "what": what, "ok": bool(ok), "detail": str(detail), "line": line}


def balancer_rows(name, agents, haproxy, probe):
    """Judge one balancer: the agents' replies as it gets them, its servers, and the visit from outside."""
    for result in agents.get("results", []):
        failed = result.get("failed", False)
        yield row(f"{name} -> {result['item']}", "reply of the agent", not failed, result["msg"] if failed else "up")
    if haproxy.get("failed"):
        yield row(name, "HAProxy", False, haproxy["msg"])
    nodes = [server for server in haproxy.get("servers", []) if server["backend"].startswith("wcs_back")]
    if not nodes and not haproxy.get("failed"):
        yield row(name, "HAProxy", False, "it knows of no node")
    for server in nodes:
        detail = f"{server['status']}, weight {server['weight']}, {server.get('agent_status', 'no agent')} {server.get('last_agt', '')}".replace(" : ", " ")
        yield row(f"{name} -> {server['name']}", "view of HAProxy", server["status"] == "UP" and server.get("agent_status", "L7OK") == "L7OK", detail)
    if probe.get("failed"):
        yield row(f"here -> {name}", "page and WebSockets", False, probe["msg"])
    else:
        yield row(f"here -> {name}", "page over TLS", probe["page"]["status"] == 200, "{status}, {size} bytes".format(**probe["page"]))
        answers = [session["answer"] for session in probe["sessions"]]
        yield row(f"here -> {name}", "WebSockets", set(answers) == {"getUserData"}, f"{len(answers)} established")


def node_rows(name, info, ours, forged):
    """Judge one node: its statistics, and whose address its sessions carry."""
    if "statistics" not in info:
        yield row(name, "statistics and sessions", False, info["msg"])
        return
    websockets = info["statistics"].get("connection", {}).get("connections_websocket")
    yield row(name, "statistics", websockets is not None, f"connections_websocket={websockets}")
    deceived = [identifier for identifier in identifiers(info) if forged in identifier]
    detail = f"a forged address is believed: {deceived[0]}" if deceived else next(iter(ours), "nobody was sent here")
    yield row(name, "address of the client in sessionId", not deceived, detail)


def identifiers(info):
    """Return what the node calls its sessions."""
    return [connection.get("sessionId", "") for connection in info.get("connections", [])]


def verify_report(hostvars, balancers, nodes, forged):
    """Return a row for each thing that was looked at."""
    rows = []
    visitors = []
    for name in balancers:
        seen = hostvars[name]
        probe = seen["wcs_verify_visit"]
        rows.extend(balancer_rows(name, seen["wcs_verify_agents"], seen["wcs_verify_haproxy"], probe))
        visitors += [session["address"] for session in probe.get("sessions", [])]
    addresses = {visitor.rpartition(":")[0].strip("[]") for visitor in visitors}
    infos = {name: hostvars[name]["wcs_verify_node"] for name in nodes}
    ours = {name: [identifier for identifier in identifiers(info) if any(address in identifier for address in addresses)] for name, info in infos.items()}
    for name, info in infos.items():
        rows.extend(node_rows(name, info, ours[name], forged))
    found = sum(map(len, ours.values()))
    # The nodes may have been asked before the last of them came
    rows.append(row("all nodes", "sessions of the visit", found > 0, f"{found} of {len(visitors)} when the nodes were asked"))
    return rows


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        return {"verify_report": verify_report}
