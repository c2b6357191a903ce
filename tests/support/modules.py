# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module, run in this process as Ansible would start it."""

from __future__ import annotations

import contextlib
import io
import json

from ansible.module_utils.testing import patch_module_args


def run(module, options, check=False, diff=True):
    """Return the result of the module, which has failed when 'failed' is in it."""
    printed = io.StringIO()
    with patch_module_args({**options, "_ansible_check_mode": check, "_ansible_diff": diff}), contextlib.redirect_stdout(printed):
        try:
            module.main()
        except SystemExit:
            return json.loads(printed.getvalue())
    raise AssertionError(f"the module has not ended: {printed.getvalue()}")
