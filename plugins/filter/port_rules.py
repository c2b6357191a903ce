# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of ports and who may connect, as rules that any firewall can hold."""

from __future__ import annotations

DOCUMENTATION = r"""
name: port_rules
short_description: Turn a table of ports into rules of a firewall
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Takes a table of ports and returns the rules that let in whom the table names and nobody else. They are to be applied in their order,
    after a rule that lets loopback in. Ports that are in no row are in no rule.
  - Whatever is wrong with the table ends in one error that names the variable.
positional: networks
options:
  _input:
    description:
      - Rows with C(name), C(port) (a port or a range), C(protocol) (V(tcp), V(udp) or V(both), V(tcp) when it is not given), C(from) (names out of
        O(networks), networks, or alone V(everyone) or V(nobody)), and C(properties).
      - C(properties) names one property that holds the port, or two that hold the ends of the range, and count where they are set.
      - No port may be in two rows.
    type: list
    elements: dict
    required: true
  networks:
    description:
      - Addresses and networks behind every name that a row may use, IPv4 and IPv6.
    type: dict
    required: true
  changes:
    description:
      - C(from) of rows, by their name, in place of what the table says.
    type: dict
    default: {}
  properties:
    description:
      - Properties of the node.
    type: dict
    default: {}
  protected:
    description:
      - TCP ports that are in no rule whatever the table says, such as those of SSH.
    type: list
    elements: int
    default: []
  prefix:
    description:
      - What the names of the variables in an error begin with.
    type: str
    default: wcs_node
"""

EXAMPLES = r"""
- name: Show the rules of a table
  ansible.builtin.debug:
    msg: "{{ table | webcallserver.balancer.port_rules({'balancers': ['192.0.2.10', '2001:db8::10']}) }}"
  vars:
    table:
      - {name: ws, port: 8080, from: [balancers]}
      - {name: media, port: 31001-32000, protocol: both, from: [everyone]}
"""

RETURN = r"""
_value:
  description:
    - Rules with C(action) (V(accept) or V(drop)), C(protocol) (V(tcp) or V(udp)), C(family) (V(ipv4), V(ipv6) or V(any)), C(networks) (none
      means every address) and C(ports) (ports and ranges as text).
  type: list
  elements: dict
  sample:
    - {action: accept, protocol: tcp, family: ipv4, networks: ["192.0.2.10/32"], ports: ["8080"]}
    - {action: drop, protocol: tcp, family: any, networks: [], ports: ["8080"]}
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ..plugin_utils import firewall


def port_rules(table: list[dict[str, t.Any]], networks: dict[str, t.Any], **options: t.Any) -> list[firewall.Rule]:
    """Return the rules, those that accept before those that drop."""
    try:
        return firewall.port_rules(table, networks, **options)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"port_rules": port_rules}
