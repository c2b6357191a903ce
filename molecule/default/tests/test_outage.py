# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node goes and comes back; what runs elsewhere does not notice."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from ansible_collections.webcallserver.balancer.tests.support import wcs_client

AGENT_INTERVAL = 1


async def sessions_on_both(stack, fleet):
    """Open sessions until each node has one, return them by node."""
    fleet.all_empty()
    found = {}
    for number in range(4):
        url = f"wss://{fleet.domain}:443"
        session = await stack.enter_async_context(wcs_client.connect(url, ssl=fleet.context(), address=fleet.address("lb1")))
        await session.publish(f"outage{number}")
        found.setdefault(fleet.node_of(f"outage{number}"), session)
    assert set(found) == {"wcs1", "wcs2"}
    return found


async def until(fleet, condition, seconds):
    begin = time.monotonic()
    while not condition(fleet.servers()["wcs1"]):
        assert time.monotonic() - begin < seconds, fleet.servers()["wcs1"]
        await asyncio.sleep(0.1)
    return time.monotonic() - begin


@pytest.fixture
def wcs1(fleet):
    yield "wcs1"
    fleet.run("wcs1", "systemctl start webcallserver")


def test_wcs_stops_and_comes_back(fleet, wcs1):
    async def story():
        async with AsyncExitStack() as stack:
            sessions = await sessions_on_both(stack, fleet)
            fleet.run(wcs1, "systemctl stop webcallserver")
            # One interval of the agent's sampling and one of HAProxy's asking; the rest is the time it takes to look.
            await until(fleet, lambda row: row["status"].startswith("DOWN") and "statistics" in row["last_agt"], 2 * AGENT_INTERVAL + 1)
            assert not sessions["wcs2"].closed
            fleet.run(wcs1, "systemctl start webcallserver")
            await until(fleet, lambda row: row["status"] == "UP", 20)
            assert not sessions["wcs2"].closed
            await sessions["wcs2"].publish("still-here")

    asyncio.run(story())


def test_a_reload_of_the_balancer_cuts_nobody(fleet):
    async def story():
        async with AsyncExitStack() as stack:
            sessions = await sessions_on_both(stack, fleet)
            fleet.run("lb1", "systemctl reload haproxy")
            await asyncio.sleep(2)
            for node, session in sessions.items():
                await session.publish(f"after-reload-{node}")

    asyncio.run(story())
