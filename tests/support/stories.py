# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests on several hosts that share the runs of a playbook, since it is these that take the time, whatever they find."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple


class Run(NamedTuple):
    """What a story asks for: a run over its host with these variables."""

    variables: dict[str, Any] = {}
    check: bool = False


def tell(fleet, playbook, stories):
    """Tell each host's stories one after the other, and those of all hosts side by side; return what went wrong by host and name.

    A story is an asynchronous generator that is called with the fleet and its host. It yields the run that it needs next, and is
    sent the outcome on its host.
    """
    return asyncio.run(Telling(fleet, playbook, stories).whole())


class Telling:
    """How far the stories of each host have come."""

    def __init__(self, fleet, playbook, stories):
        self.fleet, self.playbook = fleet, playbook
        self.left = {host: list(named.items()) for host, named in stories.items()}
        self.current, self.waiting, self.wrong = {}, {}, {}

    async def whole(self):
        for host in self.left:
            await self.go_on(host)
        while self.waiting:
            # What most of them wait for; the others get their turn
            check = sum(run.check for run in self.waiting.values()) * 2 > len(self.waiting)
            hosts = {host: run.variables for host, run in self.waiting.items() if run.check == check}
            outcomes = await asyncio.to_thread(self.fleet.play_on, self.playbook, hosts, *(["--check"] if check else []))
            for host, outcome in outcomes.items():
                del self.waiting[host]
                await self.go_on(host, outcome)
        return self.wrong

    async def go_on(self, host, outcome=None):
        """Go on with a host's story, or the next ones, until there is a run to wait for."""
        while host in self.current or self.left[host]:
            if host not in self.current:
                name, story = self.left[host].pop(0)
                self.current[host] = name, story(self.fleet, host)
            name, story = self.current[host]
            try:
                self.waiting[host] = await story.asend(outcome)
                return
            except StopAsyncIteration:
                pass
            except Exception as problem:
                self.wrong[host, name] = problem
            del self.current[host]
            outcome = None
