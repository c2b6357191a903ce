# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""WebRTC by aiortc: what comes from a publisher goes, decoded and encoded anew, to each of its players."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any, Dict, List, Optional, Sequence, Tuple

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole, MediaRelay
from aiortc.exceptions import InvalidAccessError, InvalidStateError
from aiortc.mediastreams import MediaStreamTrack

from .words import CANNOT_ADD, ICE_TIMEOUT, MediaError

PATIENCE = 10.0
GRACE = 3.0
ROUND = 1.0

_port: ContextVar[int] = ContextVar("_port", default=0)
_get_host_addresses = aioice.ice.get_host_addresses
# Where there is nothing but loopback, aioice offers nothing at all.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: _get_host_addresses(use_ipv4, use_ipv6) or ["127.0.0.1"]


class Peer:
    """One peer connection: a publisher's, a player's, or one between two nodes."""

    def __init__(self, media: Media, port: int) -> None:
        # No STUN server: the addresses of this host are all that is offered.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._media = media
        self._port = port
        self._sink = MediaBlackhole()
        self._ended = asyncio.Event()
        self._connected = asyncio.Event()
        self.tracks: List[MediaStreamTrack] = []
        self._connection.on("track", self._add)
        self._connection.on("connectionstatechange", self._changed)

    @property
    def sdp(self) -> str:
        return self._connection.localDescription.sdp

    async def offer(self) -> str:
        """Offer to receive audio and video; return the offer to send."""
        for kind in ("audio", "video"):
            self._connection.addTransceiver(kind, direction="recvonly")
        await self._describe(await self._connection.createOffer())
        # aiortc offers audio's level and video's time under the same number, and then takes one for the other
        return "".join(line for line in self.sdp.splitlines(keepends=True) if not line.startswith("a=extmap:2 "))

    async def answer(self, offer: str, tracks: Sequence[MediaStreamTrack]) -> None:
        """Answer a publisher, or with tracks a player."""
        await self.accept(offer, "offer")
        for track in tracks:
            # A player that falls behind misses pictures, but not sounds.
            self._connection.addTrack(self._media.relay.subscribe(track, buffered=track.kind == "audio"))
        await self._describe(await self._connection.createAnswer())

    async def accept(self, sdp: str, kind: str = "answer") -> None:
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp, kind))
        except (ValueError, InvalidAccessError, InvalidStateError) as error:
            raise MediaError(CANNOT_ADD) from error
        if not self._connection.getTransceivers():
            raise MediaError(CANNOT_ADD)

    async def connect(self) -> None:
        """Wait until media can flow."""
        try:
            await asyncio.wait_for(self._connected.wait(), PATIENCE)
        except asyncio.TimeoutError:
            raise MediaError(ICE_TIMEOUT) from None
        await self._sink.start()

    async def ended(self) -> None:
        """Wait until the other side has gone. It closes its media just after it has said so, on another way that may be slower."""
        await self._ended.wait()
        await asyncio.sleep(GRACE)

    async def close(self) -> None:
        self._media.peers.pop(self, None)
        await self._sink.stop()
        await self._connection.close()

    async def transferred(self) -> Tuple[int, int]:
        """Bytes received and sent so far."""
        report = await self._connection.getStats()
        transports = {entry.id: entry for entry in report.values() if entry.type == "transport"}.values()
        return sum(entry.bytesReceived for entry in transports), sum(entry.bytesSent for entry in transports)

    async def _describe(self, description: Any) -> None:
        # Audio and video share the transport of the first; in an offer the second has one of its own until the answer, and must not take the port.
        first = self._connection.getTransceivers()[0].receiver.transport.transport
        token = _port.set(self._port)
        try:
            await first.iceGatherer.gather()
        finally:
            _port.reset(token)
        await self._connection.setLocalDescription(description)

    def _add(self, track: MediaStreamTrack) -> None:
        self.tracks.append(track)
        # Somebody has to take the frames, or they pile up while nobody plays.
        self._sink.addTrack(self._media.relay.subscribe(track, buffered=False))

    def _changed(self) -> None:
        if self._connection.connectionState == "connected":
            self._connected.set()
        elif self._connection.connectionState in ("failed", "closed"):
            self._ended.set()


class Media:
    """All peers of a node, and how much goes through them."""

    def __init__(self) -> None:
        self.relay = MediaRelay()
        self.peers: Dict[Peer, Tuple[int, int]] = {}
        self.received_mbps = 0.0
        self.sent_mbps = 0.0
        _use_ports_of_ours(asyncio.get_running_loop())

    def peer(self, port: int) -> Peer:
        peer = Peer(self, port)
        self.peers[peer] = (0, 0)
        return peer

    async def measure(self) -> None:
        """Keep the rates of the last second."""
        while True:
            await asyncio.sleep(ROUND)
            received = sent = 0
            for peer, before in list(self.peers.items()):
                now = await peer.transferred()
                if peer in self.peers:
                    self.peers[peer] = now
                    received += now[0] - before[0]
                    sent += now[1] - before[1]
            self.received_mbps = round(received * 8 / ROUND / 1e6, 3)
            self.sent_mbps = round(sent * 8 / ROUND / 1e6, 3)


def _use_ports_of_ours(loop: asyncio.AbstractEventLoop) -> None:
    """Let aioice, which has no parameter for it, bind the port chosen for the stream."""
    create_datagram_endpoint = loop.create_datagram_endpoint

    async def create(protocol_factory: Any, local_addr: Optional[tuple] = None, **options: Any) -> tuple:
        if local_addr is not None and local_addr[1] == 0:
            local_addr = (local_addr[0], _port.get())
        return await create_datagram_endpoint(protocol_factory, local_addr=local_addr, **options)

    loop.create_datagram_endpoint = create
