# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real haproxy on loopback with nodes made of a few lines: what goes in at one end, and what comes out at the other."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading

from ansible_collections.webcallserver.balancer.tests.support import haproxy
from ansible_collections.webcallserver.balancer.tests.support.haproxy_lb import HAPROXY, ROLE
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.support.servers import Server
from ansible_collections.webcallserver.balancer.tests.support.waiting import until

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n{}\n"


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def accepted(request):
    """The answer to the key of a handshake."""
    key = next(line.partition(": ")[2] for line in request if line.lower().startswith("sec-websocket-key: "))
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def head(stream):
    """Read a request or an answer up to the empty line."""
    lines = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    return lines


class Node:
    """WebSocket port, statistics page and agent of one WCS node."""

    def __init__(self, name):
        self.name, self.agent, self.status, self.requests = name, b"up 100%\n", b"200 OK", []
        node = self

        def signalling(connection, _over):
            with connection.makefile("rb") as stream:
                request = head(stream)
                node.requests.append(request)
                connection.sendall(SWITCHING.format(accepted(request), node.name).encode())
                for line in stream:
                    connection.sendall(line)

        def page(connection, _over):
            with connection.makefile("rb") as stream:
                head(stream)
            connection.sendall(b"HTTP/1.1 " + node.status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        def agent(connection, _over):
            connection.sendall(node.agent)

        self.servers = [Server(handle) for handle in (signalling, page, agent)]

    @property
    def variables(self):
        ports = (server.port for server in self.servers)
        return dict(zip(("port", "check_port", "agent_port"), ports, strict=True)) | {"name": self.name, "address": "127.0.0.1"}

    def close(self):
        for server in self.servers:
            server.close()


class Web:
    """The web server behind the balancer; it answers with the request it got."""

    def __init__(self):
        self.requests = []
        web = self

        def page(connection, _over):
            with connection.makefile("rb") as stream:
                request = head(stream)
            web.requests.append(request)
            body = "\n".join(request).encode("latin-1")
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        self.server = Server(page)
        self.address = f"127.0.0.1:{self.server.port}"

    def close(self):
        self.server.close()


class Connection:
    """One client connection, over TLS or plain."""

    def __init__(self, port, host="127.0.0.1", source=None, tls=True, alpn=None, before=b"", **context):
        raw = socket.create_connection((host, port), timeout=10, source_address=(source, 0) if source else None)
        raw.sendall(before)
        if tls:
            settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            settings.check_hostname, settings.verify_mode = False, ssl.CERT_NONE
            for name, value in context.items():
                setattr(settings, name, value)
            if alpn:
                settings.set_alpn_protocols(alpn)
            raw = settings.wrap_socket(raw, server_hostname="wcs.example.com")
        self.socket, self.stream, self.local = raw, raw.makefile("rb"), raw.getsockname()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        with contextlib.suppress(OSError):
            self.socket.close()
            self.stream.close()

    def ask(self, *headers, method="GET", path="/", version="1.1"):
        """Send a request; return the status and the lines of the answer's head."""
        lines = [f"{method} {path} HTTP/{version}", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode("latin-1"))
        answer = head(self.stream)
        return (int(answer[0].split()[1]) if answer else None), answer


HANDSHAKE = ("Host: wcs.example.com", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")


class Balancer:
    """haproxy as a master with a worker, on the rendered file."""

    def __init__(self, directory, port, redirect_port):
        self.port, self.redirect_port, self.backends = port, redirect_port, ["wcs_back"]
        self.directory, self.config, self.stats_socket = directory, directory / "haproxy.cfg", directory / "admin.sock"
        self.output = []
        self.start()

    def start(self):
        """What the unit does at a start; haproxy may be told to come up on a configuration that it does not like."""
        self.unit("prepare")
        self.process = subprocess.Popen([*HAPROXY, "-W", "-f", str(self.config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self.output.extend, args=(self.process.stdout,), daemon=True).start()
        self.unit("started")

    def unit(self, action, *arguments, **options):
        """Call the program that the unit calls."""
        command = [sys.executable, "-I", ROLE / "files" / "haproxy_reload.py", action, self.config, self.directory, *arguments]
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)

    def tickets(self, action):
        """Call the program that looks after the keys of the session tickets."""
        command = [sys.executable, "-I", ROLE / "files" / "haproxy_tickets.py", action, self.directory / "ticket-keys", self.stats_socket]
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)

    def wait(self, condition, seconds=30):
        def holds():
            result = condition()
            assert result or self.process.poll() is None, self.said()
            return result

        return until(holds, seconds, self.said, ignore=OSError)

    def said(self):
        """What haproxy wrote, but for the requests."""
        return b"".join(line for line in self.output if b"] wcs-balancer~ " not in line).decode()

    def command(self, text):
        return haproxy.ask(str(self.stats_socket), text)

    def servers(self, backend="wcs_back"):
        """Name of each server: its row of the statistics."""
        return haproxy.servers(self.stats_socket, backend)

    def settled(self):
        """Whether the health check and the agent of every server have been heard."""
        rows = [row for backend in self.backends for row in self.servers(backend).values()]
        return all(row["check_status"] in ("L7OK", "L4OK") and row["agent_status"] in ("L7OK", "L7STS") for row in rows)

    def pid(self):
        return haproxy.pid(self.stats_socket)

    def reload(self, master=None):
        """What the unit does at a reload."""
        return self.unit("reload", master or self.process.pid)

    def restart(self):
        self.unit("stop")
        self.close()
        self.start()
        self.wait(self.settled)

    def connect(self, port=None, **options):
        return Connection(port or self.port, **options)

    def visit(self, *headers, path="/", **options):
        """One whole handshake; return the name of the node that took it, or the status when none did.

        It is over for haproxy as well: what has been left counts among the sessions of a node until haproxy has seen so.
        """
        with self.connect(**options) as client:
            status, _answer = client.ask(*(headers or HANDSHAKE), path=path)
            taken = client.stream.readline().decode().strip() if status == 101 else status
        host, port = client.local[:2]
        self.wait(lambda: f" src={host}:{port} " not in self.command("show sess"))
        return taken

    def kill(self):
        """End master and worker at once, as a machine without memory does."""
        worker = int(self.pid())
        self.process.kill()
        self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)

    def close(self):
        self.process.terminate()
        self.process.wait(10)


@contextlib.contextmanager
def balanced(install, directory, *names, pools=(), **variables):
    """A balancer with a web server and with nodes of these names, once it has heard of all of them. Pools say which of the nodes are theirs."""
    nodes, web, port, redirect_port = [Node(name) for name in names], Web(), free_port(), free_port()
    known = {node.name: node.variables for node in nodes}
    pooled = {name for pool in pools for name in pool["servers"]}
    settings = {
        "haproxy_lb_bind": ["127.0.0.1", "::1"],
        "haproxy_lb_port": port,
        "haproxy_lb_redirect_port": redirect_port,
        "haproxy_lb_web_address": web.address,
        "haproxy_lb_pools": [pool | {"servers": [known[name] for name in pool["servers"]]} for pool in pools],
    } | variables

    def configure(servers, **different):
        install(directory, hosts={}, haproxy_lb_servers=servers, **settings | different)

    configure([known[name] for name in names if name not in pooled])
    balancer = Balancer(directory, port, redirect_port)
    balancer.configure = configure
    balancer.backends += [f"wcs_back_{pool['name']}" for pool in pools]
    try:
        balancer.wait(balancer.settled)
        yield balancer, nodes, web
    finally:
        balancer.close()
        for end in (web, *nodes):
            end.close()
