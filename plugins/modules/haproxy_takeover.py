#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_takeover
short_description: Tell whose work C(haproxy.cfg) is before it is replaced
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Tells a file that the role P(webcallserver.balancer.haproxy_lb#role) wrote, and that of the package, from one that somebody wrote or changed by hand.
  - Fails when the latter has sections that would be gone, unless O(take_over=true).
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  path:
    description: The configuration.
    type: path
    default: /etc/haproxy/haproxy.cfg
  package:
    description: The package that brought it.
    type: str
    default: haproxy
  sections:
    description: Sections that the file is to have besides those of the role.
    type: str
    default: ""
  take_over:
    description: Whether the sections may go.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: See that nobody's work would be lost
  webcallserver.balancer.haproxy_takeover:
    take_over: false
  register: found

- name: Replace the file
  ansible.builtin.template:
    src: haproxy.cfg.j2
    dest: /etc/haproxy/haproxy.cfg
    mode: "0644"
    backup: "{{ found.keep }}"
"""

RETURN = r"""
keep:
  description: Whether there is a file that somebody wrote or changed by hand.
  type: bool
  returned: always
sections:
  description: Its sections that would be gone.
  type: list
  elements: str
  returned: always
  sample: [frontend shop, backend shop]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _haproxy_takeover as takeover
from ..module_utils._io import FileError, read

QUERIES = (
    ("dpkg-query", ["--show", "--showformat=${Conffiles}\n"]),
    ("rpm", ["--query", "--queryformat=[%{FILENAMES} %{FILEDIGESTS}\n]"]),
)


def packaged(module: AnsibleModule, package: str, path: str) -> str:
    """Return the digest of the file as its package brought it."""
    for command, arguments in QUERIES:
        program = module.get_bin_path(command)
        if program:
            dummy, output, dummy = module.run_command([program, *arguments, "--", package])
            digest = takeover.packaged(output, path)
            if digest:
                return digest
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/haproxy/haproxy.cfg"},
            "package": {"type": "str", "default": "haproxy"},
            "sections": {"type": "str", "default": ""},
            "take_over": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    try:
        data = read(path)
    except FileError as problem:
        module.fail_json(msg=str(problem))
    if data is None or takeover.sealed(data) or takeover.untouched(data, packaged(module, module.params["package"], path)):
        module.exit_json(changed=False, keep=False, sections=[])
        return
    gone = takeover.gone(data, module.params["sections"])
    if gone and not module.params["take_over"]:
        module.fail_json(
            msg=f"{path} has sections of somebody's own, which would be gone: {', '.join(gone)}. Put what is still needed into haproxy_lb_extra_sections, "
            "and set haproxy_lb_take_over to true to let the rest go; the file is kept beside the new one, with a date.",
            keep=True,
            sections=gone,
        )
    module.exit_json(changed=False, keep=True, sections=gone)


if __name__ == "__main__":
    main()
