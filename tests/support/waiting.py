# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits that end."""

from __future__ import annotations

import asyncio
import time


def eventually(look, wanted=True, seconds=6.0, pause=0.02):
    """Look until it is as wanted, and return what was seen last."""
    end = time.monotonic() + seconds
    while (seen := look()) != wanted and time.monotonic() < end:
        time.sleep(pause)
    return seen


def until(condition, seconds=6.0, said=None, pause=0.02, ignore=()):
    """Wait until a condition holds, and return what it came to; where that takes longer, fail with what said() returns.

    While it raises what is to be ignored, it does not hold.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            if result := condition():
                return result
        except ignore:
            pass
        assert time.monotonic() < end, f"not within {seconds} s" + (f": {said()}" if said else "")
        time.sleep(pause)


async def until_async(condition, seconds=6.0, pause=0.05):
    """Wait until a condition holds, beside what else runs in the loop."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(pause)
