# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An address and a port, as the bind line of HAProxy wants them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: haproxy_bind
short_description: Write an address and a port for HAProxy's bind line
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Puts IPv6 addresses into brackets and keeps them to IPv6, so that the address of an IPv4 client is never written as a mapped one.
positional: port
options:
  _input:
    description:
      - An IPv4 or IPv6 address.
    type: str
    required: true
  port:
    description:
      - The port.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show the bind line
  ansible.builtin.debug:
    msg: "bind {{ '::' | webcallserver.balancer.haproxy_bind(443) }}"
"""

RETURN = r"""
_value:
  description:
    - Address and port, such as V(0.0.0.0:443) or V([::]:443 v6only).
  type: str
"""

import ipaddress

from ansible.errors import AnsibleFilterError


def haproxy_bind(address, port):
    """Return what follows the word bind."""
    try:
        parsed = ipaddress.ip_address(str(address).strip("[]"))
    except ValueError:
        raise AnsibleFilterError(f"haproxy_lb_bind: '{address}' is neither an IPv4 nor an IPv6 address") from None
    return f"[{parsed}]:{port} v6only" if parsed.version == 6 else f"{parsed}:{port}"


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"haproxy_bind": haproxy_bind}
