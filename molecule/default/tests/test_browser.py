# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The how-to's test as a person does it: the unmodified WebSDK in a browser, with real media. Pictures go to artifacts/browser."""

from __future__ import annotations

import json
import statistics

import pytest
from ansible_collections.webcallserver.balancer.tests.support.browser import EXAMPLE, PICTURES, Window, chromium
from playwright.sync_api import Error

BALANCER = "webcallserver.balancer.balancer"
LOADS = 5

# What the browser itself noted of the files of a page, and when the page was there. It asks for an icon when it finds the time.
FILES = """() => performance.getEntriesByType('resource').filter(file => !file.name.endsWith('/favicon.ico')).map(file => ({
    url: file.name, status: file.responseStatus, moved: file.transferSize, packed: file.encodedBodySize, size: file.decodedBodySize}))"""
NAMED = "() => [...document.querySelectorAll('script[src], link[rel=stylesheet]')].map(element => element.src || element.href)"
LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventStart"


@pytest.fixture
def open_window(fleet, browser):
    """Return a function that opens a window with the example, as a person who was never here unless it is given the context of one."""
    contexts = []

    def open_it(context=None):
        if context is None:
            context = browser.new_context(viewport={"width": 1000, "height": 720})
            contexts.append(context)
        return Window(context, fleet.domain)

    fleet.all_empty()
    yield open_it
    for context in contexts:
        context.close()
    fleet.eventually(lambda: {fleet.statistics(node)["connections"] for node in ("wcs1", "wcs2")} == {"0"}, 10)


@pytest.fixture
def mend(fleet):
    yield
    for node in ("wcs1", "wcs2"):
        fleet.run(node, "systemctl start webcallserver && wcs-agent undrain")
    fleet.eventually(lambda: {row["status"] for row in fleet.servers().values()} == {"UP"}, 30)


def other(node):
    return {"wcs1": "wcs2", "wcs2": "wcs1"}[node]


def test_the_five_steps_of_the_how_to(fleet, open_window, address):
    """Two windows publish test and test2, and each node has one of them."""
    windows = {}
    for stream in ("test", "test2"):
        windows[stream] = open_window()
        assert windows[stream].server == f"wss://{fleet.domain}:443"
        windows[stream].connect()
        windows[stream].publish(stream)
        windows[stream].photograph(f"publishing-{stream}")
    nodes = {stream: fleet.node_of(stream) for stream in windows}
    assert set(nodes.values()) == {"wcs1", "wcs2"}
    wanted = {"connections": "1", "connections_websocket": "1", "ports_media_free": "498", "ports_media_busy": "1", "streams_webrtc_in": "1"}
    for stream, node in nodes.items():
        assert wanted.items() <= fleet.statistics(node).items()
        assert fleet.statistics(node)["streams_viewers"] == f"{stream}/0"
        assert [found["sessionId"].startswith(f"/{address}:") for found in fleet.streams(node)] == [True], fleet.streams(node)
    for stream, window in windows.items():
        window.play(stream)
        window.watch()
        window.photograph(f"playing-{stream}")
        assert fleet.statistics(nodes[stream])["streams_viewers"] == f"{stream}/1"


def test_a_drained_node_keeps_its_window_and_a_stopped_one_loses_it(fleet, open_window, mend):
    window = open_window()
    window.connect()
    window.publish("stays")
    window.play("stays")
    window.watch()
    node = fleet.node_of("stays")

    fleet.run(node, "wcs-agent drain --reason test")
    fleet.eventually(lambda: fleet.servers()[node]["status"].startswith("DRAIN"), 10)
    for _turn in range(3):
        open_window().connect()
    assert {name: fleet.statistics(name)["connections_websocket"] for name in ("wcs1", "wcs2")} == {node: "1", other(node): "3"}
    window.watch()
    window.photograph("drained")

    fleet.run(node, "systemctl stop webcallserver")
    window.shows("connect", "DISCONNECTED")
    window.shows("publish", "FAILED")
    window.shows("play", "FAILED")
    window.photograph("stopped")

    window.connect()
    window.publish("again")
    window.play("again")
    window.watch()
    window.photograph("elsewhere")
    assert [stream["name"] for stream in fleet.streams(other(node)) if stream["name"] == "again"] == ["again"]


@pytest.fixture
def sticky(fleet):
    result = fleet.play(BALANCER, "-e", "haproxy_lb_stickiness=cookie")
    assert result.returncode == 0, result.stdout
    yield
    result = fleet.play(BALANCER)
    assert result.returncode == 0, result.stdout


def visits(fleet):
    return {name: int(row["stot"]) for name, row in fleet.servers().items()}


def test_with_a_cookie_a_browser_returns_to_its_node(fleet, sticky, open_window, mend):
    """Ten times out of ten; another browser goes to the other node; and when its node is down, it moves on."""
    window = open_window()
    window.connect()
    before = visits(fleet)
    for _turn in range(10):
        window.disconnect()
        window.connect()
    came = {name: visits(fleet)[name] - before[name] for name in before}
    node = max(came, key=came.get)
    assert came == {node: 10, other(node): 0}

    stranger = open_window()
    stranger.connect()
    assert {name: fleet.statistics(name)["connections_websocket"] for name in ("wcs1", "wcs2")} == {"wcs1": "1", "wcs2": "1"}

    fleet.run(node, "systemctl stop webcallserver")
    fleet.eventually(lambda: fleet.servers()[node]["status"].startswith("DOWN"), 10)
    window.shows("connect", "DISCONNECTED")
    window.connect()
    assert fleet.statistics(other(node))["connections_websocket"] == "2"


def test_every_file_of_the_page_comes_from_here_compressed_and_is_kept(fleet, open_window):
    first = open_window()
    files = first.evaluate(FILES)
    assert set(first.evaluate(NAMED)) <= {file["url"] for file in files}
    assert [file for file in files if not file["url"].startswith(f"https://{fleet.domain}/") or file["status"] not in (200, 204)] == []
    text = [file for file in files if file["url"].endswith((".js", ".css")) and file["size"] > 1024]
    assert len(text) >= 6
    assert [file for file in text if file["packed"] > file["size"] / 2] == []

    # What has its version in its name is not asked for again, the rest is answered with headers alone; utils.js differs with the settings
    again = {file["url"].rpartition("/")[2]: file["moved"] for file in open_window(first.context).evaluate(FILES)}
    assert again.pop("jquery-1.12.0.js") == 0
    assert again.pop("utils.js") > 1024
    assert {name: moved for name, moved in again.items() if not 0 < moved < 1024} == {}


def test_a_certificate_of_somebody_else_is_refused(fleet, open_window):
    window = open_window()
    with pytest.raises(Error, match="ERR_CERT_COMMON_NAME_INVALID"):
        window.context.new_page().goto(f"https://elsewhere.{fleet.domain}/")


def test_the_page_is_the_same_through_the_balancer_and_its_time_is_noted(driver, fleet):
    """The same files both ways, seen from the balancer's own host; how long it took goes to load.json."""
    ways = {"nginx": "http://127.0.0.1:8180", "balancer": f"https://{fleet.domain}"}
    files = {}
    times = {way: [] for way in ways}
    with chromium(driver, fleet, f"container:{fleet.hosts['lb1']['fleet_container']}", fleet.address("lb1")) as browser:
        for _turn in range(LOADS):
            for way, origin in ways.items():
                context = browser.new_context()
                page = context.new_page()
                page.goto(origin + EXAMPLE)
                times[way].append(page.evaluate(LOADED))
                files[way] = sorted((file["url"].removeprefix(origin), file["size"]) for file in page.evaluate(FILES))
                context.close()
    assert files["balancer"] == files["nginx"]
    medians = {way: round(statistics.median(found)) for way, found in times.items()}
    note = {"milliseconds": medians, "ratio": round(medians["balancer"] / medians["nginx"], 2), "loads": LOADS}
    (PICTURES / "load.json").write_text(json.dumps(note) + "\n")
