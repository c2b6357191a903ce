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
import time
import typing as t
from urllib.error import HTTPError, URLError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

# Ten thousand sessions are four million bytes
LARGEST = 32 * 1024 * 1024
PATIENCE = 10
DIGITS = 20


class NoAnswer(Exception):
    """What answers is not what was asked."""


def read(response: t.BinaryIO, end: float) -> bytes:
    """Return all of an answer that is of a sane size and comes in time."""
    parts, size = [], 0
    while part := response.read(65536):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise NoAnswer(f"the answer is larger than {LARGEST // 1024 // 1024} MiB")
        if time.monotonic() > end:
            raise NoAnswer(f"the answer takes longer than {PATIENCE} seconds")
    return b"".join(parts)


def decode(text: bytes | str) -> object:
    """Return what JSON says. A number that nothing counts in stays a text, since to read it may take minutes."""
    try:
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= DIGITS else digits)
    except (ValueError, RecursionError) as error:
        raise NoAnswer(f"the answer is not JSON ({error})") from error


def mappings(found: object) -> list[dict]:
    """Return a list of mappings; what WCS lists is nothing else."""
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise NoAnswer("the answer is not a list of objects")
    return found


def find_all(rest_url: str, what: str) -> list[dict]:
    """Return all streams or connections; Web Call Server answers 404 when there is none."""
    end = time.monotonic() + PATIENCE
    url, headers = f"{rest_url}/{what}/find_all", {"Content-Type": "application/json"}
    try:
        response = open_url(url, method="POST", data=b"{}", headers=headers, timeout=PATIENCE, follow_redirects="none")
    except HTTPError as exc:
        if exc.code == 404:
            return []
        raise
    return mappings(decode(read(response, end)))


def status(output: str) -> dict:
    """Return what the agent says of itself."""
    found = decode(output)
    if not isinstance(found, dict) or not isinstance(found.get("statistics"), dict):
        raise NoAnswer("the answer has no statistics")
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "command": {"type": "path", "default": "/usr/local/bin/wcs-agent"},
            "rest_url": {"type": "str", "default": "http://127.0.0.1:8081/rest-api"},
        },
        supports_check_mode=True,
    )
    command, rest_url = module.params["command"], module.params["rest_url"]
    dummy, output, dummy = module.run_command([command, "status", "--json"], check_rc=True)
    try:
        agent = status(output)
    except NoAnswer as exc:
        module.fail_json(msg=f"{command} does not answer as the agent does ({exc}): name the agent's command with 'command'.")
    try:
        streams, connections = (find_all(rest_url, what) for what in ("stream", "connection"))
    except (URLError, OSError, ValueError, NoAnswer) as exc:
        module.fail_json(msg=f"WCS does not answer on {rest_url} ({exc}): see that it runs, or say where its REST interface is with 'rest_url'.")
    module.exit_json(changed=False, statistics=agent.pop("statistics"), agent=agent, streams=streams, connections=connections)


if __name__ == "__main__":
    main()
