# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the command in AT_PLAY_RUN when the play named in AT_PLAY begins."""

from __future__ import annotations

import os
import subprocess

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: at_play
type: notification
short_description: Run a command when a play begins
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "at_play"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_play_start(self, play):
        if play.get_name() == os.environ["AT_PLAY"]:
            subprocess.run(os.environ["AT_PLAY_RUN"], shell=True, check=True)
