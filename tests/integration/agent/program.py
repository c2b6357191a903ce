# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent as a program with its files in a directory of its own, beside a statistics page."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.support.servers import Server, everything
from ansible_collections.webcallserver.balancer.tests.support.waiting import eventually

PLACE = ROLES / "wcs_node" / "files"
MAIN = f"import sys; sys.path.insert(0, {str(PLACE)!r}); import wcs_agent; wcs_agent.INTERVAL = 0.2; sys.exit(wcs_agent.main(sys.argv[1:]))"
PAGE = "-----Stream Stats-----\nstreams_webrtc_in={publishers}\nstreams_webrtc_out=0\nstreams_hls=0\n-----Port Stats-----\nports_media_free=400\n"


class Statistics:
    """The statistics page of a node."""

    def __init__(self):
        self.publishers, self.hangs, self.text = 1, False, PAGE
        self.server = Server(self._page)
        self.port = self.server.port

    def _page(self, connection, over):
        connection.recv(4096)
        if self.hangs:
            over.wait(0.3)
        else:
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + self.text.replace("{publishers}", str(self.publishers)).encode())

    def close(self):
        self.server.close()


class Program:
    """The program with its files in a directory of its own."""

    def __init__(self, directory):
        self.directory, self.page, self.port, self.process = directory, Statistics(), free_port(), None
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(directory / "notify"))
        self.notified.settimeout(10)
        self.environment = {f"{name}_DIRECTORY": str(directory) for name in ("CONFIGURATION", "STATE", "RUNTIME")}
        self.environment["PATH"] = os.environ["PATH"]
        self.settings()

    def settings(self, **others):
        (self.directory / "agent.json").write_text(
            json.dumps(
                {"port": self.port, "limits": {"publishers": 10}, "hysteresis": {"hold": 0}, "statistics": {"port": self.page.port, "timeout": 0.2}, **others}
            )
        )

    def command(self, *arguments):
        return [sys.executable, "-I", "-S", "-c", MAIN, *arguments]

    def run(self, *arguments):
        return subprocess.run(self.command(*arguments), env=self.environment, capture_output=True, text=True, timeout=30, check=False)

    def start(self, umask=0o022):
        environment = {**self.environment, "NOTIFY_SOCKET": str(self.directory / "notify"), "WATCHDOG_USEC": "300000"}
        with (self.directory / "log").open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command("serve"), env=environment, stderr=log, preexec_fn=lambda: os.umask(umask))
        self.wait_notified("READY=1")
        return self

    def wait_notified(self, text):
        while text not in self.notified.recv(4096).decode():
            pass

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(10) == 0

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.page.close()
        self.notified.close()

    def poll(self, port=None, address="127.0.0.1"):
        with socket.create_connection((address, port or self.port), timeout=5) as connection:
            return everything(connection)

    def wait(self, reply, seconds=4.0):
        assert eventually(self.poll, reply, seconds) == reply

    def logged(self):
        return (self.directory / "log").read_text(encoding="utf-8")


def inetd_poll(program):
    """Poll as through xinetd: it accepts, and the program has the connection as standard input, output and error."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname(), timeout=20) as client:
        accepted, _peer = listener.accept()
        with accepted:
            process = subprocess.Popen(program.command("serve", "--inetd"), env=program.environment, stdin=accepted, stdout=accepted, stderr=accepted)
        answer = everything(client)
        assert process.wait(20) == 0
        return answer
