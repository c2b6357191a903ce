# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and ports, as the bind lines of HAProxy want them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: haproxy_bind
short_description: Write addresses and ports for HAProxy's bind lines
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Puts IPv6 addresses into brackets and keeps them to IPv6, so that the address of an IPv4 client is never written as a mapped one.
positional: ports
options:
  _input:
    description:
      - IPv4 and IPv6 addresses.
    type: list
    elements: str
    required: true
  ports:
    description:
      - The ports.
    type: list
    elements: int
    required: true
"""

EXAMPLES = r"""
- name: Show the bind lines
  ansible.builtin.debug:
    msg: "{{ ['0.0.0.0', '::'] | webcallserver.balancer.haproxy_bind([443, 8443]) }}"
"""

RETURN = r"""
_value:
  description:
    - Every address with every port, such as V(0.0.0.0:443) or V([::]:443 v6only).
  type: list
  elements: str
"""

import ipaddress

from ansible.errors import AnsibleFilterError


def _address(text):
    try:
        return ipaddress.ip_address(str(text).strip("[]"))
    except ValueError:
        raise AnsibleFilterError(f"haproxy_lb_bind: '{text}' is neither an IPv4 nor an IPv6 address") from None


def haproxy_bind(addresses, ports):
    """Return what follows the word bind, for every address and port."""
    for port in ports:
        if not 1 <= int(port) <= 65535:
            raise AnsibleFilterError(f"haproxy_lb_port, haproxy_lb_redirect_port and the ports in haproxy_lb_pools are from 1 to 65535, {port} is not")
    parsed = [_address(text) for text in addresses]
    return [f"[{address}]:{port} v6only" if address.version == 6 else f"{address}:{port}" for port in ports for address in parsed]


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"haproxy_bind": haproxy_bind}
