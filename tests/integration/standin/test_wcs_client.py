# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's command line, against the stand-in."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from ansible_collections.webcallserver.balancer.tests.support import wcs_client
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin.server import running
from ansible_collections.webcallserver.balancer.tests.wcs_standin.wcs_standin.settings import Settings


def run(*arguments):
    """Run the client as a program beside a stand-in; its exit code and what it printed."""

    async def both():
        settings = Settings(ws_port=free_port(), http_port=free_port(), keep_alive_server_interval=50, keep_alive_probes=1000)
        async with running(settings):
            # Only --address makes this name reachable.
            url = f"ws://node.invalid:{settings.ws_port}"
            command = [sys.executable, wcs_client.__file__, url, "--address", "127.0.0.1", *arguments]
            program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            output, _nothing = await program.communicate()
            return program.returncode, output.decode()

    return asyncio.run(both())


def test_report_as_json():
    code, output = run("--publish", "test", "--play", "test", "--hold", "0.3", "--json")
    report = json.loads(output)
    assert (code, report["ok"], report["error"], report["close_code"]) == (0, True, None, None)
    assert [(stream["name"], stream["status"]) for stream in report["streams"]] == [("test", "PUBLISHING"), ("test", "PLAYING")]
    assert report["pings"] >= 2
    assert report["headers"]["Upgrade"] == "websocket"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--play", "absent"], "Stream not found"),
        (["--publish", "test", "--publish", "test"], "Stream name is already in use"),
    ],
)
def test_failures_are_told(arguments, words):
    code, output = run(*arguments)
    assert code == 1
    assert words in output
