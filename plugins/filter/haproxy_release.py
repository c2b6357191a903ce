# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installed HAProxy can do, from what it says of itself."""

from __future__ import annotations

DOCUMENTATION = r"""
name: haproxy_release
short_description: Tell what an HAProxy release can do
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Reads the output of C(haproxy -v) and returns the release and the abilities on which supported releases differ.
options:
  _input:
    description:
      - Output of C(haproxy -v). An empty text stands for a binary that is not there yet, and is taken for release 2.6.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Ask the binary
  ansible.builtin.command:
    cmd: haproxy -v
  register: said
  changed_when: false

- name: Show what it can do
  ansible.builtin.debug:
    msg: "{{ said.stdout | webcallserver.balancer.haproxy_release }}"
"""

RETURN = r"""
_value:
  description:
    - C(version) as text, such as V(2.6), and one boolean for each ability on which supported releases differ.
  type: dict
"""

import re

from ansible.errors import AnsibleFilterError

ASSUMED = (2, 6)
OLDEST = (2, 2)

# ability: first release that has it
SINCE = {
    "proto_h1": (2, 4),
    "fd_hard_limit": (2, 6),
    "hands_sockets_over": (2, 6),
    "http2_websockets": (2, 4),
}

# ability: single releases that have lost it
BROKEN = {"http2_websockets": ["3.0.22", "3.2.18", "3.3.9"]}


def haproxy_release(text):
    """Return release and abilities."""
    version, release = ASSUMED, ""
    if text:
        match = re.match(r"HA-?Proxy version ((\d+)\.(\d+)[.\d]*)", text)
        if match is None:
            raise AnsibleFilterError(f"haproxy -v said '{text.splitlines()[0]}', which names no version")
        version, release = (int(match[2]), int(match[3])), match[1]
    if version < OLDEST:
        raise AnsibleFilterError(
            f"HAProxy {version[0]}.{version[1]} is installed, {OLDEST[0]}.{OLDEST[1]} or later is needed; "
            "point haproxy_lb_package at a newer package or move the balancer to a newer distribution"
        )
    able = {ability: version >= first and release not in BROKEN.get(ability, ()) for ability, first in SINCE.items()}
    return {"version": f"{version[0]}.{version[1]}"} | able


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"haproxy_release": haproxy_release}
