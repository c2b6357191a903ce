# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn inventory hosts into the networks they connect from."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_networks
short_description: Turn inventory hosts into the networks they connect from
version_added: 1.0.0
author:
  - webcallserver.balancer contributors
description:
  - Reads a variable of each host, C(ansible_host) or the inventory name where a host does not have it, and returns
    what is named there as networks that an allow-list or a firewall takes.
  - Names are resolved on the controller. No facts are needed, so that a run with C(--limit) knows the hosts it leaves out.
options:
  _input:
    description: Names of hosts in the inventory.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  variable:
    description: The host variable that holds the addresses, a string or a list of strings.
    type: str
    required: true
  also:
    description: Another host variable of that kind, which adds what it names where a host has it.
    type: str
positional: hostvars, variable
"""

EXAMPLES = r"""
- name: Show the networks from which the balancers poll
  ansible.builtin.debug:
    msg: "{{ groups['wcs_balancers'] | webcallserver.balancer.host_networks(hostvars, 'haproxy_lb_addresses') }}"
"""

RETURN = r"""
_value:
  description: Networks in CIDR notation, IPv4 before IPv6, each once.
  type: list
  elements: str
  sample: ["192.0.2.10/32", "2001:db8::10/128"]
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ..plugin_utils import networks


def host_networks(hosts: list[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]], variable: str, also: str = "") -> list[str]:
    """Return the networks of the hosts in CIDR notation, IPv4 before IPv6."""
    try:
        return networks.host_networks(hosts, hostvars, variable, also)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"host_networks": host_networks}
