#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_ready
short_description: Wait until HAProxy sends sessions to a node
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Waits until HAProxy shows the server of a node as C(UP) in every backend that has it.
  - With O(check_port), HAProxy is told before that on which ports the node listens now, without a reload; its file says so when it is next written.
  - A server that somebody drains, or has put into maintenance, is not waited for. Neither is one that this HAProxy does not know, nor an HAProxy that
    does not run, since it sends the node nothing.
  - Run it on the balancer. In check mode it does not wait.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  server:
    description: Name of the server.
    type: str
    required: true
  addresses:
    description: Addresses of the node, for a server that has another name.
    type: list
    elements: str
    default: []
  port:
    description: Port of the server at these addresses.
    type: int
    default: 8080
  check_port:
    description:
      - Port for checks. Where it is given, the server of that name is checked there from now on, and sent its sessions at O(port).
      - Leave it out for a server whose ports are not the node's own, since something between them forwards others.
    type: int
  socket:
    description: HAProxy's administration socket.
    type: path
    default: /run/haproxy/admin.sock
  timeout:
    description: Seconds to wait at most.
    type: int
    default: 180
"""

EXAMPLES = r"""
- name: Wait until the balancer sends sessions to wcs1 again
  webcallserver.balancer.haproxy_ready:
    server: wcs1
"""

RETURN = r"""
backends:
  description: The backends that have the server.
  type: list
  elements: str
  returned: success
waited:
  description: Seconds that it took.
  type: float
  returned: success
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._haproxy import SERVER, NoAnswer, ask, rows

EVERY = 0.5
# "no check" is all that HAProxy knows of a server that it does not check
READY = ("UP", "no check", "DRAIN", "DRAIN (agent)", "MAINT")


def servers(path: str) -> list[dict[str, str]]:
    """The rows of HAProxy's servers; none where it does not run."""
    try:
        return [row for row in rows(ask(path, "show stat")) if row["type"] == SERVER]
    except (OSError, NoAnswer):
        return []


def statuses(found: list[dict[str, str]], server: str, places: set[str]) -> dict[str, str]:
    """How HAProxy sees the server, by backend."""
    return {row["pxname"]: row["status"] or "" for row in found if row["svname"] == server or row.get("addr") in places}


def follow(path: str, server: str, port: int, check_port: int) -> None:
    """Tell HAProxy on which ports the node listens; OSError when it cannot be told."""
    for row in servers(path):
        if row["svname"] != server:
            continue
        name = f"set server {row['pxname']}/{server}"
        ask(path, f"{name} check-port {check_port}")
        address, _colon, known = (row.get("addr") or "").rpartition(":")
        if address and known != str(port):
            ask(path, f"{name} addr {address.strip('[]')} port {port}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "server": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "port": {"type": "int", "default": 8080},
            "check_port": {"type": "int"},
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    server, timeout = module.params["server"], module.params["timeout"]
    places = {f"[{address}]:{module.params['port']}" if ":" in address else f"{address}:{module.params['port']}" for address in module.params["addresses"]}
    began = time.monotonic()
    if module.params["check_port"] and not module.check_mode:
        try:
            follow(module.params["socket"], server, module.params["port"], module.params["check_port"])
        except (OSError, NoAnswer) as error:
            module.fail_json(msg=f"This balancer could not be told on which ports {server} listens ({error}): see that HAProxy runs, and run again.")
    while True:
        seen = statuses(servers(module.params["socket"]), server, places)
        wrong = [f"{status or 'unknown'} in {backend}" for backend, status in seen.items() if status not in READY]
        if not wrong or module.check_mode:
            break
        if time.monotonic() - began > timeout:
            module.fail_json(msg=f"This balancer does not send sessions to {server} after {timeout} s: it is {', '.join(wrong)}.")
        time.sleep(EVERY)
    module.exit_json(changed=False, backends=list(seen), waited=round(time.monotonic() - began, 1))


if __name__ == "__main__":
    main()
