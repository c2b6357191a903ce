# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as HAProxy matches them, checked."""

from __future__ import annotations

DOCUMENTATION = r"""
name: haproxy_networks
short_description: Check addresses and networks that HAProxy is to match
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Takes IPv4 and IPv6 addresses and networks and returns them in one form. Whatever is neither is an error that names the variable.
positional: variable
options:
  _input:
    description:
      - Addresses and networks.
    type: list
    elements: str
    required: true
  variable:
    description:
      - The variable they come from.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what HAProxy gets
  ansible.builtin.debug:
    msg: "{{ ['192.0.2.1', '2001:db8::/32'] | webcallserver.balancer.haproxy_networks('haproxy_lb_proxies') }}"
"""

RETURN = r"""
_value:
  description:
    - Networks in CIDR notation.
  type: list
  elements: str
"""

import ipaddress

from ansible.errors import AnsibleFilterError


def haproxy_networks(entries, variable):
    """Return the networks in CIDR notation."""
    networks = []
    for entry in entries:
        try:
            network = ipaddress.ip_network(str(entry))
        except ValueError as error:
            raise AnsibleFilterError(f"{variable}: {error}; give addresses or networks such as 192.0.2.0/24") from None
        if network.prefixlen == 0:
            raise AnsibleFilterError(f"{variable}: {entry} is everybody; name the proxies alone, for they are believed whatever address they tell")
        networks.append(str(network))
    return networks


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"haproxy_networks": haproxy_networks}
