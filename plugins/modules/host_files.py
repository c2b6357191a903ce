#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Put a number of files and directories in place, in one look at the host
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - For the roles of this collection alone; there is no promise of stability to anybody else.
  - Looks once at all of them. Those that are not as they should be, in the order given, are written by M(ansible.builtin.copy) and
    M(ansible.builtin.file), which are not asked for the others.
  - A link in the place of a file is replaced, what it leads to stays; a link in the place of a directory may lead to one.
extends_documentation_fragment:
  - webcallserver.balancer._attributes
attributes:
  action:
    description: Writes what differs from the controller.
    support: full
options:
  files:
    description: The files and directories.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is.
        type: path
        required: true
      content:
        description: What a file has in it; a directory has none.
        type: str
      mode:
        description: Its permissions, in octal.
        type: str
        required: true
      owner:
        description: The user it belongs to.
        type: str
        default: root
      group:
        description: The group it belongs to.
        type: str
        default: root
      labelled:
        description: Whether it is to have the label that SELinux's rules give it.
        type: bool
        default: false
      validate:
        description: A command that has to accept the file before it takes the place of the old one; C(%s) stands for its path.
        type: str
"""

EXAMPLES = r"""
- name: Put a program and its settings in place
  webcallserver.balancer.host_files:
    files:
      - {path: /etc/example, mode: "0755"}
      - {path: /etc/example/settings, mode: "0644", content: "a = 1\n"}
"""

RETURN = r"""
paths:
  description: What was not as it should be, each with the reason.
  type: dict
  returned: success
  sample: {/etc/example/settings: its content differs}
"""
