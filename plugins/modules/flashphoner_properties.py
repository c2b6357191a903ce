#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flashphoner_properties
short_description: Set properties of Web Call Server, all in one step
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Brings a whole mapping of properties into C(flashphoner.properties), or any other Java properties file, with a single write.
  - The file is read as C(java.util.Properties) reads it. Separators are C(=), C(:) and blanks; escapes, continuation lines and comments have the
    meaning they have for Java, and the last of several lines with the same key counts.
  - A property whose value already means the same is not touched, however it is written. Whatever is not asked for stays as it is, byte for byte.
  - A changed property is edited where it stands, with its own separator and blanks. When it stands there more than once, only the last line, the
    one that counts, remains.
  - A new property goes below the last comment that sets it, like C(#key=value). If there is no such comment, it goes to the end, below a heading
    that says where it came from.
  - Owner, group, mode and SELinux context of the file are kept unless the options ask for others.
extends_documentation_fragment:
  - ansible.builtin.files
  - webcallserver.balancer._attributes
options:
  path:
    description:
      - The file to change. It must exist.
      - Of a symbolic link, the file that it points to is changed. The link and its directory must belong to root, since root writes where it leads.
      - A file of another kind is refused, such as C(wcs-core.properties), which holds options of the Java virtual machine.
    type: path
    default: /usr/local/FlashphonerWebCallServer/conf/flashphoner.properties
  properties:
    description:
      - The properties by name.
      - V(null) removes a property, one that the vendor had set as well; comments that mention it remain.
      - Booleans and numbers are written as Web Call Server writes them, for example V(true) as C(true) and V(8080) as C(8080).
      - Characters outside ASCII are written as Unicode escapes (C(\u00e9) is an e with an acute accent), so that they are right whether the program
        reads the file as ISO-8859-1, as Java does by default, or as UTF-8.
      - Values that look secret are masked in everything that the module returns. They look secret when the name of the property has a word such
        as C(password), C(pass), C(secret), C(token), C(credentials) or C(key) in it, as C(keystorePass) and C(api_key) have, and when the value
        holds an address with a user and a password, or a private key.
    type: dict
    required: true
  backup:
    description:
      - Whether to keep the old file beside the new one, with a date in its name, when something changes in it.
      - The oldest of these backups and the nine newest are kept.
    type: bool
    default: false
  service:
    description:
      - The unit of Web Call Server. With it, RV(pending_keys) tells what the running server has not read.
    type: str
  started_on:
    description:
      - Where the unit leaves a copy of the properties each time it starts, behind a line C(#) and its C(INVOCATION_ID).
      - When there is no such copy of the running server, and the file has not changed since it started, the copy is made from the file.
    type: path
notes:
  - Web Call Server reads its properties when it starts, and a restart ends every session.
  - RV(changed_keys) tells what this task has changed. RV(pending_keys) tells what the running server does not know yet, whoever has changed it,
    and so whether a restart is due.
seealso:
  - module: ansible.builtin.lineinfile
  - module: community.general.ini_file
"""

EXAMPLES = r"""
- name: Let WCS see the addresses of the clients behind the balancer
  webcallserver.balancer.flashphoner_properties:
    properties:
      ws.map_custom_headers: true
      ws.ip_forward_header: X-Client-IP
      global_bandwidth_check_enabled: true
    backup: true
  register: wcs_properties

- name: Restart WCS only when something has changed for it
  ansible.builtin.service:
    name: webcallserver
    state: restarted
  when: wcs_properties.changed_keys | length > 0

- name: Set ports and limits, and go back to the default interval
  webcallserver.balancer.flashphoner_properties:
    properties:
      ws.port: 8080
      media_port_from: 31001
      media_port_to: 32000
      keep_alive.server_interval: null

- name: Change an older file with passwords in it, which only the server may read
  webcallserver.balancer.flashphoner_properties:
    path: /usr/local/FlashphonerWebCallServer/conf/server.properties
    properties:
      rtsp_auth_password: "{{ vault_rtsp_password | default('a # and a = are fine') }}"
    owner: root
    mode: "0600"
"""

RETURN = r"""
changed_keys:
  description:
    - The properties that mean something else than before, in the order of O(properties).
    - It is empty when only duplicates were removed, or only the file's owner or mode was changed.
  returned: success
  type: list
  elements: str
  sample: [ws.map_custom_headers, ws.ip_forward_header]
previous:
  description:
    - What the RV(changed_keys) meant before, V(null) if they were not set.
    - Values that look secret are masked.
  returned: success
  type: dict
  sample:
    ws.map_custom_headers: "false"
    ws.ip_forward_header: null
pending_keys:
  description:
    - Those of O(properties) that mean something else in what the running server was started on.
    - All of them, when nobody knows what it was started on, and the file has changed since.
    - None while the server does not run, since it reads them when it starts.
  returned: when O(started_on) and O(service) are given
  type: list
  elements: str
  sample: [ws.map_custom_headers]
active:
  description: Whether the server runs.
  returned: when O(started_on) and O(service) are given
  type: bool
recorded:
  description: Whether there was a copy of what the server runs on, or no need of one since it does not run.
  returned: when O(started_on) and O(service) are given
  type: bool
effective:
  description: What the whole file means after the task, the values that look secret masked.
  returned: success
  type: dict
  sample: {"ws.port": "8080", "wss.keystore.password": "********"}
backup_file:
  description: The copy of the old file.
  returned: when O(backup=true), outside check mode, and the content has changed
  type: str
  sample: /usr/local/FlashphonerWebCallServer/conf/flashphoner.properties.4711.2026-03-01@12:30:05~
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._io import FileError, real_path, rehearse, write
from ..module_utils._properties import PropertiesError, hidden, load, masked
from ..module_utils._wcs_properties import in_force, plan


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/usr/local/FlashphonerWebCallServer/conf/flashphoner.properties"},
            # Keeps the whole mapping out of the system log of the target.
            "properties": {"type": "dict", "required": True, "no_log": True},
            "backup": {"type": "bool", "default": False},
            "service": {"type": "str"},
            "started_on": {"type": "path"},
        },
        required_together=[("service", "started_on")],
        add_file_common_args=True,
        supports_check_mode=True,
    )
    path, properties = module.params["path"], module.params["properties"]
    # Next, no_log would censor every "true" and "8080" in the results. Those that look secret are masked here instead.
    module.no_log_values.clear()
    module.params["properties"] = hidden(properties)
    result: dict[str, t.Any] = {}
    attributes: dict[str, t.Any] = {}
    try:
        change = plan(path, properties)
        before, after = change.before, change.after
        if module.params["service"]:
            result |= in_force(module, module.params["service"], module.params["started_on"], path, change, keep=not module.check_mode)
        file_args = module.load_file_common_arguments(module.params, path=real_path(path))
        # First the attributes of the old file, so that an unknown owner is found before it is replaced
        changed = module.set_fs_attributes_if_different(file_args, False, attributes)
        if after != before:
            changed = True
            if module.check_mode:
                rehearse(path, after)
            else:
                backup_file = write(module, path, after, backup=module.params["backup"])
                result.update({"backup_file": backup_file} if backup_file else {})
    except FileError as problem:
        module.fail_json(msg=str(problem))
    except PropertiesError as problem:
        module.fail_json(msg=f"{path}: {problem}")

    changed_keys = change.keys
    content = {"before": masked(before), "after": masked(after, changed_keys), "before_header": path, "after_header": path}
    result |= {"changed_keys": changed_keys, "previous": hidden({key: change.old.get(key) for key in changed_keys}), "effective": hidden(load(after))}
    module.exit_json(changed=changed, diff=[content, attributes] if attributes else [content], **result)


if __name__ == "__main__":
    main()
