# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WebSocket may be silent for long."""

from __future__ import annotations

import time

MINUTES = 15


def test_a_silent_websocket_is_alive_after_fifteen_minutes(silent):
    """It was opened before all other tests, so it has seen whatever they did to the balancer."""
    time.sleep(max(0.0, silent.since + MINUTES * 60 - time.monotonic()))
    assert silent.answers()
