#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wcs_node_ready
short_description: Wait until a node lets sessions in
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Waits until the ports of Web Call Server answer and the node's agent says that it is up.
  - A node that was drained on purpose is ready when its ports answer.
  - Run it on the node itself. In check mode it does not wait.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  address:
    description: Where the ports are.
    type: str
    default: 127.0.0.1
  ports:
    description: TCP ports that have to answer.
    type: list
    elements: int
    required: true
  command:
    description: The agent's command. A node without it has no agent to wait for.
    type: path
    default: /usr/local/bin/wcs-agent
  timeout:
    description: Seconds to wait at most.
    type: int
    default: 180
"""

EXAMPLES = r"""
- name: Wait until the node is back
  webcallserver.balancer.wcs_node_ready:
    ports: [8080, 8081]
"""

RETURN = r"""
waited:
  description: Seconds that it took.
  type: float
  returned: success
"""

import json
import os
import socket
import time

from ansible.module_utils.basic import AnsibleModule

EVERY = 0.5
READY = ("up", "drained")


def silent(address: str, port: int) -> bool:
    """Whether a port does not answer."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return True
    return False


def agent_problem(module: AnsibleModule, command: str) -> str:
    """What the agent says against the node; nothing where it is up."""
    code, output, dummy = module.run_command([command, "status", "--json"])
    try:
        status = json.loads(output) if code == 0 else {}
    except ValueError:
        status = {}
    if status.get("state") in READY:
        return ""
    return f"the agent says '{status['reply']}'" if status.get("reply") else "the agent does not answer, see 'journalctl -u wcs-agent'"


def missing(module: AnsibleModule) -> list[str]:
    """What is not there yet, a clause each."""
    address, command = module.params["address"], module.params["command"]
    found = [f"port {port} does not answer" for port in module.params["ports"] if silent(address, port)]
    problem = agent_problem(module, command) if not found and os.path.exists(command) else ""
    return [*found, problem] if problem else found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "default": "127.0.0.1"},
            "ports": {"type": "list", "elements": "int", "required": True},
            "command": {"type": "path", "default": "/usr/local/bin/wcs-agent"},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    began = time.monotonic()
    while not module.check_mode:
        wrong = missing(module)
        if not wrong:
            break
        if time.monotonic() - began > module.params["timeout"]:
            module.fail_json(msg=f"This node is not back after {module.params['timeout']} s: {', and '.join(wrong)}.")
        time.sleep(EVERY)
    module.exit_json(changed=False, waited=round(time.monotonic() - began, 1))


if __name__ == "__main__":
    main()
