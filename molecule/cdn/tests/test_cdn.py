# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams that are published on an origin and played on the edges, all through the balancer."""

from __future__ import annotations

import asyncio
import json

import pytest
from ansible_collections.webcallserver.balancer.tests.support import wcs_client

NODES = ("origin1", "edge1", "edge2")
TIMES = 8
BALANCER = "webcallserver.balancer.balancer"


def connect(fleet, path):
    return wcs_client.connect(f"wss://{fleet.domain}:443{path}", ssl=fleet.context(), address=fleet.address("lb1"))


def publish_and_play(fleet, publish_path, play_path):
    """Publish and play, again and again, each with a client of its own; return what became of each that was played."""

    async def once(name):
        async with connect(fleet, publish_path) as publisher, connect(fleet, play_path) as viewer:
            await publisher.publish(name)
            stream = await viewer.start(name, published=False)
            await viewer.until(lambda: stream.status in ("PLAYING", "FAILED"))
            return stream.info or stream.status

    async def all_of_them():
        return [await once(f"stream{number}") for number in range(TIMES)]

    return asyncio.run(all_of_them())


def test_what_is_published_on_an_origin_plays_on_every_edge(fleet):
    async def busy():
        async with connect(fleet, "/publish") as publisher, connect(fleet, "/play") as one, connect(fleet, "/play") as other:
            await publisher.publish("test")
            await one.play("test")
            await other.play("test")
            pages = {node: fleet.statistics(node) for node in NODES}
            return {node: (page["connections_websocket"], page["streams_webrtc_in"], page["streams_webrtc_out"]) for node, page in pages.items()}

    fleet.all_empty(backend="wcs_back_edges")
    assert asyncio.run(busy()) == {"origin1": ("1", "1", "0"), "edge1": ("1", "0", "1"), "edge2": ("1", "0", "1")}


def test_with_the_pools_every_stream_is_found(fleet):
    assert publish_and_play(fleet, "/publish", "/play") == ["PLAYING"] * TIMES


@pytest.fixture
def one_pool(fleet):
    """Origin and edges side by side, as servers of one backend."""
    assert fleet.play(BALANCER, "-e", json.dumps({"haproxy_lb_pools": []})).returncode == 0
    fleet.eventually(lambda: [row["status"] for row in fleet.servers().values()] == ["UP"] * len(NODES), 30)
    yield
    assert fleet.play(BALANCER).returncode == 0


def test_without_the_pools_streams_are_not_found(fleet, one_pool):
    assert "Stream not found" in publish_and_play(fleet, "/publish", "/play")


def test_verify_visits_every_pool(fleet):
    result = fleet.play("webcallserver.balancer.verify")
    assert result.returncode == 0, result.stdout
    assert "nobody was sent here" not in result.stdout


def test_only_the_nodes_talk_to_each_other(fleet):
    ask = f"python3 -c \"import socket; socket.create_connection(('{fleet.address('origin1')}', 8084), 2)\""
    assert fleet.host("edge1").run(ask).rc == 0
    assert fleet.host("lb1").run(ask).rc != 0


BROKEN = {
    "no origin": ({"wcs_node_cdn_role": "edge"}, "wcs_node_cdn_role"),
    "its own point of entry": ({"wcs_node_cdn_point_of_entry": "{origin1}"}, "wcs_node_cdn_point_of_entry"),
    "one address for all": ({"wcs_node_cdn_ip": "192.0.2.1"}, "wcs_node_cdn_ip"),
    "a role said twice": ({"wcs_node_properties": {"cdn_role": "transcoder"}}, "wcs_node_cdn_*"),
    "a header that the balancer does not send": ({"wcs_node_properties": {"ws.ip_forward_header": "X-Real-IP"}}, "wcs_node_properties"),
    "a domain that is turned away": ({"wcs_node_properties": {"allow_domains": "elsewhere.example.com"}}, "allow_domains"),
    "more streams than ports": ({"wcs_node_agent_limits": {"subscribers": 5000}}, "wcs_node_agent_limits"),
    "media outside of the firewall": (
        {"wcs_node_ports": [{"name": "media", "port": "40001-40100", "protocol": "udp", "from": ["everyone"]}]},
        "wcs_node_ports",
    ),
    "a port of two rows": ({"wcs_node_agent_port": 8443}, "wcs_node_ports"),
}


@pytest.mark.parametrize(("variables", "names"), BROKEN.values(), ids=BROKEN)
def test_a_contradiction_is_named_and_nothing_is_changed(fleet, snapshot, variables, names):
    before = snapshot()
    text = json.dumps(variables).replace("{origin1}", fleet.address("origin1"))
    result = fleet.play("webcallserver.balancer.nodes", "-e", text)
    assert result.returncode != 0
    failures = result.stdout.split("[ERROR]: Task failed: ")[1:] or result.stdout.split("fatal: [")[1:]
    assert failures and all(names in failure for failure in failures), result.stdout
    assert snapshot() == before
