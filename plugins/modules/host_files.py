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
      sha256:
        description: Digest in place of the content; the action plugin sends it.
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

import grp
import hashlib
import os
import pwd
import stat
import typing as t

from ansible.module_utils.basic import AnsibleModule

# Nothing of ours is larger, and what is differs
LARGEST = 4 * 1024 * 1024
# What nobody replaces without a word, and what must not be opened
NEITHER = "it is something else"


def digest(path: str) -> str:
    """Return the SHA-256 of a plain file, '' of anything else."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        data = stream.read(LARGEST + 1)
    return hashlib.sha256(data).hexdigest() if len(data) <= LARGEST else ""


def difference(path: str, wanted: t.Mapping[str, t.Any]) -> str:
    """Return what is not as it should be, '' where all is."""
    is_file = wanted["sha256"] is not None
    try:
        found = os.lstat(path) if is_file else os.stat(path)
        if is_file and stat.S_ISLNK(found.st_mode):
            return "it is a link"
        if not (stat.S_ISREG if is_file else stat.S_ISDIR)(found.st_mode):
            return NEITHER
        if is_file and digest(path) != wanted["sha256"]:
            return "its content differs"
        if (found.st_uid, found.st_gid) != (pwd.getpwnam(wanted["owner"]).pw_uid, grp.getgrnam(wanted["group"]).gr_gid):
            return "it belongs to somebody else"
    except (FileNotFoundError, NotADirectoryError):
        return "it is not there"
    except (OSError, KeyError) as error:
        return f"it cannot be judged: {error}"
    return "" if stat.S_IMODE(found.st_mode) == int(wanted["mode"], 8) else "its permissions differ"


def mislabelled(module: AnsibleModule, path: str) -> bool:
    """Whether SELinux's rules give another label."""
    return bool(module.selinux_enabled() and module.selinux_default_context(path) != module.selinux_context(path))


def main() -> None:
    entry = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "mode": {"type": "str", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "labelled": {"type": "bool", "default": False},
        "validate": {"type": "str"},
        "sha256": {"type": "str"},
    }
    module = AnsibleModule(argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": entry}}, supports_check_mode=True)
    paths: dict[str, str] = {}
    for wanted in module.params["files"]:
        path = wanted["path"]
        reason = difference(path, wanted)
        if not reason and wanted["labelled"] and mislabelled(module, path):
            reason = "its label differs"
        if reason:
            paths[path] = reason
    module.exit_json(changed=False, paths=paths)


if __name__ == "__main__":
    main()
