# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that speaks the WebSDK's signalling, for tests and for verification; it carries no media."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl as tls
import sys
import uuid
from contextlib import asynccontextmanager, suppress
from http.cookies import SimpleCookie
from typing import Any, AsyncIterator, Dict, List, Mapping, Optional, Tuple

import aiohttp
from aiohttp.abc import AbstractResolver

TIMEOUT = 10.0
ABNORMAL_CLOSURE = 1006
ENDED = {"FAILED", "STOPPED", "UNPUBLISHED"}


class WcsError(Exception):
    """What was waited for did not come."""


class Stream:
    """A stream this session publishes or plays, and all that the server said of it."""

    def __init__(self, session: Session, name: str, published: bool) -> None:
        self.session = session
        self.name = name
        self.published = published
        self.media_session_id = str(uuid.uuid1())
        self.status = "PENDING"
        self.info: Optional[str] = None
        self.remote_sdp: Optional[str] = None
        self.events: List[dict] = []

    async def until(self, *statuses: str, timeout: float = TIMEOUT) -> Stream:
        """Wait for one of the statuses; an end that is not among them is an error."""
        await self.session.until(lambda: self.status in {*statuses, *ENDED}, timeout, f"{self.name} to be {' or '.join(statuses)}")
        if self.status not in statuses:
            raise WcsError(f"{self.name} is {self.status} instead of {' or '.join(statuses)}: {self.info}")
        return self

    async def stop(self, timeout: float = TIMEOUT) -> Stream:
        message = {key: value for key, value in self.request().items() if key not in ("mediaProvider", "sdp")}
        await self.session.send("unPublishStream" if self.published else "stopStream", message)
        return await self.until("UNPUBLISHED" if self.published else "STOPPED", timeout=timeout)

    async def send_data(self, payload: Any) -> None:
        await self.session.send("sendStreamEvent", {"mediaSessionId": self.media_session_id, "type": "data", "payload": payload})

    def request(self, sdp: str = "") -> dict:
        return {
            "mediaSessionId": self.media_session_id,
            "name": self.name,
            "published": self.published,
            "hasVideo": True,
            "hasAudio": True,
            "status": self.status,
            "record": False,
            "mediaProvider": "WebRTC",
            "sdp": sdp,
        }


class Session:
    """One signalling session, kept alive in the background."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, headers: Mapping[str, str], cookies: SimpleCookie) -> None:
        self.headers = headers
        self.cookies = {name: morsel.value for name, morsel in cookies.items()}
        self.user_data: Optional[dict] = None
        self.streams: Dict[str, Stream] = {}
        self.received: List[dict] = []
        self.pings = 0
        self.close_code: Optional[int] = None
        self._socket = socket
        self._changed = asyncio.Condition()
        self._availability: Dict[str, dict] = {}

    @property
    def closed(self) -> bool:
        return self.close_code is not None

    async def send(self, message: str, data: Any) -> None:
        await self._socket.send_str(json.dumps({"message": message, "data": [data]}))

    async def publish(self, name: str, sdp: str = "", timeout: float = TIMEOUT) -> Stream:
        return await (await self.start(name, published=True, sdp=sdp)).until("PUBLISHING", timeout=timeout)

    async def play(self, name: str, sdp: str = "", timeout: float = TIMEOUT) -> Stream:
        return await (await self.start(name, published=False, sdp=sdp)).until("PLAYING", timeout=timeout)

    async def start(self, name: str, published: bool, sdp: str = "") -> Stream:
        """Ask for a stream without waiting for what becomes of it."""
        stream = Stream(self, name, published)
        self.streams[stream.media_session_id] = stream
        sizes = {} if published else {"width": 0, "height": 0, "quality": 0}
        rates = {"bitrate": 0, "minBitrate": 0, "maxBitrate": 0}
        await self.send("publishStream" if published else "playStream", {**stream.request(sdp), **rates, **sizes})
        return stream

    async def available(self, name: str, timeout: float = TIMEOUT) -> Tuple[bool, Optional[str]]:
        """Ask whether a stream can be played; only the string "true" means yes, as for the WebSDK."""
        media_session_id = str(uuid.uuid1())
        await self.send("availableStream", {"mediaSessionId": media_session_id, "name": name})
        await self.until(lambda: media_session_id in self._availability, timeout, f"the availability of {name}")
        answer = self._availability.pop(media_session_id)
        return answer.get("status") == "true", answer.get("info")

    async def until(self, condition, timeout: float = TIMEOUT, what: str = "the condition") -> None:
        """Wait until the condition holds; the end of the connection is an error."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: condition() or self.closed), timeout)
            except asyncio.TimeoutError:
                raise WcsError(f"Waited {timeout} s for {what}") from None
        if not condition():
            raise WcsError(f"The connection was closed with code {self.close_code} while waiting for {what}")

    async def until_closed(self, timeout: float = TIMEOUT) -> int:
        await self.until(lambda: self.closed, timeout, "the connection to be closed")
        return self.close_code

    async def run(self) -> None:
        """Read the server's frames until the connection ends."""
        try:
            with suppress(ConnectionResetError):
                async for frame in self._socket:
                    if frame.type is not aiohttp.WSMsgType.TEXT:
                        continue
                    content = json.loads(frame.data)
                    self.received.append(content)
                    await self._handle(content["message"], content["data"])
                    async with self._changed:
                        self._changed.notify_all()
        finally:
            self.close_code = self._socket.close_code or ABNORMAL_CLOSURE
            for stream in self.streams.values():
                if stream.status not in ENDED:
                    stream.status = "FAILED"
            async with self._changed:
                self._changed.notify_all()

    async def _handle(self, message: str, data: list) -> None:
        first = data[0] if data and isinstance(data[0], dict) else {}
        stream = self.streams.get(first.get("mediaSessionId") or first.get("id") or "")
        if message == "ping":
            self.pings += 1
            await self.send("pong", None)
        elif message == "getUserData":
            self.user_data = first
        elif message == "availableStream":
            self._availability[first["id"]] = first
        elif message == "setRemoteSDP":
            self.streams[data[0]].remote_sdp = data[1]
        elif stream is not None and message == "notifyStreamEvent":
            stream.events.append(first)
        elif stream is not None and message in ("notifyStreamStatusEvent", "fail"):
            stream.status = first["status"]
            stream.info = first.get("info")


class _FixedAddress(AbstractResolver):
    """Whatever the name, connect to one address."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> List[dict]:
        kind = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        return [{"hostname": host, "host": self.address, "port": port, "family": kind, "proto": 0, "flags": socket.AI_NUMERICHOST}]

    async def close(self) -> None:
        """Nothing is kept open."""


@asynccontextmanager
async def connect(
    url: str,
    ssl: Optional[tls.SSLContext] = None,
    headers: Optional[Mapping[str, str]] = None,
    cookies: Optional[Mapping[str, str]] = None,
    address: Optional[str] = None,
    custom: Optional[dict] = None,
    timeout: float = TIMEOUT,
) -> AsyncIterator[Session]:
    """Open a session as the WebSDK does and keep it alive; `address` replaces the look-up of the URL's host."""
    handshake: Dict[str, Any] = {}

    async def keep_response(_session, _context, params: aiohttp.TraceRequestEndParams) -> None:
        handshake.update(headers=params.response.headers, cookies=params.response.cookies)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(keep_response)
    connector = aiohttp.TCPConnector(resolver=_FixedAddress(address) if address else None, use_dns_cache=False)
    # Cookies are sent to bare addresses too, as browsers do.
    jar = aiohttp.CookieJar(unsafe=True)
    security = {"ssl": ssl} if ssl else {}
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, cookies=cookies, trace_configs=[trace]) as client:
        connection = await asyncio.wait_for(client.ws_connect(url, headers=headers, **security), timeout)
        session = Session(connection, handshake["headers"], handshake["cookies"])
        reader = asyncio.ensure_future(session.run())
        try:
            await session.send("connection", _client(custom))
            await session.until(lambda: session.user_data is not None, timeout, "getUserData")
            yield session
        finally:
            await connection.close()
            await asyncio.wait([reader])
        reader.result()


def _client(custom: Optional[dict]) -> dict:
    return {
        "appKey": "defaultApp",
        "mediaProviders": ["WebRTC"],
        "clientVersion": "2.0",
        "clientOSVersion": sys.platform,
        "clientBrowserVersion": f"Python {sys.version_info[0]}.{sys.version_info[1]}",
        "msePacketizationVersion": 2,
        **({"custom": custom} if custom else {}),
    }


async def demonstrate(arguments: argparse.Namespace) -> dict:
    """Do what the command line asks and tell how it went."""
    context = tls.create_default_context(cafile=arguments.cafile) if arguments.url.startswith("wss:") else None
    report: Dict[str, Any] = {"url": arguments.url, "ok": False, "error": None, "streams": [], "headers": {}, "cookies": {}, "user_data": None}
    report.update(pings=0, close_code=None)
    try:
        async with connect(
            arguments.url,
            ssl=context,
            headers=dict(arguments.header),
            cookies=dict(arguments.cookie),
            address=arguments.address,
            timeout=arguments.timeout,
        ) as session:
            report.update(headers=dict(session.headers), cookies=session.cookies, user_data=session.user_data)
            try:
                for name in arguments.publish:
                    await session.publish(name, timeout=arguments.timeout)
                for name in arguments.play:
                    await session.play(name, timeout=arguments.timeout)
                with suppress(WcsError):
                    await session.until_closed(arguments.hold)
                report["ok"] = not session.closed and all(stream.status not in ENDED for stream in session.streams.values())
            finally:
                report["streams"] = [
                    {"name": stream.name, "published": stream.published, "status": stream.status, "info": stream.info} for stream in session.streams.values()
                ]
                report.update(pings=session.pings, close_code=session.close_code)
    except (WcsError, aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        report["error"] = f"{type(error).__name__}: {error}"
    return report


def pair(separator: str):
    def split(text: str) -> Tuple[str, str]:
        key, found, value = text.partition(separator)
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r} has no {separator!r}")
        return key.strip(), value.strip()

    return split


def main() -> None:
    parser = argparse.ArgumentParser(description="Speak the WebSDK's signalling with a Web Call Server.")
    parser.add_argument("url", help="ws://host:8080 or wss://host:443")
    parser.add_argument("--publish", action="append", default=[], metavar="NAME", help="publish a stream")
    parser.add_argument("--play", action="append", default=[], metavar="NAME", help="play a stream")
    parser.add_argument("--hold", type=float, default=0.0, metavar="SECONDS", help="stay connected so long")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, metavar="SECONDS", help="for each step (%(default)s)")
    parser.add_argument("--cafile", help="certificates to trust instead of the system's")
    parser.add_argument("--address", help="connect to this address whatever the URL's host resolves to")
    parser.add_argument("--header", type=pair(":"), action="append", default=[], metavar="NAME:VALUE", help="send a header")
    parser.add_argument("--cookie", type=pair("="), action="append", default=[], metavar="NAME=VALUE", help="send a cookie")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    arguments = parser.parse_args()
    report = asyncio.run(demonstrate(arguments))
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        for stream in report["streams"]:
            print(f"{stream['name']}: {stream['status']} {stream['info'] or ''}".rstrip())
        print("ok" if report["ok"] else f"failed: {report['error'] or 'a stream or the connection ended'}")
    sys.exit(0 if report["ok"] else 1)


if __name__ == "__main__":
    main()
