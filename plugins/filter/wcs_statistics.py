# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the statistics page of Web Call Server as the agent reads it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: wcs_statistics
short_description: Read the statistics page of Web Call Server
version_added: 1.0.0
author:
  - webcallserver.balancer contributors
description:
  - Turns the text of the page C(/?action=stat) into a mapping by section, numbers as numbers.
  - It is the agent's own reading of the page. A section is called by the first word of its heading in lower case.
options:
  _input:
    description: The text of the page.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Fetch the statistics of this node
  ansible.builtin.uri:
    url: http://127.0.0.1:8081/?action=stat
    return_content: true
  register: wcs_page

- name: Show how many streams are published
  ansible.builtin.debug:
    msg: "{{ (wcs_page.content | webcallserver.balancer.wcs_statistics).stream.streams_webrtc_in }}"
"""

RETURN = r"""
_value:
  description:
    - The counters by section; an integer, a decimal number or a string each.
    - C(streams_viewers) and C(streams_synchronization) are mappings by the name of the stream.
  type: dict
  sample: {"connection": {"connections": 1, "connections_websocket": 1}, "stream": {"streams_webrtc_in": 1, "streams_viewers": {"test": 0}}}
"""

import importlib.util
from pathlib import Path

from ansible.errors import AnsibleFilterError


def _agent():
    """The agent is one file without a package around it, since that is what a node gets."""
    path = Path(__file__).resolve().parents[2] / "roles" / "wcs_node" / "files" / "wcs_agent.py"
    spec = importlib.util.spec_from_file_location("wcs_agent", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wcs_statistics(page):
    """Return {section: {key: value}} of the text of a statistics page."""
    statistics = _agent().parse_statistics(str(page))
    if not statistics:
        raise AnsibleFilterError("wcs_statistics: there is no 'key=value' line in this; give it the text of the page /?action=stat")
    return statistics


class FilterModule:
    """Ansible's entry point."""

    def filters(self):
        return {"wcs_statistics": wcs_statistics}
