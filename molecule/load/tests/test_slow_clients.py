# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that hold on to the balancer by being slow are nobody else's business."""

from __future__ import annotations

import asyncio

import pytest
from ansible_collections.webcallserver.balancer.tests.support.crowd import Crowd

SECONDS = 40
# Seconds for the slowest of a hundred, where the machine has other work as well
SLOWEST = 2.0

MODES = {
    "headers": "-H -i 5 -x 24",
    "body": "-B -i 5 -s 65536 -x 64",
    "read": "-X -w 10 -y 20 -n 5 -z 32 -k 3",
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_slow_clients_keep_nobody_out(fleet, mode):
    crowd = Crowd(fleet.address("lb1"), fleet.context(), fleet.domain)
    attack = (
        f"slowhttptest {mode} -c 1000 -r 200 -p 3 -l {SECONDS} -u https://{fleet.domain}/wcs/examples/demo/streaming/two_way_streaming/two_way_streaming.html"
    )

    async def story():
        over = False
        coming = asyncio.ensure_future(crowd.come_and_go(20, lambda: over))
        said = await asyncio.to_thread(fleet.host("visitor").run, f"{attack} 2>&1")
        over = True
        await coming
        return said.stdout

    said = asyncio.run(story())
    # It ends early once none of its connections is left
    assert "exit status" in said.lower() and len(crowd.visits) > 100, said[-2000:]
    took = sorted(end - begin for begin, end, _node in crowd.visits)
    print(f"{mode}: {len(took)} new sessions, {len(crowd.failures)} failed, median {took[len(took) // 2]:.3f} s, slowest {took[-1]:.3f} s")
    assert crowd.failures == []
    assert took[len(took) * 99 // 100] < SLOWEST
