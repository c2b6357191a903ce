# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in as a program of its own, spoken to over loopback by the client that the other tests use."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import aiohttp
import pytest
from ansible_collections.webcallserver.balancer.tests.support.paths import TESTS
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.support.wcs_client import WcsError, connect
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin.server import running
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin.settings import Settings, SettingsError, parse_properties

STANDIN = TESTS / "wcs_standin"

SAMPLE = """\
-----Connection Stats-----
connections=1
connections_rtmfp=0
connections_websocket=1
connections_hls=0
-----Port Stats-----
ports_media_free=498
ports_media_busy=1
ports_media_quarantine=0
ports_wcs_agents_free=998
ports_wcs_agents_busy=0
ports_wcs_agents_quarantine=0
-----Stream Stats-----
streams_webrtc_in=1
streams_webrtc_out=0
streams_websocket_out=0
streams_rtmfp_in=0
streams_rtmfp_out=0
streams_rtmp_in=0
streams_rtmp_out=0
streams_hls=0
streams_viewers=test/0
streams_synchronization=test/0
stats_size=0
streams_rtsp_in=0
streams_rtsp_out=0
streams_rtsp_push_in=0
streams_rtsp_push_out=0
streams_rtmp_client_out=0
streams_play_rate=0
streams_stop_rate=0
"""


@pytest.fixture(autouse=True)
def no_errors_in_the_log(caplog):
    """An exception inside the stand-in reaches nobody but its log."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


class Standin:
    """Where a running stand-in is, and how to ask it over HTTP."""

    def __init__(self, settings):
        self.url = f"ws://127.0.0.1:{settings.ws_port}"
        self.http = f"http://127.0.0.1:{settings.http_port}"
        self.ws_port = settings.ws_port

    async def get(self, query="/?action=stat"):
        async with aiohttp.ClientSession() as client, client.get(self.http + query) as response:
            return response.status, await response.text()

    async def post(self, path, body):
        async with aiohttp.ClientSession() as client, client.post(f"{self.http}/rest-api{path}", data=body) as response:
            return response.status, await response.text()

    async def statistics(self):
        _status, text = await self.get()
        return dict(line.split("=") for line in text.splitlines() if not line.startswith("-"))


def properties_text(**changed):
    """The vendor-shaped file with ports of its own and what a test changes."""
    changed = {"ws.port": free_port(), "http.port": free_port(), **changed}
    return (STANDIN / "flashphoner.properties").read_text() + "".join(f"{key} ={value}\n" for key, value in changed.items())


def run(steps, **properties):
    """Run a stand-in and, beside it, the steps of a test."""
    settings = Settings.from_properties(parse_properties(properties_text(**properties)))

    async def both():
        async with running(settings):
            return await steps(Standin(settings))

    return asyncio.run(both())


@contextmanager
def process(directory, text):
    """The stand-in as systemd runs it."""
    path = directory / "flashphoner.properties"
    path.write_text(text)
    command = [sys.executable, "-m", "wcs_standin", str(path)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=STANDIN, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running_:
        try:
            yield running_
        finally:
            running_.kill()


def test_statistics_page_has_the_documented_shape():
    async def steps(node):
        async with connect(node.url) as session:
            await session.publish("test")
            return await node.get("/?action=stat&preventCache=1")

    assert run(steps) == (200, SAMPLE)


def test_statistics_follow_what_happens():
    async def steps(node):
        keys = ["connections", "ports_media_busy", "ports_media_free", "streams_webrtc_in", "streams_webrtc_out", "streams_viewers"]

        async def numbers():
            statistics = await node.statistics()
            return [statistics[key] for key in keys]

        seen = [await numbers()]
        async with connect(node.url) as publisher, connect(node.url) as viewer:
            await publisher.publish("one")
            two = await publisher.publish("two")
            await viewer.play("two")
            seen.append(await numbers())
            await two.stop()
            seen.append(await numbers())
        seen.append(await numbers())
        return seen

    assert run(steps, media_port_from=40000, media_port_to=40011) == [
        ["0", "0", "6", "0", "0", ""],
        ["2", "3", "3", "2", "1", "one/0;two/1"],
        ["2", "1", "5", "1", "0", "one/0"],
        ["0", "0", "6", "0", "0", ""],
    ]


@pytest.mark.parametrize(
    ("query", "properties", "groups"),
    [
        ("", {}, {"connections_stats": 4, "port_stats": 6, "streams_stats": 18}),
        ("&groups=port_stats", {}, {"port_stats": 6}),
        ("&groups=port_stats,streams_stats,unheard_of", {}, {"port_stats": 6, "streams_stats": 18}),
        ("&groups=network_stats", {"global_bandwidth_check_enabled": "true"}, {"network_stats": 2}),
        ("&groups=network_stats", {}, {}),
    ],
)
def test_statistics_as_json(query, properties, groups):
    status, text = run(lambda node: node.get(f"/?action=stat&format=json{query}"), **properties)
    assert status == 200
    assert {group: len(values) for group, values in json.loads(text).items()} == groups


def test_bandwidth_is_told_in_text_only_when_switched_on():
    _status, text = run(lambda node: node.get(), global_bandwidth_check_enabled="true")
    assert text.endswith("-----Network Stats-----\nglobal_bandwidth_in=0.0\nglobal_bandwidth_out=0.0\n")
    assert "bandwidth" not in SAMPLE


def test_a_published_stream_is_played_and_carries_data():
    async def steps(node):
        async with connect(node.url) as publisher, connect(node.url) as viewer:
            published = await publisher.publish("test")
            played = await viewer.play("test")
            await published.send_data({"count": 23})
            await viewer.until(lambda: played.events)
            await played.stop()
            await published.stop()
            return published.status, played.status, played.events[0]["payload"], publisher.received + viewer.received

    *seen, frames = run(steps)
    assert seen == ["UNPUBLISHED", "STOPPED", {"count": 23}]
    assert all(isinstance(frame["data"], list) and frame["data"] for frame in frames)


def test_available_answers_with_strings():
    async def steps(node):
        async with connect(node.url) as session:
            before = await session.available("test")
            await session.publish("test")
            after = await session.available("test")
            return before, after, [frame["data"][0]["status"] for frame in session.received if frame["message"] == "availableStream"]

    assert run(steps) == ((False, "Stream not found"), (True, None), ["false", "true"])


@pytest.mark.parametrize(
    ("name", "published", "properties", "reason"),
    [
        ("absent", False, {}, "Stream not found"),
        ("taken", True, {}, "Stream name is already in use"),
        ("third", True, {"media_port_from": 40000, "media_port_to": 40001}, "Failed to add stream to proxy"),
    ],
)
def test_refusals_are_the_vendors_words(name, published, properties, reason):
    async def steps(node):
        async with connect(node.url) as session:
            await session.publish("taken")
            stream = await session.start(name, published)
            await stream.until("FAILED")
            return stream.info, (await node.statistics())["streams_webrtc_in"]

    assert run(steps, **properties) == (reason, "1")


def test_nothing_is_published_before_the_connection_message():
    async def steps(node):
        async with aiohttp.ClientSession() as client, client.ws_connect(node.url) as socket_:
            await socket_.send_json({"message": "publishStream", "data": [{"mediaSessionId": "1", "name": "test"}]})
            return await socket_.receive_json(timeout=5)

    answer = run(steps)
    assert answer["data"][0]["info"] == "Session does not exist"


def test_a_session_that_plays_its_own_stream_leaves_nothing_behind():
    async def steps(node):
        async with connect(node.url) as session:
            await session.publish("test")
            await session.play("test")
        return [(await node.statistics())[key] for key in ("connections", "ports_media_busy", "streams_webrtc_out")]

    assert run(steps) == ["0", "0", "0"]


def test_viewers_learn_that_the_publisher_left():
    async def steps(node):
        async with connect(node.url) as viewer:
            async with connect(node.url) as publisher:
                await publisher.publish("test")
                played = await viewer.play("test")
            await played.until("FAILED")
            return played.info, viewer.closed

    assert run(steps) == ("Stopped by publisher stop", False)


FORWARDED = {"ws.map_custom_headers": "true", "ws.ip_forward_header": "X-Client-IP"}


@pytest.mark.parametrize(
    ("properties", "headers", "client"),
    [
        ({}, {"X-Client-IP": "192.0.2.7:1234"}, r"127\.0\.0\.1:\d+"),
        ({"ws.map_custom_headers": "true"}, {"X-Client-IP": "192.0.2.7:1234"}, r"127\.0\.0\.1:\d+"),
        (FORWARDED, {}, r"127\.0\.0\.1:\d+"),
        (FORWARDED, {"X-Client-IP": "192.0.2.7:1234"}, r"192\.0\.2\.7:1234"),
        (FORWARDED, {"x-client-ip": "192.0.2.7:1234"}, r"192\.0\.2\.7:1234"),
    ],
)
def test_session_id_starts_with_the_client(properties, headers, client):
    async def steps(node):
        async with connect(node.url, headers=headers) as session:
            await session.publish("test")
            _status, streams = await node.post("/stream/find", '{"published": true}')
            _status, connections = await node.get("/rest-api/connection/find_all")
            return json.loads(streams)[0]["sessionId"], json.loads(connections)[0]["sessionId"], node.ws_port

    session_id, same, port = run(steps, **properties)
    assert re.fullmatch(rf"/{client}/127\.0\.0\.1:{port}-[0-9a-f-]{{36}}", session_id)
    assert session_id == same


@pytest.mark.parametrize(
    ("path", "body", "status", "names"),
    [
        ("find", '{"published": true}', 200, ["one", "two"]),
        ("find", '{"name": "one"}', 200, ["one", "one"]),
        ("find", '{"name": "one", "status": "PLAYING", "display": ["metrics"]}', 200, ["one"]),
        ("find", "", 200, ["one", "one", "two"]),
        ("find", '{"name": "three"}', 404, None),
        ("find", "{", 400, None),
        ("find_all", "", 200, ["one", "one", "two"]),
        ("terminate", "", 400, None),
        ("terminate", "{}", 400, None),
        ("terminate", '{"name": "three", "status": "PUBLISHING"}', 404, None),
    ],
)
def test_rest_of_streams(path, body, status, names):
    async def steps(node):
        async with connect(node.url) as session:
            for name in ("one", "two"):
                await session.publish(name)
            await session.play("one")
            answer = await node.post(f"/stream/{path}", body)
            return (*answer, (await node.statistics())["streams_webrtc_in"])

    got, text, still_published = run(steps)
    assert (got, still_published) == (status, "2")
    assert names is None or sorted(stream["name"] for stream in json.loads(text)) == names


def test_rest_terminates_the_named_stream_alone():
    async def steps(node):
        async with connect(node.url) as session:
            one, two, viewer = await session.publish("one"), await session.publish("two"), await session.play("one")
            status, _text = await node.post("/stream/terminate", json.dumps({"mediaSessionIds": [one.media_session_id]}))
            await one.until("FAILED")
            await viewer.until("FAILED")
            return status, one.info, viewer.info, two.status

    assert run(steps) == (200, "Stopped by rest /terminate", "Stopped by publisher stop", "PUBLISHING")


def test_an_empty_node_has_nothing_to_find():
    async def steps(node):
        return [(await node.get(f"/rest-api/{what}/find_all"))[0] for what in ("stream", "connection")]

    assert run(steps) == [404, 404]


def test_pings_come_and_are_answered():
    async def steps(node):
        async with connect(node.url) as session:
            await session.until(lambda: session.pings >= 4)
            return [frame for frame in session.received if frame["message"] == "ping"][0]

    properties = {"keep_alive.server_interval": 50, "keep_alive.probes": 2}
    assert run(steps, **properties) == {"message": "ping", "data": [None]}


def test_who_never_answers_pings_is_dropped():
    async def steps(node):
        async with aiohttp.ClientSession() as client, client.ws_connect(node.url) as socket_:
            messages = [message async for message in socket_]
            await asyncio.sleep(0.1)
            return [json.loads(message.data)["message"] for message in messages], (await node.statistics())["connections"]

    properties = {"keep_alive.server_interval": 50, "keep_alive.probes": 3}
    assert run(steps, **properties) == (["ping"] * 3, "0")


@pytest.mark.parametrize(
    ("allow_domains", "origin", "welcome"),
    [
        ("", "https://anything.example", True),
        ("lb.example.com", "https://lb.example.com", True),
        ("lb.example.com", "https://lb.example.com:8443", True),
        ("lb.example.com", "https://other.example.com", False),
        ("lb.example.com", None, False),
        ("other.example, *.example.com", "https://LB.example.com", True),
        ("!*.evil.example,*", "https://www.evil.example", False),
        ("!*.evil.example,*", "https://lb.example.com", True),
    ],
)
def test_allow_domains(allow_domains, origin, welcome):
    async def steps(node):
        async with connect(node.url, headers={"Origin": origin} if origin else {}) as session:
            return session.user_data["status"]

    if welcome:
        assert run(steps, allow_domains=allow_domains) == "ESTABLISHED"
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            run(steps, allow_domains=allow_domains)


def test_plain_http_on_the_signalling_port():
    async def steps(node):
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{node.ws_port}/") as response:
            return response.status, response.headers["Upgrade"]

    assert run(steps) == (426, "websocket")


@pytest.mark.parametrize(
    "text",
    [
        "media_port_from =40000\nmedia_port_to=40100",
        "media_port_from=1\r\n media_port_from:40000\r\nmedia_port_to 40100\r\n",
        "# media_port_to =9\n! media_port_to =9\nmedia_port_from = 400\\\n   00\nmedia_port_t\\u006f = 40100\n",
    ],
)
def test_properties_are_read_as_java_reads_them(text):
    settings = Settings.from_properties(parse_properties(text))
    assert settings.media_ports == range(40000, 40100, 2)


def test_default_range_has_the_vendors_499_ports():
    assert len(Settings().media_ports) == 499


def test_as_a_program_it_reads_properties_once_and_ends_at_once(tmp_path):
    text = properties_text()
    node = Standin(Settings.from_properties(parse_properties(text)))

    async def steps(program):
        while "signalling on" not in program.stdout.readline():
            assert program.poll() is None
        (tmp_path / "flashphoner.properties").write_text(text + "media_port_to =31101\n")
        async with connect(node.url) as session:
            await session.publish("test")
            free = (await node.statistics())["ports_media_free"]
            started = time.monotonic()
            program.terminate()
            with pytest.raises(WcsError, match="closed with code 1001"):
                await session.until(lambda: False)
        code = await asyncio.get_running_loop().run_in_executor(None, program.wait, 30)
        return free, code, time.monotonic() - started

    with process(tmp_path, text) as program:
        free, code, seconds = asyncio.run(steps(program))
    assert (free, code) == ("498", 0)
    assert seconds < 4


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("ws.port =eighty", "ws.port is 'eighty'"),
        ("media_port_to =31001", "media_port_from has to be below"),
        ("wcs_agent_port_from =35000", "wcs_agent_port_from has to be below"),
        ("keep_alive.algorithm =INTERNAL", "keep_alive.algorithm is 'INTERNAL'"),
        ("cdn_role =both", "cdn_role is 'both'"),
        ("cdn_enabled =true", "cdn_ip is missing"),
    ],
)
def test_bad_properties_are_named(line, complaint):
    with pytest.raises(SettingsError, match=re.escape(complaint)):
        Settings.from_properties(parse_properties(line))


def test_it_does_not_start_with_a_bad_property(tmp_path):
    with process(tmp_path, "ws.port =eighty\n") as program:
        _output, complaint = program.communicate(timeout=60)
    assert program.returncode == 1
    assert "ws.port is 'eighty'" in complaint
