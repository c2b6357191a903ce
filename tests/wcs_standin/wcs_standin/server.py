# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with its listening sockets."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import AsyncIterator, Optional

from aiohttp import ClientSession, web

from . import rest, signalling
from .cdn import Cdn
from .node import Node
from .settings import Settings

LOG = logging.getLogger("wcs_standin")


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Node]:
    """Listen while the context lasts; its end closes every session before the sockets."""
    node = Node(settings)
    async with AsyncExitStack() as stack:
        try:
            from .media import Media
        except ModuleNotFoundError as error:
            LOG.warning("%s is not installed: streams carry no media", error.name)
        else:
            node.media = Media()
            stack.callback(asyncio.ensure_future(node.media.measure()).cancel)
        await _listen(stack, signalling.application(node), None, settings.ws_port)
        await _listen(stack, rest.application(node), None, settings.http_port)
        if settings.cdn_enabled:
            node.cdn = Cdn(settings, await stack.enter_async_context(ClientSession()))
            app = signalling.application(node, agent=True)
            node.cdn.add_routes(app)
            await _listen(stack, app, settings.cdn_ip, settings.cdn_port)
            stack.callback(asyncio.ensure_future(node.cdn.run()).cancel)
            LOG.info("%s of a CDN at %s:%d", settings.cdn_role, settings.cdn_ip, settings.cdn_port)
        LOG.info("signalling on %d, HTTP on %d, %d media ports", settings.ws_port, settings.http_port, len(settings.media_ports))
        try:
            yield node
        finally:
            LOG.info("stopping with %d sessions", len(node.sessions))
            await asyncio.gather(*(session.close() for session in list(node.sessions.values())))


async def _listen(stack: AsyncExitStack, app: web.Application, host: Optional[str], port: int) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port).start()
