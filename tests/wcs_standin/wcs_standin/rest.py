# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP side: the statistics page and the part of the REST API that finds and ends streams and connections."""

from __future__ import annotations

import json
from typing import List

from aiohttp import web

from . import statistics
from .node import Node

NOT_FILTERS = {"display"}


def application(node: Node) -> web.Application:
    handlers = _Handlers(node)
    app = web.Application()
    app.router.add_get("/", handlers.root)
    app.router.add_post("/rest-api/stream/find", handlers.find_streams)
    app.router.add_route("*", "/rest-api/stream/find_all", handlers.find_all_streams)
    app.router.add_post("/rest-api/stream/terminate", handlers.terminate_streams)
    app.router.add_route("*", "/rest-api/connection/find_all", handlers.find_all_connections)
    return app


class _Handlers:
    def __init__(self, node: Node) -> None:
        self.node = node

    async def root(self, request: web.Request) -> web.Response:
        if request.query.get("action") != "stat":
            raise web.HTTPNotFound(text="The stand-in has no web interface; ask for /?action=stat.\n")
        groups = statistics.collect(self.node)
        if "groups" in request.query:
            wanted = request.query["groups"].split(",")
            groups = {group: values for group, values in groups.items() if group in wanted}
        if request.query.get("format") == "json":
            return web.json_response(groups)
        return web.Response(text=statistics.as_text(groups))

    async def find_streams(self, request: web.Request) -> web.Response:
        wanted = await _body(request)
        return _found([item for item in self._streams() if _matches(item, wanted)], "Stream not found")

    async def find_all_streams(self, _request: web.Request) -> web.Response:
        return _found(self._streams(), "Stream not found")

    async def terminate_streams(self, request: web.Request) -> web.Response:
        wanted = await _body(request)
        identifiers = wanted.pop("mediaSessionIds", None)
        if identifiers is None and not wanted:
            raise web.HTTPBadRequest(text="Say which stream: mediaSessionId, mediaSessionIds, or name and status.\n")
        doomed = [
            stream
            for stream in self.node.client_streams
            if (identifiers is None or stream.media_session_id in identifiers) and _matches(stream.describe(self.node.node_id), wanted)
        ]
        if not doomed:
            raise web.HTTPNotFound(text="Stream not found\n")
        for stream in doomed:
            await self.node.terminate(stream)
        return web.Response()

    async def find_all_connections(self, _request: web.Request) -> web.Response:
        return _found([session.describe(self.node.node_id) for session in self.node.clients], "Connection not found")

    def _streams(self) -> List[dict]:
        return [stream.describe(self.node.node_id) for stream in self.node.client_streams]


def _matches(item: dict, wanted: dict) -> bool:
    return all(item.get(key) == value for key, value in wanted.items() if key not in NOT_FILTERS)


async def _body(request: web.Request) -> dict:
    try:
        content = json.loads(await request.text() or "{}")
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"The body is not JSON: {error}\n") from error
    if not isinstance(content, dict):
        raise web.HTTPBadRequest(text="The body is not a JSON object.\n")
    return content


def _found(items: List[dict], otherwise: str) -> web.Response:
    if not items:
        raise web.HTTPNotFound(text=f"{otherwise}\n")
    return web.json_response(items)
