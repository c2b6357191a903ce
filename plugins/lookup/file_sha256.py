# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: file_sha256
short_description: SHA-256 of files on the controller
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Reads files on the controller, of any content and size, and returns their checksums. Nothing is sent to a host.
  - A role can so refuse a wrong file before it changes anything.
options:
  _terms:
    description: The files. Relative paths are searched for as P(ansible.builtin.file#lookup) does.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse an archive that is not the one we know
  ansible.builtin.assert:
    that: lookup('webcallserver.balancer.file_sha256', 'files/websdk.tgz') == websdk_sha256
"""

RETURN = r"""
_raw:
  description: For each file its SHA-256 in hexadecimal, or an empty string when there is no such file.
  type: list
  elements: str
"""

import hashlib
import os
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

LONGEST = 4000


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        return [self._checksum(term, variables) for term in terms]

    def _checksum(self, term: str, variables: dict[str, t.Any] | None) -> str:
        # No file has such a name, and to look for one is an error
        return "" if "\0" in term or len(term) > LONGEST else checksum(self.find_file_in_search_path(variables, "files", term, ignore_missing=True))


def checksum(path: str | None) -> str:
    """The SHA-256 of a file, '' when there is none."""
    if not path or not os.path.isfile(path):
        return ""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            for chunk in iter(lambda: stream.read(1024 * 1024), b""):
                digest.update(chunk)
    except OSError as failure:
        raise AnsibleLookupError(f"{path} cannot be read: {failure.strerror}.") from failure
    return digest.hexdigest()
