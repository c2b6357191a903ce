# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many WebSockets at once, as bare as they can be: they open, stay, and bring back a ping."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from http.cookies import SimpleCookie

PATIENCE = 20
REQUEST = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
# Masked with nought, and without a payload
PING = bytes([0x89, 0x80, 0, 0, 0, 0])
PONG = bytes([0x8A, 0])


class Refused(Exception):
    """The answer was another one than 101."""


class Visitor:
    """One WebSocket, and the node that the balancer's cookie says it is on."""

    def __init__(self, node, reader, writer):
        self.node, self.reader, self.writer = node, reader, writer

    @classmethod
    async def open(cls, address, context, host):
        return await asyncio.wait_for(cls._open(address, context, host), PATIENCE)

    @classmethod
    async def _open(cls, address, context, host):
        reader, writer = await asyncio.open_connection(address, 443, ssl=context, server_hostname=host)
        try:
            writer.write(REQUEST.format(host=host).encode())
            status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            if " 101 " not in status:
                raise Refused(status)
        except BaseException:
            writer.transport.abort()
            raise
        cookies = SimpleCookie()
        for line in headers:
            if line.lower().startswith("set-cookie:"):
                cookies.load(line.partition(":")[2])
        return cls(cookies["SERVERID"].value if "SERVERID" in cookies else None, reader, writer)

    async def answers(self):
        """Whether a ping through it comes back."""
        with suppress(OSError, EOFError, asyncio.TimeoutError):
            self.writer.write(PING)
            return await asyncio.wait_for(self.reader.readexactly(len(PONG)), PATIENCE) == PONG
        return False

    def leave(self):
        self.writer.transport.abort()


class Crowd:
    """Visitors who stay, and others who come and go at a steady rate; what became of each is kept."""

    def __init__(self, address, context, host):
        self.place = (address, context, host)
        self.staying = []
        # (begin, end, node) of the sessions that opened, and (begin, error) of those that did not
        self.visits, self.failures = [], []

    async def gather(self, count, at_once=20):
        """Open sessions that stay."""
        turns = asyncio.Semaphore(at_once)

        async def enter():
            async with turns:
                self.staying.append(await Visitor.open(*self.place))

        await asyncio.gather(*(enter() for _number in range(count)))

    async def dropped(self):
        """Return how many of those that stay are no longer served."""
        return (await asyncio.gather(*(visitor.answers() for visitor in self.staying))).count(False)

    async def visit(self):
        """Open one session and leave."""
        begin = time.monotonic()
        try:
            visitor = await Visitor.open(*self.place)
        except (OSError, EOFError, asyncio.TimeoutError, Refused) as error:
            self.failures.append((begin, repr(error)))
            return
        self.visits.append((begin, time.monotonic(), visitor.node))
        visitor.leave()

    async def come_and_go(self, rate, enough):
        """Open so many sessions a second until told that it is enough."""
        running, due = set(), time.monotonic()
        while not enough():
            task = asyncio.ensure_future(self.visit())
            running.add(task)
            task.add_done_callback(running.discard)
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*running)

    def on(self, node, since, until):
        """Return the sessions that began and ended on a node within a time."""
        return [visit for visit in self.visits if visit[2] == node and since < visit[0] and visit[1] < until]

    def leave(self):
        for visitor in self.staying:
            visitor.leave()
        self.staying.clear()
