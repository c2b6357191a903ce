#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_info
short_description: Read what HAProxy says of its servers
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Asks a running HAProxy for its statistics (C(show stat)) and returns them, a mapping for each server.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  socket:
    description: HAProxy's administration socket on the target.
    type: path
    default: /run/haproxy/admin.sock
  backend:
    description: Return the servers of this backend alone.
    type: str
"""

EXAMPLES = r"""
- name: Ask how HAProxy sees the nodes
  webcallserver.balancer.haproxy_info:
    backend: wcs_back
  register: balancer

- name: Show why a node gets no sessions
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.status }}, {{ item.last_agt }}"
  loop: "{{ balancer.servers }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
servers:
  description:
    - The servers in the order of the configuration. Each has all columns of C(show stat) under HAProxy's own names, numbers as integers,
      columns without a value left out.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the server (HAProxy's C(svname)).
      type: str
      returned: always
    backend:
      description: Name of its backend (HAProxy's C(pxname)).
      type: str
      returned: always
    status:
      description: How HAProxy sees the server.
      type: str
      returned: always
    weight:
      description: Effective weight.
      type: int
      returned: always
    scur:
      description: Sessions now.
      type: int
      returned: always
    agent_status:
      description: How the last question to the agent went.
      type: str
      returned: if the server has an agent
    last_agt:
      description: What the agent said last.
      type: str
      returned: if the server has an agent
  sample:
    - {"name": "wcs1", "backend": "wcs_back", "status": "UP", "weight": 100, "scur": 12, "agent_status": "L7OK", "last_agt": "via agent : up"}
"""

import csv
import socket

from ansible.module_utils.basic import AnsibleModule


def ask(path, command):
    """Return HAProxy's answer to one command on its administration socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(f"{command}\n".encode())
        with connection.makefile(encoding="utf-8", errors="replace") as answer:
            return answer.read()


def servers(statistics, backend=None):
    """Return the servers in the CSV of C(show stat), a mapping each."""
    rows = csv.DictReader(statistics.removeprefix("# ").splitlines())
    return [
        {"name": row["svname"], "backend": row["pxname"]}
        | {key: int(value) if value.lstrip("-").isdigit() else value for key, value in row.items() if key and value}
        for row in rows
        if row["svname"] not in ("FRONTEND", "BACKEND") and backend in (None, row["pxname"])
    ]


def main():
    module = AnsibleModule(
        argument_spec={"socket": {"type": "path", "default": "/run/haproxy/admin.sock"}, "backend": {"type": "str"}},
        supports_check_mode=True,
    )
    path = module.params["socket"]
    try:
        statistics = ask(path, "show stat")
    except OSError as exc:
        module.fail_json(msg=f"HAProxy does not answer on {path} ({exc}): see that it runs, or name its administration socket with 'socket'.")
    module.exit_json(changed=False, servers=servers(statistics, module.params["backend"]))


if __name__ == "__main__":
    main()
