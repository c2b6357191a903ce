# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read Java properties as Java reads them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: java_properties
short_description: Read Java properties as Java reads them
version_added: 1.0.0
author:
  - webcallserver.balancer contributors
description:
  - Turns the content of a properties file, such as C(flashphoner.properties), into a mapping, with the rules of C(java.util.Properties).
options:
  _input:
    description: The content of the file, as RV(ansible.builtin.slurp#module:content) returns it, in Base64.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read the properties of the node
  ansible.builtin.slurp:
    src: /usr/local/FlashphonerWebCallServer/conf/flashphoner.properties
  register: wcs_properties_file

- name: Show the first media port
  ansible.builtin.debug:
    msg: "{{ (wcs_properties_file.content | webcallserver.balancer.java_properties)['media_port_from'] | default(31001) }}"
"""

RETURN = r"""
_value:
  description: The properties by name, each value a string.
  type: dict
  sample: {"media_port_from": "31001", "ws.port": "8080"}
"""

import base64
import binascii
import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils._properties import PropertiesError, load


def java_properties(content: str) -> dict[str, str]:
    """Return the mapping that Java would load from the Base64 content of a properties file."""
    try:
        return load(base64.b64decode(content, validate=True))
    except (PropertiesError, binascii.Error) as exc:
        raise AnsibleFilterError(f"java_properties: {exc}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"java_properties": java_properties}
