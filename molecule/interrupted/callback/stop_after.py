# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill the controller, workers and connections and all, as soon as a run has changed something for the STOP_AFTERth time."""

from __future__ import annotations

import os
import signal

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: stop_after
type: aggregate
short_description: Kill the controller in the middle of a run
description: Counts what was changed, and kills its own process group.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stop_after"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display=None, options=None):
        super().__init__(display, options)
        self.left = int(os.environ["STOP_AFTER"])

    def v2_runner_on_ok(self, result):
        # Public from ansible-core 2.19 on, and the only way from 2.23
        outcome = getattr(result, "result", None) or result._result
        if outcome.get("changed"):
            self.left -= 1
            if self.left == 0:
                os.killpg(0, signal.SIGKILL)
