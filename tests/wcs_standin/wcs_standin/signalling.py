# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The WebSocket side: frames of the form {"message": name, "data": [...]}."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import uuid
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from .node import Node, Session

LOG = logging.getLogger("wcs_standin")
CLOSE_TIMEOUT = 1.0


def application(node: Node, agent: bool = False) -> web.Application:
    """Serve signalling to clients, or on cdn_port to the other nodes, each of which is then an agent."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _converse(node, request, agent)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    return app


async def _converse(node: Node, request: web.Request, agent: bool) -> web.StreamResponse:
    socket = web.WebSocketResponse(timeout=CLOSE_TIMEOUT)
    if not socket.can_prepare(request):
        return web.Response(status=426, headers={"Upgrade": "websocket"}, text="This port speaks WebSocket.\n")
    if not (node.settings.allows_cdn if agent else node.settings.allows(request.headers.get("Origin"))):
        LOG.warning("origin %s is not among allow_domains", request.headers.get("Origin"))
        return web.Response(status=403, text="This origin is not allowed.\n")
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("The client left during the handshake")
    client = node.settings.client_address(request.headers, socket_name(transport.get_extra_info("peername")))
    session_id = f"/{client}/{socket_name(transport.get_extra_info('sockname'))}-{uuid.uuid4()}"
    await socket.prepare(request)

    async def send(message: str, *data: Any) -> None:
        try:
            await socket.send_str(json.dumps({"message": message, "data": list(data)}))
        except ConnectionResetError:
            LOG.info("session %s left before %s reached it", session_id, message)

    code = WSCloseCode.OK

    async def close() -> None:
        nonlocal code
        code = WSCloseCode.GOING_AWAY
        await socket.close(code=code)

    session = Session(session_id, send, close, agent)
    node.open(session)
    keep_alive = asyncio.ensure_future(node.keep_alive(session))
    try:
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                try:
                    content = json.loads(frame.data)
                    message, data = content["message"], content["data"][0]
                except (ValueError, TypeError, LookupError):
                    LOG.warning("session %s sent something else than a message: %.200r", session_id, frame.data)
                    code = WSCloseCode.UNSUPPORTED_DATA
                    break
                await node.receive(session, message, data)
    finally:
        keep_alive.cancel()
        await node.closed(session)
        # Older aiohttp ends this loop before close() has said why; it must not be said differently here.
        await socket.close(code=code)
    return socket


def socket_name(name: tuple) -> str:
    """Write a socket's address as host:port, an IPv4 address that came over an IPv6 socket as itself."""
    host, port = name[:2]
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.version == 6:
        return f"{address.ipv4_mapped}:{port}" if address.ipv4_mapped else f"[{address}]:{port}"
    return f"{address}:{port}"
