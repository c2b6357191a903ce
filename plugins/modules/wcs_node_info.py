#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wcs_node_info
short_description: Read what a WCS node says of itself
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Returns what the agent of the node measures and would answer a balancer, the statistics page of Web Call Server as the agent has read it,
    and the streams and connections that the server lists over REST.
  - Run it on the node itself.
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  command:
    description: The agent's command.
    type: path
    default: /usr/local/bin/wcs-agent
  rest_url:
    description: Where the REST interface of Web Call Server is.
    type: str
    default: http://127.0.0.1:8081/rest-api
"""

EXAMPLES = r"""
- name: Ask the node
  webcallserver.balancer.wcs_node_info:
  register: node

- name: Show what a balancer is told, and how many clients there are
  ansible.builtin.debug:
    msg: "{{ node.agent.reply }}; {{ node.statistics.connection.connections_websocket }} clients"
"""

RETURN = r"""
agent:
  description: The agent's status as C(wcs-agent status --json) prints it, without the statistics.
  returned: success
  type: dict
  sample: {"state": "up", "reply": "up 100%"}
statistics:
  description: The statistics page by section, numbers as numbers. It is empty while the page cannot be read.
  returned: success
  type: dict
  sample: {"connection": {"connections": 1, "connections_websocket": 1}, "stream": {"streams_webrtc_in": 1}}
streams:
  description: The streams of the node, as REST C(/stream/find_all) returns them.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "test", "status": "PUBLISHING", "sessionId": "/192.0.2.7:49152/198.51.100.11:8080-0b3f"}]
connections:
  description: The clients of the node, as REST C(/connection/find_all) returns them.
  returned: success
  type: list
  elements: dict
  sample: [{"sessionId": "/192.0.2.7:49152/198.51.100.11:8080-0b3f"}]
"""

import json
from urllib.error import HTTPError, URLError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url


def find_all(rest_url, what):
    """Return all streams or connections; Web Call Server answers 404 when there is none."""
    try:
        return json.load(open_url(f"{rest_url}/{what}/find_all", method="POST", data=b"{}", headers={"Content-Type": "application/json"}, timeout=10))
    except HTTPError as exc:
        if exc.code == 404:
            return []
        raise


def main():
    module = AnsibleModule(
        argument_spec={
            "command": {"type": "path", "default": "/usr/local/bin/wcs-agent"},
            "rest_url": {"type": "str", "default": "http://127.0.0.1:8081/rest-api"},
        },
        supports_check_mode=True,
    )
    command, rest_url = module.params["command"], module.params["rest_url"]
    dummy, output, dummy = module.run_command([command, "status", "--json"], check_rc=True)
    agent = json.loads(output)
    try:
        streams, connections = (find_all(rest_url, what) for what in ("stream", "connection"))
    except (URLError, OSError, ValueError) as exc:
        module.fail_json(msg=f"WCS does not answer on {rest_url} ({exc}): see that it runs, or say where its REST interface is with 'rest_url'.")
    module.exit_json(changed=False, statistics=agent.pop("statistics"), agent=agent, streams=streams, connections=connections)


if __name__ == "__main__":
    main()
