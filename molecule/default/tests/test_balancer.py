# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The how-to's own test, from outside, and what it leaves out."""

from __future__ import annotations

import asyncio
import socket
import urllib.request

import aiohttp
import pytest
from ansible_collections.webcallserver.balancer.tests.support import wcs_client

PAGE = "examples/demo/streaming/two_way_streaming/two_way_streaming.html"


def connect(fleet, headers=None):
    return wcs_client.connect(f"wss://{fleet.domain}:443", ssl=fleet.context(), address=fleet.address("lb1"), headers=headers)


async def fetch(fleet, path):
    url = f"https://{fleet.address('lb1')}{path}"
    options = {"ssl": fleet.context(), "server_hostname": fleet.domain, "headers": {"Host": fleet.domain}}
    async with aiohttp.ClientSession() as client, client.get(url, **options) as response:
        return response.status, await response.read()


@pytest.mark.parametrize("path", [PAGE, "flashphoner.js"])
def test_pages_are_the_packages_byte_for_byte(fleet, websdk, path):
    assert asyncio.run(fetch(fleet, f"/wcs/{path}")) == (200, (websdk / path).read_bytes())


def test_two_streams_on_two_nodes_with_the_clients_address(fleet):
    async def publish():
        async with connect(fleet) as first, connect(fleet, {"X-Client-IP": "192.0.2.66:6", "X-Forwarded-For": "192.0.2.66"}) as second:
            await first.publish("test")
            await second.publish("test2")
            return {node: (fleet.statistics(node), fleet.streams(node)) for node in ("wcs1", "wcs2")}

    fleet.all_empty()
    seen = asyncio.run(publish())
    assert {stream["name"] for _page, found in seen.values() for stream in found} == {"test", "test2"}
    with socket.create_connection((fleet.address("lb1"), 443)) as probe:
        ours = probe.getsockname()[0]
    for node, (page, found) in seen.items():
        assert (page["connections_websocket"], page["streams_webrtc_in"]) == ("1", "1"), node
        assert [stream["sessionId"].startswith(f"/{ours}:") for stream in found] == [True], found


@pytest.mark.parametrize(("host", "port"), [("lb1", 8180), ("wcs1", 9707), ("wcs2", 9707), ("wcs1", 8080), ("wcs1", 8081)])
@pytest.mark.parametrize("family", ["ansible_host", "fleet_ipv6"])
def test_a_stranger_is_refused(fleet, host, port, family):
    with pytest.raises(OSError):
        socket.create_connection((fleet.hosts[host][family], port), timeout=2).close()


def test_plain_http_is_sent_to_tls(fleet):
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_arguments):
            return None

    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.build_opener(Stay).open(urllib.request.Request(f"http://{fleet.address('lb1')}/wcs/", headers={"Host": fleet.domain}))
    assert (answer.value.code, answer.value.headers["Location"]) == (301, f"https://{fleet.domain}/wcs/")
