# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media through stand-ins, with aiortc in the browser's place: offers without candidates, as the WebSDK makes them."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.support.wcs_client import connect
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin import cdn, media, statistics
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin.server import running
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin.settings import Settings

FIRST = free_port() // 2 * 2
PORTS = range(FIRST, FIRST + 6)


def settings(**changed):
    ports = {"ws_port": free_port(), "http_port": free_port(), "media_port_from": PORTS.start, "media_port_to": PORTS.stop}
    return Settings(**{"global_bandwidth_check_enabled": True, **ports, **changed})


class Browser:
    """One peer connection of a page."""

    def __init__(self, session):
        self._session = session
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tracks = {}
        self._peer.on("track", lambda track: self.tracks.update({track.kind: track}))

    async def publish(self, name):
        for track in (AudioStreamTrack(), VideoStreamTrack()):
            self._peer.addTrack(track)
        return await self._start(name, "PUBLISHING")

    async def play(self, name):
        for kind in ("audio", "video"):
            self._peer.addTransceiver(kind, direction="recvonly")
        return await self._start(name, "PLAYING")

    async def _start(self, name, status):
        await self._peer.setLocalDescription(await self._peer.createOffer())
        offer = re.sub(r"a=(candidate|end-of-candidates).*\r\n", "", self._peer.localDescription.sdp)
        stream = await self._session.start(name, published=status == "PUBLISHING", sdp=offer)
        await self._session.until(lambda: stream.remote_sdp or stream.status == "FAILED")
        await self._peer.setRemoteDescription(RTCSessionDescription(stream.remote_sdp, "answer"))
        return await stream.until(status)

    async def close(self):
        await self._peer.close()


@asynccontextmanager
async def browser(node):
    async with connect(f"ws://127.0.0.1:{node.settings.ws_port}") as session:
        page = Browser(session)
        yield page
        await page.close()


def candidate_ports(stream):
    return {int(port) for port in re.findall(r"a=candidate:\S+ \d udp \d+ \S+ (\d+) typ host", stream.remote_sdp)}


def test_what_is_published_is_played(monkeypatch):
    monkeypatch.setattr(media, "ROUND", 0.2)

    async def steps():
        async with running(settings()) as node, browser(node) as here, browser(node) as there:
            published = await here.publish("test")
            played = await there.play("test")
            frame = await asyncio.wait_for(there.tracks["video"].recv(), 5)
            sound = await asyncio.wait_for(there.tracks["audio"].recv(), 5)
            await asyncio.sleep(0.5)
            rates = statistics.collect(node)["network_stats"].values()
            await played.stop()
            await published.stop()
            return frame, sound, rates, candidate_ports(published), candidate_ports(played), statistics.collect(node)["port_stats"]

    frame, sound, rates, published, played, ports = asyncio.run(steps())
    assert (frame.width, frame.height, sound.sample_rate) == (640, 480, 48000)
    assert all(rate > 0 for rate in rates)
    assert (published, played) == ({PORTS[0]}, {PORTS[2]})
    assert ports["ports_media_busy"] == 0


def test_media_crosses_the_cdn(monkeypatch):
    monkeypatch.setattr(cdn, "ROUND", 0.1)

    async def steps():
        async with AsyncExitStack() as stack:
            nodes, cdn_port = {}, free_port()
            for number, (address, role) in enumerate((("127.0.0.31", "origin"), ("127.0.0.32", "edge"))):
                # Both bind media on the same addresses here.
                first = FIRST + 10 * number
                ranges = {"media_port_from": first, "media_port_to": first + 5, "wcs_agent_port_from": first + 5, "wcs_agent_port_to": first + 9}
                cdn_settings = {"cdn_enabled": True, "cdn_ip": address, "cdn_role": role, "cdn_point_of_entry": "127.0.0.31", "cdn_port": cdn_port}
                nodes[role] = await stack.enter_async_context(running(settings(**cdn_settings, **ranges)))
            here = await stack.enter_async_context(browser(nodes["origin"]))
            there = await stack.enter_async_context(browser(nodes["edge"]))
            await here.publish("test")
            while not nodes["edge"].cdn.members.origins():
                await asyncio.sleep(0.05)
            played = await there.play("test")
            frame = await asyncio.wait_for(there.tracks["video"].recv(), 5)
            return frame, candidate_ports(played)

    frame, ports = asyncio.run(steps())
    assert (frame.width, frame.height) == (640, 480)
    assert ports == {FIRST + 10}


@pytest.mark.parametrize(
    ("sdp", "patience", "reason"),
    [
        ("this is no SDP", 5.0, "Failed to add stream to proxy"),
        (None, 0.2, "Failed by ICE timeout"),
    ],
)
def test_media_that_does_not_come_about(monkeypatch, sdp, patience, reason):
    monkeypatch.setattr(media, "PATIENCE", patience)

    async def steps():
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTrack(AudioStreamTrack())
        offer = (await peer.createOffer()).sdp
        async with running(settings()) as node, connect(f"ws://127.0.0.1:{node.settings.ws_port}") as session:
            stream = await session.start("test", published=True, sdp=sdp or offer)
            await stream.until("FAILED")
            await peer.close()
            return stream.info, statistics.collect(node)["port_stats"]["ports_media_busy"]

    assert asyncio.run(steps()) == (reason, 0)
