# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module in this process, as Ansible would start it."""

from __future__ import annotations

import contextlib
import io
import json
import typing as t
from pathlib import Path
from unittest import mock

from ansible.module_utils.testing import patch_module_args
from ansible_collections.webcallserver.balancer.plugins.modules import pem_bundle


def on_disk(folder: Path, given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The options with everything that is bytes put into a file of its own."""
    options = dict(given)
    for option, value in given.items():
        if isinstance(value, bytes):
            options[option] = str(folder / option)
            (folder / option).write_bytes(value)
    return options


def run(options: t.Mapping[str, t.Any], check: bool = False, diff: bool = True) -> dict[str, t.Any]:
    """The result of the module, which fails when 'failed' is in it; 'printed' is all that it wrote."""
    printed, warnings = io.StringIO(), []
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": diff}
    with contextlib.ExitStack() as stack:
        # A module runs once in a process, and the warnings of all runs would add up here.
        stack.enter_context(mock.patch.object(pem_bundle.AnsibleModule, "warn", lambda module, warning: warnings.append(warning)))
        stack.enter_context(patch_module_args(arguments))
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.redirect_stderr(printed))
        stack.enter_context(contextlib.suppress(SystemExit))
        pem_bundle.main()
    return {**json.loads(printed.getvalue()), "warnings": warnings, "printed": printed.getvalue()}
