# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CDN: who is in it, and how an edge gets a stream from the origin that has it.

Every node tells its table of members to its point of entry and to everybody it knows, and takes theirs in exchange. To fetch a
stream an edge opens, on the origin's cdn_port, a signalling session like any client's and plays the stream.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, AsyncIterator, Awaitable, Callable, Dict, List, Optional, Tuple

import aiohttp
from aiohttp import web

from .settings import Settings
from .words import MediaError

if TYPE_CHECKING:  # aiortc may not be there
    from .media import Peer

LOG = logging.getLogger("wcs_standin")

ROUND = 1.0
FORGET = 10.0
PATIENCE = 5.0

OnEvent = Callable[[str, dict], Awaitable[None]]
OnEnd = Callable[["Relay"], Awaitable[None]]


class Members:
    """Who is in the CDN. A member counts as gone when its own beat, which only it can raise, has stood still for FORGET seconds."""

    def __init__(self, address: str, role: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self._clock = clock
        self._role = role
        self._beat = int(time.time() * 1000)
        self._table: Dict[str, dict] = {}
        self._seen: Dict[str, float] = {}

    def beat(self) -> None:
        self._beat += 1

    def merge(self, table: Dict[str, dict]) -> None:
        for address, entry in table.items():
            if address != self.address and entry["beat"] > self._table.get(address, {"beat": 0})["beat"]:
                if address not in self.others():
                    LOG.info("%s %s is in the CDN", entry["role"], address)
                self._table[address] = entry
                self._seen[address] = self._clock()

    def others(self) -> List[str]:
        return [address for address, seen in self._seen.items() if self._clock() - seen < FORGET]

    def origins(self) -> List[str]:
        return [address for address in self.others() if self._table[address]["role"] == "origin"]

    def table(self) -> Dict[str, dict]:
        known = {address: self._table[address] for address in self.others()}
        return {**known, self.address: {"role": self._role, "beat": self._beat}}


class Relay:
    """A session in which this node plays a stream of an origin's."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, name: str, port: int, peer: Optional[Peer]) -> None:
        self.name = name
        self.port = port
        self.peer = peer
        self._socket = socket
        self._status = asyncio.get_running_loop().create_future()
        self._reader: Optional[asyncio.Future] = None
        self._answered = False

    async def start(self, on_event: OnEvent, on_end: OnEnd) -> bool:
        """Ask for the stream; True once it plays."""
        self._reader = asyncio.ensure_future(self._read(on_event, on_end))
        request = {"mediaSessionId": str(uuid.uuid1()), "name": self.name}
        try:
            if self.peer is not None:
                request["sdp"] = await self.peer.offer()
            await _send(self._socket, "playStream", request)
            if await asyncio.wait_for(self._status, PATIENCE) != "PLAYING":
                return False
            if self._answered:
                await self.peer.connect()
        except (ConnectionResetError, MediaError, asyncio.TimeoutError) as error:
            LOG.warning("stream %s did not come from the CDN: %r", self.name, error)
            return False
        return True

    async def close(self) -> None:
        await self._socket.close()
        if self.peer is not None:
            await self.peer.close()

    async def _read(self, on_event: OnEvent, on_end: OnEnd) -> None:
        with suppress(ConnectionResetError, MediaError):
            async for message, data in _messages(self._socket):
                if message == "setRemoteSDP" and self.peer is not None:
                    await self.peer.accept(data[1])
                    self._answered = True
                elif message == "notifyStreamEvent":
                    await on_event(self.name, {key: data[0][key] for key in ("type", "payload") if key in data[0]})
                elif message == "notifyStreamStatusEvent":
                    if not self._status.done():
                        self._status.set_result(data[0]["status"])
                    if data[0]["status"] != "PLAYING":
                        break
        if not self._status.done():
            self._status.set_result("FAILED")
        await on_end(self)


class Cdn:
    """This node's part in the CDN."""

    def __init__(self, settings: Settings, client: aiohttp.ClientSession) -> None:
        self.members = Members(settings.cdn_ip, settings.cdn_role)
        self._settings = settings
        self._client = client

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/members", self._exchange)

    async def run(self) -> None:
        """Exchange tables, round after round."""
        while True:
            self.members.beat()
            entry = self._settings.cdn_point_of_entry
            known = {entry, *self.members.others()} - {"", self.members.address}
            await asyncio.gather(*(self._tell(address) for address in known))
            await asyncio.sleep(ROUND)

    async def find(self, name: Optional[str]) -> Optional[aiohttp.ClientWebSocketResponse]:
        """A session at the first origin that has the stream. Only edges look."""
        for address in self.members.origins() if self._settings.cdn_role == "edge" else ():
            try:
                socket = await asyncio.wait_for(self._client.ws_connect(self._url(address, "/")), PATIENCE)
                if await asyncio.wait_for(_has(socket, name), PATIENCE):
                    LOG.info("stream %s is at origin %s", name, address)
                    return socket
                await socket.close()
            except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionResetError) as error:
                LOG.warning("origin %s does not answer for stream %s: %r", address, name, error)
        return None

    async def _tell(self, address: str) -> None:
        try:
            timeout = aiohttp.ClientTimeout(total=ROUND)
            async with self._client.post(self._url(address, "/members"), json=self.members.table(), timeout=timeout) as response:
                response.raise_for_status()
                self.members.merge(await response.json())
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            LOG.debug("CDN node %s does not answer: %r", address, error)

    async def _exchange(self, request: web.Request) -> web.Response:
        if not self._settings.allows_cdn:
            return web.Response(status=403, text="allow_domains does not contain this node's cdn_ip.\n")
        self.members.merge(await request.json())
        return web.json_response(self.members.table())

    def _url(self, address: str, path: str) -> str:
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{self._settings.cdn_port}{path}"


async def _send(socket: aiohttp.ClientWebSocketResponse, message: str, data: Any) -> None:
    await socket.send_str(json.dumps({"message": message, "data": [data]}))


async def _messages(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Tuple[str, list]]:
    """What comes, pings answered and left out."""
    async for frame in socket:
        content = json.loads(frame.data)
        if content["message"] == "ping":
            await _send(socket, "pong", None)
        else:
            yield content["message"], content["data"]


async def _has(socket: aiohttp.ClientWebSocketResponse, name: Optional[str]) -> bool:
    await _send(socket, "connection", {"appKey": "cdn"})
    await _send(socket, "availableStream", {"mediaSessionId": str(uuid.uuid1()), "name": name})
    async for message, data in _messages(socket):
        if message == "availableStream":
            return data[0]["status"] == "true"
    return False
