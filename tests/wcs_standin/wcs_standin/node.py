# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's state, sessions and streams, and the rules by which messages change it."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Deque, Dict, List, Optional, Sequence

from .cdn import Cdn, Relay
from .settings import Settings
from .words import (
    CANNOT_ADD,
    ID_IN_USE,
    ID_MISSING,
    MEDIA_LOST,
    NAME_IN_USE,
    NOT_FOUND,
    NOT_READY,
    SESSION_MISSING,
    STOPPED_BY_PUBLISHER,
    STOPPED_BY_REST,
    MediaError,
)

if TYPE_CHECKING:  # aiortc may not be there
    from .media import Media, MediaStreamTrack, Peer

LOG = logging.getLogger("wcs_standin")

PUBLISHED, PLAYED = ("PUBLISHING", "UNPUBLISHED"), ("PLAYING", "STOPPED")


@dataclass(eq=False)
class Session:
    """One signalling WebSocket. `send(message, *data)` puts a frame on it, `close()` ends it."""

    session_id: str
    send: Callable[..., Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    agent: bool = False  # another node of the CDN, not a client
    client: Optional[dict] = None
    missed_pongs: int = 0

    def describe(self, node_id: str) -> dict:
        client = self.client or {}
        known = {key: client[key] for key in ("appKey", "clientVersion", "clientOSVersion", "clientBrowserVersion", "custom") if key in client}
        return {"nodeId": node_id, "sessionId": self.session_id, **known}

    async def notify(self, media_session_id: str, status: str, **more: Any) -> None:
        await self.send("notifyStreamStatusEvent", {"mediaSessionId": media_session_id, "status": status, **more})


@dataclass(eq=False)
class Stream:
    """A stream somebody publishes, or one somebody plays."""

    session: Session
    request: dict
    published: bool
    port: int
    status: str = "PENDING"
    created: int = field(default_factory=lambda: int(time.time() * 1000))
    peer: Optional[Peer] = None
    work: Optional[asyncio.Future] = None

    @property
    def media_session_id(self) -> str:
        return self.request["mediaSessionId"]

    @property
    def name(self) -> str:
        return self.request.get("name", "")

    def describe(self, node_id: str) -> dict:
        return {
            "nodeId": node_id,
            "appKey": (self.session.client or {}).get("appKey", ""),
            "sessionId": self.session.session_id,
            "mediaSessionId": self.media_session_id,
            "name": self.name,
            "published": self.published,
            "hasVideo": self.request.get("hasVideo", True),
            "hasAudio": self.request.get("hasAudio", True),
            "status": self.status,
            "record": self.request.get("record", False),
            "createDate": self.created,
            "mediaType": "publish" if self.published else "play",
            "mediaProvider": self.request.get("mediaProvider", "WebRTC"),
        }


class Node:
    """Everything that lives in one stand-in."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.node_id = str(uuid.uuid4())
        self.sessions: Dict[str, Session] = {}
        self.streams: Dict[str, Stream] = {}
        self.free_media_ports = deque(settings.media_ports)
        self.free_agent_ports = deque(settings.agent_ports)
        self.media: Optional[Media] = None
        self.cdn: Optional[Cdn] = None
        self.relays: Dict[str, Relay] = {}
        self._pulling = asyncio.Lock()
        self._messages = {
            "connection": self._connection,
            "publishStream": self._publish,
            "playStream": self._play,
            "unPublishStream": self._stop,
            "stopStream": self._stop,
            "availableStream": self._available,
            "sendStreamEvent": self._stream_event,
            "sendData": self._data,
            "ping": self._ping,
        }

    # Sessions

    def open(self, session: Session) -> None:
        self.sessions[session.session_id] = session
        LOG.info("session %s opened", session.session_id)

    async def closed(self, session: Session) -> None:
        del self.sessions[session.session_id]
        LOG.info("session %s closed", session.session_id)
        for stream in [stream for stream in self.streams.values() if stream.session is session]:
            await self._remove(stream)

    async def keep_alive(self, session: Session) -> None:
        """Ping as long as the session lives; give it up when too many pings in a row stayed without a pong."""
        while self.settings.keep_alive_algorithm == "HIGH_LEVEL":
            await asyncio.sleep(self.settings.keep_alive_server_interval / 1000)
            if session.missed_pongs >= self.settings.keep_alive_probes:
                LOG.warning("session %s missed %d pongs", session.session_id, session.missed_pongs)
                await session.close()
                return
            session.missed_pongs += 1
            await session.send("ping", None)

    # Messages

    async def receive(self, session: Session, message: str, data: Any) -> None:
        if message == "pong":
            session.missed_pongs = 0
            return
        handler = self._messages.get(message)
        if handler is None:
            LOG.info("session %s sent %r, which the stand-in does not know", session.session_id, message)
            return
        LOG.info("session %s: %s %s", session.session_id, message, data.get("name", "") if isinstance(data, dict) else "")
        await handler(session, data if isinstance(data, dict) else {})

    async def _connection(self, session: Session, client: dict) -> None:
        session.client = client
        await session.send("getUserData", {"authToken": session.session_id, "status": "ESTABLISHED", "appKey": client.get("appKey", "")})

    async def _publish(self, session: Session, request: dict) -> None:
        name = request.get("name")
        refusal = self._refusal(session, request) or (NAME_IN_USE if self.publisher(name) or name in self.relays else None)
        await self._start(session, request, refusal, published=True)

    async def _play(self, session: Session, request: dict) -> None:
        refusal = self._refusal(session, request)
        if not refusal:
            publisher = self.publisher(request.get("name"))
            if publisher is None:
                refusal = None if await self._pull(request.get("name")) else NOT_FOUND
            elif publisher.status != "PUBLISHING":
                refusal = NOT_READY
        await self._start(session, request, refusal, published=False)
        await self._release(request.get("name"))

    def _refusal(self, session: Session, request: dict) -> Optional[str]:
        if session.client is None:
            return SESSION_MISSING
        if not request.get("mediaSessionId"):
            return ID_MISSING
        if request["mediaSessionId"] in self.streams:
            return ID_IN_USE
        return None if self._ports(session) else CANNOT_ADD

    async def _start(self, session: Session, request: dict, refusal: Optional[str], published: bool) -> None:
        if refusal:
            LOG.info("session %s: %s", session.session_id, refusal)
            await session.notify(request.get("mediaSessionId", ""), "FAILED", info=refusal, name=request.get("name"), published=published)
            return
        stream = Stream(session, request, published, self._ports(session).popleft())
        self.streams[stream.media_session_id] = stream
        # A stream published without media is played without.
        if self.media is not None and request.get("sdp") and (published or self._tracks(stream.name)):
            stream.work = asyncio.ensure_future(self._carry(stream, self.media.peer(stream.port)))
        else:
            await self._set_status(stream, (PUBLISHED if published else PLAYED)[0])

    async def _carry(self, stream: Stream, peer: Peer) -> None:
        """Bring a stream's media about, and stay until it ends by itself."""
        stream.peer = peer
        try:
            await peer.answer(stream.request["sdp"], () if stream.published else self._tracks(stream.name))
            await stream.session.send("setRemoteSDP", stream.media_session_id, peer.sdp)
            await peer.connect()
        except MediaError as error:
            reason = str(error)
        else:
            await self._set_status(stream, (PUBLISHED if stream.published else PLAYED)[0])
            await peer.ended()
            reason = MEDIA_LOST
        LOG.warning("stream %s of session %s: %s", stream.name, stream.session.session_id, reason)
        stream.work = None
        await self._remove(stream)
        await self._set_status(stream, "FAILED", info=reason)

    def _tracks(self, name: str) -> Sequence[MediaStreamTrack]:
        publisher = self.publisher(name)
        peer = publisher.peer if publisher is not None else self.relays[name].peer
        return peer.tracks if peer is not None else ()

    async def _stop(self, session: Session, request: dict) -> None:
        media_session_id = request.get("mediaSessionId", "")
        stream = self.streams.get(media_session_id)
        if stream is not None and stream.session is session:
            await self._remove(stream)
            await self._set_status(stream, (PUBLISHED if stream.published else PLAYED)[1])

    async def _available(self, session: Session, request: dict) -> None:
        answer = {"id": request.get("mediaSessionId", "")}
        if await self._exists(request.get("name")):
            answer["status"] = "true"
        else:
            answer.update(status="false", info=NOT_FOUND)
        await session.send("availableStream", answer)

    async def _stream_event(self, session: Session, request: dict) -> None:
        stream = self.streams.get(request.get("mediaSessionId", ""))
        if stream is not None and stream.session is session and stream.published:
            event = {key: request[key] for key in ("type", "payload") if key in request}
            await self._deliver(stream.name, event)

    async def _deliver(self, name: str, event: dict) -> None:
        for player in self.players(name):
            await player.session.send("notifyStreamEvent", {"mediaSessionId": player.media_session_id, **event})

    async def _data(self, session: Session, request: dict) -> None:
        await session.send("DataStatusEvent", {"operationId": request.get("operationId", ""), "status": "ACCEPTED"})

    async def _ping(self, session: Session, _request: dict) -> None:
        await session.send("pong", None)

    # Streams

    @property
    def clients(self) -> List[Session]:
        return [session for session in self.sessions.values() if not session.agent]

    @property
    def client_streams(self) -> List[Stream]:
        return [stream for stream in self.streams.values() if not stream.session.agent]

    def publisher(self, name: Optional[str]) -> Optional[Stream]:
        return next((stream for stream in self.streams.values() if stream.published and stream.name == name), None)

    def players(self, name: str) -> List[Stream]:
        return [stream for stream in self.streams.values() if not stream.published and stream.name == name]

    async def terminate(self, stream: Stream) -> None:
        if await self._remove(stream):
            await self._set_status(stream, "FAILED", info=STOPPED_BY_REST)

    async def _set_status(self, stream: Stream, status: str, **more: Any) -> None:
        stream.status = status
        await stream.session.notify(stream.media_session_id, status, name=stream.name, published=stream.published, **more)

    async def _remove(self, stream: Stream) -> bool:
        """Take a stream away, and with a publisher its players; False when it went with its publisher before."""
        if self.streams.pop(stream.media_session_id, None) is None:
            return False
        if stream.work is not None:
            stream.work.cancel()
        if stream.peer is not None:
            await stream.peer.close()
        self._ports(stream.session).append(stream.port)
        if stream.published:
            await self._fail_players(stream.name)
        else:
            await self._release(stream.name)
        return True

    async def _fail_players(self, name: str) -> None:
        for player in self.players(name):
            await self._remove(player)
            await self._set_status(player, "FAILED", info=STOPPED_BY_PUBLISHER)

    def _ports(self, session: Session) -> Deque[int]:
        return self.free_agent_ports if session.agent else self.free_media_ports

    # Streams of other nodes

    async def _exists(self, name: Optional[str]) -> bool:
        if self.publisher(name) or name in self.relays:
            return True
        socket = await self.cdn.find(name) if self.cdn is not None else None
        if socket is not None:
            await socket.close()
        return socket is not None

    async def _pull(self, name: Optional[str]) -> bool:
        """Have a stream of the CDN here; False when there is none of that name."""
        async with self._pulling:
            if self.cdn is None or name in self.relays or not self.free_agent_ports:
                return name in self.relays
            socket = await self.cdn.find(name)
            if socket is None:
                return False
            port = self.free_agent_ports.popleft()
            relay = Relay(socket, name, port, self.media.peer(port) if self.media is not None else None)
            playing = await relay.start(self._deliver, self._drop)
            self.relays[name] = relay
            if not playing:
                await self._drop(relay)
            return playing

    async def _release(self, name: Optional[str]) -> None:
        """Let go of a stream of the CDN that nobody plays here."""
        if name in self.relays and not self.players(name):
            await self._drop(self.relays[name])

    async def _drop(self, relay: Relay) -> None:
        if self.relays.get(relay.name) is relay:
            del self.relays[relay.name]
            await relay.close()
            self.free_agent_ports.append(relay.port)
            await self._fail_players(relay.name)
