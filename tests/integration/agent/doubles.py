# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands around the agent in these tests: nodes, statistics pages, and real HAProxy processes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time

from ansible_collections.webcallserver.balancer.roles.wcs_node.files import wcs_agent as agent
from ansible_collections.webcallserver.balancer.tests.support import haproxy
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.support.servers import Server, everything
from ansible_collections.webcallserver.balancer.tests.support.waiting import eventually

PLACE = ROLES / "wcs_node" / "files"

CONFIG = """
global
    stats socket {directory}/admin.sock mode 600 level admin expose-fd listeners
    server-state-file {directory}/state
defaults
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 10s
    timeout check 1s
    load-server-state-from-file global
frontend wcs-balancer
    bind 127.0.0.1:{port}
    default_backend wcs_back
backend wcs_back
    balance roundrobin
    cookie SERVERID insert indirect nocache
    source {source}
    default-server check {checks} weight 100
"""
CHECKS = "inter 100ms rise 2 fall 2 agent-inter 50ms"


class Wcs:
    """A node as the balancer sees it: HTTP that tells the node's name, a WebSocket that echoes, and an agent port."""

    def __init__(self, name):
        self.name, self.polls, self.say = name, 0, b"up 100%\n"
        self.web = Server(self._web)
        self.agent_port = 0
        self.agent = None
        self.start_agent()

    def start_agent(self):
        self.agent = Server(self._poll, self.agent_port)
        self.agent_port = self.agent.port

    def _web(self, connection, _over):
        request = b""
        while b"\r\n\r\n" not in request:
            data = connection.recv(4096)
            if not data:
                return
            request += data
        if b"upgrade: websocket" in request.lower():
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: BACScCJPNqyz+UBoqMH89VmURoA=\r\n\r\n"
            )
            for data in iter(lambda: connection.recv(4096), b""):
                connection.sendall(data)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(self.name), self.name.encode()))

    def _poll(self, connection, _over):
        say = self.say(connection.getpeername()[0]) if callable(self.say) else self.say
        if say is None:
            time.sleep(5)  # hung
        else:
            agent.send(connection.detach(), say)
        self.polls += 1

    def close(self):
        self.web.close()
        self.agent.close()


class Balancer:
    """A HAProxy process of our own."""

    def __init__(self, directory, servers, checks=CHECKS, source="127.0.0.1"):
        self.directory, self.port = directory, free_port()
        self.servers = servers
        lines = "".join(f"    server {name} 127.0.0.1:{web} cookie {name} agent-check agent-port {port}\n" for name, web, port in servers)
        (directory / "state").touch()
        config = directory / "haproxy.cfg"
        config.write_text(CONFIG.format(directory=directory, port=self.port, checks=checks, source=source) + lines)
        with (directory / "log").open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(["haproxy", "-W", "-f", str(config)], stdout=log, stderr=log)
        assert eventually(lambda: self.status(servers[-1][0]), "UP") == "UP", (directory / "log").read_text()

    def ask(self, command):
        try:
            return haproxy.ask(str(self.directory / "admin.sock"), command)
        except OSError:
            return ""

    def server(self, name):
        try:
            return haproxy.servers_of(self.ask("show stat")).get(name, {})
        except haproxy.NoAnswer:
            return {}

    def status(self, name):
        return self.server(name).get("status")

    def becomes(self, name, status, seconds=6.0):
        return eventually(lambda: self.status(name), status, seconds) == status

    def seen(self, name):
        row = self.server(name)
        return row.get("status"), int(row.get("weight") or -1)

    def says(self, name, words):
        """Look for words in what the agent was last heard to say; while a poll is under way HAProxy shows nothing."""
        return eventually(lambda: words in self.server(name).get("last_agt", ""), True)

    def request(self, cookie=""):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            line = f"Cookie: SERVERID={cookie}\r\n" if cookie else ""
            connection.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n".encode())
            return everything(connection).rpartition(b"\r\n")[2].decode()

    def websocket(self, cookie):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        connection.sendall(
            (
                "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nCookie: SERVERID={cookie}\r\n\r\n"
            ).encode()
        )
        assert b" 101 " in connection.recv(4096)
        return connection

    def save(self):
        """Save the state of the servers, as the service does before a reload."""
        (self.directory / "state").write_text(self.ask("show servers state"))

    def reload(self):
        """Put a new worker in place of the old one; it begins with the state that was saved last."""
        before = self.ask("show info").partition("Pid: ")[2].split()[0]
        for _attempt in range(5):  # a master that has just reloaded may miss the next signal
            self.process.send_signal(signal.SIGUSR2)
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                if self.ask("show info").partition("Pid: ")[2].split()[:1] not in ([before], []):
                    return
                time.sleep(0.02)
        raise AssertionError("no new worker: " + (self.directory / "log").read_text())

    def close(self):
        self.process.terminate()
        self.process.wait(10)


class Script:
    """A meter that reads what the test says."""

    def __init__(self):
        self.values, self.error = {"cpu": 1.0}, ""
        self.memory, self.problems, self.interface = {}, [], "eth0"

    def read(self):
        return agent.Reading(self.values, time.monotonic(), self.error)

    def statistics(self):
        return {}


class RealAgent:
    """The agent in this process, ticking fast, behind the port of a node."""

    def __init__(self, node, directory, **settings):
        directory.mkdir()
        self.directory, self.node = directory, node
        self.agent = agent.Agent(agent.make_settings({"ready_seconds": 1, **settings}), str(directory))
        self.agent.meter = Script()
        self.over = threading.Event()
        self.agent.tick()
        self.thread = threading.Thread(target=self._tick, daemon=True)
        self.thread.start()
        node.say = lambda address: self.agent.answer(address, time.monotonic())

    def _tick(self):
        while not self.over.wait(0.05):
            self.agent.tick()

    def order(self, monkeypatch, *words):
        monkeypatch.setattr(agent, "STATE_DIRECTORY", str(self.directory))
        assert agent.main(list(words)) == 0

    def close(self):
        self.over.set()
        self.thread.join()


PAGE = "HTTP/1.0 200 OK\r\n\r\n-----Stream Stats-----\nstreams_webrtc_in={}\nstreams_webrtc_out=0\nstreams_hls=0\n-----Port Stats-----\nports_media_free=400\n"


class Statistics:
    """The statistics page of WCS, which goes and hangs as the test wants."""

    def __init__(self):
        self.publishers, self.hangs = 1, threading.Event()
        self.web = Server(self._page)

    def _page(self, connection, _over):
        connection.recv(4096)
        if self.hangs.is_set():
            time.sleep(5)
        else:
            connection.sendall(PAGE.format(self.publishers).encode())

    def stop(self):
        self.web.close()

    def start(self):
        self.web = Server(self._page, self.web.port)


class Service:
    """The agent as a process of its own."""

    def __init__(self, directory, page_port, before=""):
        self.directory, self.port, self.before = directory, free_port(), before
        self.environment = {f"{name}_DIRECTORY": str(directory) for name in ("CONFIGURATION", "STATE", "RUNTIME")}
        settings = {"port": self.port, "limits": {"publishers": 10}, "hysteresis": {"hold": 0}, "statistics": {"port": page_port}}
        (directory / "agent.json").write_text(json.dumps(settings))
        self.start()

    def command(self, *arguments):
        main = f"{self.before}\nimport sys; sys.path.insert(0, {str(PLACE)!r}); import wcs_agent; sys.exit(wcs_agent.main(sys.argv[1:]))"
        return [sys.executable, "-I", "-S", "-c", main, *arguments]

    def start(self):
        with (self.directory / "log").open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command("serve"), env=self.environment, stderr=log)

    def run(self, *arguments):
        return subprocess.run(self.command(*arguments), env=self.environment, capture_output=True, text=True, timeout=30, check=False)

    def close(self):
        self.process.kill()
        self.process.wait(10)
