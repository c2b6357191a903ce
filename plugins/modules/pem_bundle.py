#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pem_bundle
short_description: Make the one PEM file that HAProxy loads from a certificate, its chain and its private key
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Writes the certificate, the certificates of its intermediate authorities and the private key into one file, in the order TLS wants,
    whatever the order, line endings, comments and missing newlines of the material.
  - Nothing is written unless the bundle works. The key says which certificate is the server's. From there a way up through the certificates given has to
    exist that OpenSSL accepts, in a handshake in memory with a client that trusts its end only. Certificates that are not on that way are left out.
  - What browsers refuse beyond that is refused as well, such as keys on P-521, signatures with SHA-1, a key usage without digital signatures, or a lifetime
    of more than 825 days. A file that is there already stays as it is when the material is refused.
  - Material given as text is verified on the controller, before the host is asked anything. The host then says by a digest whether it has this bundle
    already, and gets it, key included, only if not. Files of the host are read and verified there.
  - The file is replaced in one step and is never readable for more than its owner before its owner and group are set. The key does not appear in
    results, diffs or logs; a diff shows subject, issuer, serial number, dates and SHA-256 fingerprint of each certificate.
  - In check mode the material is verified in full, even if the directory of O(path) does not exist yet. This makes a task with C(check_mode=true)
    a preflight check.
extends_documentation_fragment:
  - ansible.builtin.files
  - webcallserver.balancer._attributes
options:
  path:
    description:
      - The bundle. Its directory has to exist.
      - Of a symbolic link, the file that it points to is replaced.
    type: path
    required: true
  certificate:
    description:
      - A file on the target with the server's certificate in PEM.
      - It may hold the chain and the private key as well. Whatever is given twice is taken once.
    type: path
  certificate_content:
    description: The same as O(certificate), as text.
    type: str
  chain:
    description:
      - A file on the target with the certificates of the intermediate authorities, in any order, in PEM.
      - The certificate of the root authority may be among them. It is left out unless O(include_root=true), as clients do not look at it.
    type: path
  chain_content:
    description: The same as O(chain), as text.
    type: str
  private_key:
    description:
      - A file on the target with the private key in PEM. It must not be encrypted, as HAProxy has nobody to ask for a passphrase.
      - It may be left out if the key is in O(certificate).
    type: path
  private_key_content:
    description: The same as O(private_key), as text.
    type: str
  domain:
    description:
      - The domain, or the IP address, that clients connect to. It has to be among the subject alternative names of the certificate, where
        V(*.example.com) stands for V(a.example.com) but not for V(example.com) or V(a.b.example.com).
      - Addresses are compared as addresses, and international names as browsers do (UTS 46, not transitional).
      - If left out, it is only checked that the certificate has names.
    type: str
  include_root:
    description: Whether to write the root certificate, too, at the end of the chain.
    type: bool
    default: false
  warn_days:
    description:
      - Warn when a certificate of the bundle expires in less than so many days, or in less than a third of its lifetime if that is shorter.
      - V(0) turns the warning off.
    type: int
    default: 14
  sha256:
    description:
      - The SHA-256 of the finished bundle, in hexadecimal digits. Whoever gives it has verified the bundle, and nothing but the file is looked at.
      - With it, O(certificate_content) is the bundle itself. Without that, nothing but owner, group and mode is changed, and RV(bundle_changed) says
        whether the host has another bundle, or none.
      - This is how the controller asks the host; nobody else needs it.
    type: str
  backup:
    description: Whether to keep the old bundle, private key included, beside the new one with a date in its name. It is made V(0600).
    type: bool
    default: false
  mode:
    description: The mode of the bundle. Others than its owner and group are never allowed to read it, as the private key is in it.
    type: str
    choices: ["0400", "0440", "0600", "0640"]
    default: "0600"
requirements:
  - The Python library cryptography, 3.3 or newer, where the material is; ansible-core brings it along on the controller. On a host whose material comes
    from the controller it is needed only for the certificates in a diff.
notes:
  - HAProxy reads the bundle as root, before it gives up its privileges, so that no other user has to be allowed to read it.
  - Without pipelining, Ansible leaves the arguments of a module on the host while it runs, readable for the connecting user only, and a run that is cut off
    or E(ANSIBLE_KEEP_REMOTE_FILES=1) keeps them there. A bundle made of texts is among them when it is new. Leftovers of this kind are removed by the next run.
seealso:
  - module: community.crypto.certificate_complete_chain
  - name: The bundle in HAProxy's documentation
    description: What C(crt) expects in the file.
    link: https://docs.haproxy.org/2.6/configuration.html#5.1-crt
"""

EXAMPLES = r"""
- name: Make the bundle from files on the balancer
  webcallserver.balancer.pem_bundle:
    path: /etc/haproxy/certs/example.com.pem
    certificate: /etc/letsencrypt/live/example.com/fullchain.pem
    private_key: /etc/letsencrypt/live/example.com/privkey.pem
    domain: example.com
  notify: Reload haproxy

- name: Make the bundle from files on the controller and a key from a vault
  webcallserver.balancer.pem_bundle:
    path: /etc/haproxy/certs/example.com.pem
    certificate_content: "{{ lookup('ansible.builtin.file', 'example.com.crt') }}"
    chain_content: "{{ lookup('ansible.builtin.file', 'ca.crt') }}"
    private_key_content: "{{ vault_example_com_key }}"
    domain: example.com
    warn_days: 21
    backup: true
  notify: Reload haproxy

- name: Check the material before anything is changed, on a host that has no HAProxy yet
  webcallserver.balancer.pem_bundle:
    path: /etc/haproxy/certs/example.com.pem
    certificate: /root/example.com.crt
    chain: /root/ca.crt
    private_key: /root/example.com.key
    domain: example.com
  check_mode: true
  changed_when: false
"""

RETURN = r"""
subject:
  description: The subject of the certificate. It may be empty, as only RV(domains) counts.
  returned: success
  type: str
  sample: CN=example.com
domains:
  description: The domains and IP addresses that the certificate is for.
  returned: success
  type: list
  elements: str
  sample: [example.com, www.example.com]
fingerprint:
  description: The SHA-256 fingerprint of the certificate, as C(openssl x509 -fingerprint -sha256) writes it.
  returned: success
  type: str
  sample: "5B:0C:97:29:2B:8A:4C:14:C8:29:37:D6:8E:1B:B7:C4:50:C5:9A:33:1F:F5:0D:EC:84:4A:0B:5C:C5:5B:8F:5E"
not_after:
  description: When the certificate expires, in UTC.
  returned: success
  type: str
  sample: "2026-09-29T12:00:00Z"
days_left:
  description: The whole days until then.
  returned: success
  type: int
  sample: 61
chain:
  description: The certificates above that of the server, in the order of the bundle.
  returned: success
  type: list
  elements: dict
  contains:
    subject:
      description: The subject.
      type: str
      sample: C=US, O=Let's Encrypt, CN=E7
    issuer:
      description: The subject of the issuer.
      type: str
      sample: C=US, O=Internet Security Research Group, CN=ISRG Root X1
    serial:
      description: The serial number in hexadecimal digits.
      type: str
      sample: 4A8BD45B7C0D6A3A2B1E6E0A8D6F7C21
    not_before:
      description: From when it is valid.
      type: str
      sample: "2024-03-13T00:00:00Z"
    not_after:
      description: When it expires.
      type: str
      sample: "2027-03-12T23:59:59Z"
    fingerprint:
      description: The SHA-256 fingerprint.
      type: str
      sample: "AE:B1:FD:74:10:E8:3B:C9:6F:5D:A3:C6:A7:C2:C1:BB:83:6D:1F:A5:CB:86:E7:08:51:58:90:E4:28:A8:77:0B"
bundle_changed:
  description: Whether the file had another content, or did not exist.
  returned: success
  type: bool
  sample: true
differed:
  description: Whether the file was not as it should be, its owner and mode included; unlike C(changed) it says so whatever the task makes of that.
  returned: success
  type: bool
library_missing:
  description: Whether nothing more was found wrong than that the host cannot verify its files before python3-cryptography is installed.
  returned: when that is so; the task has failed then
  type: bool
  sample: true
backup_file:
  description: The copy of the old bundle.
  returned: when O(backup=true), outside check mode, and there was another bundle
  type: str
  sample: /etc/haproxy/certs/example.com.pem.4711.2026-03-01@12:30:05~
"""

import contextlib
import glob
import hashlib
import os
import time
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._bundle import OPTIONS, bundle, described, results, warnings
from ..module_utils._io import FileError, read, rehearse, write
from ..module_utils._pem import WANTED, Material, PemError, blocks
from ..module_utils._x509 import HAS_CRYPTOGRAPHY

MISSING = "The Python library cryptography is not on this host: install the package python3-cryptography (3.3 or newer)."
# Seconds after which nobody works on a temporary file any more.
OLD = 60


def material(params: dict[str, t.Any]) -> list[Material]:
    """What the options hold or name, read."""
    found = []
    for option, wanted in WANTED.items():
        path, content = params[option], params[f"{option}_content"]
        if content is not None:
            found.append(Material(f"{option}_content", "", wanted, content.encode("utf-8", "surrogateescape")))
        elif path is not None:
            data = read(path)
            if data is None:
                raise FileError(f"{option} ({path}) does not exist on this host.")
            found.append(Material(option, path, wanted, data))
    return found


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_place(path: str, check_mode: bool) -> None:
    """Whether the file can be made there; in check mode the directory may be one that a real run makes first."""
    directory = os.path.dirname(path)
    if os.path.isdir(directory):
        if not os.access(directory, os.W_OK | os.X_OK):
            raise FileError(f"{directory} cannot be written to: the bundle cannot be made there.")
        if check_mode:
            # Of a mount point or an immutable file the directory tells nothing
            rehearse(path, b"")
    elif not check_mode:
        raise FileError(f"{directory} does not exist: make this directory first, readable for root only.")


def wanted(module: AnsibleModule) -> tuple[bytes | None, dict[str, t.Any]]:
    """The bundle and what there is to say of it; None for one that the controller made and has not sent."""
    params, now = module.params, datetime.now(timezone.utc)
    if params["sha256"]:
        sent = params["certificate_content"]
        if sent is not None and sha256(sent.encode()) != params["sha256"]:
            raise PemError("sha256 is not that of certificate_content, which has to be the finished bundle with it.")
        return None if sent is None else sent.encode(), {}
    given = material(params)
    if not HAS_CRYPTOGRAPHY:
        # What is no PEM is seen without it
        for source in given:
            blocks(source)
        module.fail_json(msg=MISSING, library_missing=True)
    made = bundle(given, now, params["domain"], params["include_root"])
    for warning in warnings(made, now, params["warn_days"]):
        module.warn(warning)
    return made.data, results(made, now)


def remove_leftovers(*folders: str) -> None:
    """What is left of a key by a run that was cut off: a file half written, or the arguments that Ansible sent. Those of a run take seconds."""
    for pattern in (".ansible_tmp*", "ansible-tmp-*/AnsiballZ_pem_bundle.py"):
        for path in (path for folder in folders for path in glob.glob(os.path.join(glob.escape(folder), pattern))):
            with contextlib.suppress(OSError):
                if time.time() - os.lstat(path).st_mtime > OLD:
                    os.unlink(path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "certificate": {"type": "path"},
            # Any of the texts may have the key in it.
            "certificate_content": {"type": "str", "no_log": True},
            "chain": {"type": "path"},
            "chain_content": {"type": "str", "no_log": True},
            "private_key": {"type": "path", "no_log": False},
            "private_key_content": {"type": "str", "no_log": True},
            **OPTIONS,
            "sha256": {"type": "str"},
            "backup": {"type": "bool", "default": False},
            "mode": {"type": "str", "choices": ["0400", "0440", "0600", "0640"], "default": "0600"},
        },
        mutually_exclusive=[(option, f"{option}_content") for option in WANTED],
        required_one_of=[("certificate", "certificate_content", "sha256")],
        add_file_common_args=True,
        supports_check_mode=True,
    )
    params = module.params
    path = os.path.realpath(params["path"])
    backup_file = ""
    try:
        before = read(path)
        after, result = wanted(module)
        changed = before is None or sha256(before) != (params["sha256"] or sha256(after or b""))
        if changed:
            check_place(path, module.check_mode)
        attributes = module.load_file_common_arguments(params, path=path)
        attributes_diff: dict[str, t.Any] = {}
        # First the attributes of the old file, so that an unknown owner is found before it is replaced.
        attributes_changed = before is not None and module.set_fs_attributes_if_different(attributes, False, attributes_diff)
        if not module.check_mode:
            # Ansible ends the name of the directory it made for this with a slash, the module does not
            remove_leftovers(os.path.dirname(path), os.path.dirname(os.path.normpath(module.tmpdir)))
            if changed and after is not None:
                backup_file = write(module, path, after, mode=0o600, backup=params["backup"])
                module.set_fs_attributes_if_different(attributes, True)
    except (PemError, FileError) as problem:
        module.fail_json(msg=str(problem))

    if backup_file:
        result["backup_file"] = backup_file
    shown = described if HAS_CRYPTOGRAPHY else lambda data: "" if data is None else "a file that cannot be shown without python3-cryptography\n"
    diff = [{"before": shown(before), "after": shown(after if changed else before), "before_header": path, "after_header": path}]
    module.exit_json(
        changed=changed or attributes_changed,
        bundle_changed=changed,
        differed=changed or attributes_changed,
        diff=[*diff, *filter(None, [attributes_diff])],
        **result,
    )


if __name__ == "__main__":
    main()
