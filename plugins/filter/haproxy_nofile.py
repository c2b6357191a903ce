# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many file descriptors HAProxy needs for the servers it balances."""

from __future__ import annotations

DOCUMENTATION = r"""
name: haproxy_nofile
short_description: Derive HAProxy's file descriptors from its servers
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - A WebSocket through the balancer holds two descriptors, one on either side, so the limit has to follow from what the servers may hold together.
positional: wanted
options:
  _input:
    description:
      - Servers as P(webcallserver.balancer.haproxy_servers#filter) returns them.
    type: list
    elements: dict
    required: true
  wanted:
    description:
      - The limit somebody chose; too small a one is an error. V(0) leaves the choice to the filter.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Show the limit for the nodes of a group
  ansible.builtin.debug:
    msg: "{{ groups['wcs_nodes'] | webcallserver.balancer.haproxy_servers(hostvars) | webcallserver.balancer.haproxy_nofile }}"
"""

RETURN = r"""
_value:
  description:
    - The limit, V(65536) or the next power of two that suffices, so that one more node seldom changes it.
  type: int
"""

from ansible.errors import AnsibleFilterError

LEAST = 65536
# Page visitors, listeners, sockets of the administration and of the workers that a reload left behind
RESERVE = 4000
# Health check and agent check of a server
CHECKS = 2


def haproxy_nofile(servers, wanted=0):
    """Return the number for LimitNOFILE."""
    sessions = sum(server["maxconn"] for server in servers)
    needed = 2 * sessions + CHECKS * len(servers) + RESERVE
    if not wanted:
        return max(LEAST, 1 << (needed - 1).bit_length())
    if wanted < needed:
        raise AnsibleFilterError(
            f"haproxy_lb_nofile is {wanted}, but the {sessions} WebSockets that the servers may hold together (haproxy_lb_maxconn) "
            f"need {needed}; raise it, lower haproxy_lb_maxconn, or leave it at 0"
        )
    return wanted


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"haproxy_nofile": haproxy_nofile}
