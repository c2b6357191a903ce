# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""See from one host which ports of another are open. Needs nothing but Python 3.9.

usage: portscan.py listen PORTS             answer on those ports, IPv4 and IPv6, until killed
       portscan.py scan ADDRESS PORTS       print what each port says, as JSON
       portscan.py hold ADDRESS PORT        keep one TCP session with a listener and print a line for every answer

PORTS is like tcp/22,8080,31001-32000 udp/31001-32000. A port is open (connected, or the datagram came back), refused
(there is nobody behind it) or filtered (no answer at all).
"""

from __future__ import annotations

import errno
import json
import resource
import selectors
import socket
import sys
import time

# Silence after which what has not answered is filtered; a busy machine answers late, but it does answer
TIMEOUT = 3.0
RETRY = 0.9


def parse(words: list[str]) -> dict[str, list[int]]:
    """The numbers behind each protocol of PORTS."""
    ports: dict[str, list[int]] = {"tcp": [], "udp": []}
    for word in words:
        protocol, _slash, spans = word.partition("/")
        for span in spans.split(","):
            first, _dash, last = span.partition("-")
            ports[protocol] += range(int(first), int(last or first) + 1)
    return ports


def brief(numbers: list[int]) -> str:
    """Numbers as people write them: 22,8080,31001-32000."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def listen(ports: dict[str, list[int]]) -> None:
    """Answer on every port."""
    selector = selectors.DefaultSelector()
    for protocol, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
        for port in ports[protocol]:
            server = socket.socket(socket.AF_INET6, kind)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind(("::", port))
            if protocol == "tcp":
                server.listen()
            server.setblocking(False)
            selector.register(server, selectors.EVENT_READ, protocol)
    print("listening", flush=True)
    while True:
        for key, _events in selector.select():
            try:
                answer(selector, key.fileobj, key.data)
            except OSError:
                # The other side has gone
                if key.data == "session":
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def answer(selector: selectors.BaseSelector, ready: socket.socket, kind: str) -> None:
    """Echo a datagram or a session's bytes, or take a new session in."""
    if kind == "tcp":
        session, _peer = ready.accept()
        selector.register(session, selectors.EVENT_READ, "session")
    elif kind == "udp":
        ready.sendto(*ready.recvfrom(64))
    else:
        data = ready.recv(64)
        if not data:
            raise ConnectionResetError
        ready.send(data)


def scan(address: str, ports: dict[str, list[int]]) -> dict[str, dict[str, str]]:
    """What each port says: state -> protocol -> ports."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    selector = selectors.DefaultSelector()
    said: dict[tuple[str, int], str] = {}
    datagrams = {}
    for protocol, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
        for port in ports[protocol]:
            said[protocol, port] = "filtered"
            probe = socket.socket(family, kind)
            probe.setblocking(False)
            error = probe.connect_ex((address, port))
            if error == errno.ECONNREFUSED:
                said[protocol, port] = "refused"
            elif protocol == "tcp":
                selector.register(probe, selectors.EVENT_WRITE, (protocol, port))
            else:
                selector.register(probe, selectors.EVENT_READ, (protocol, port))
                datagrams[port] = probe
    last_answer = time.monotonic()
    send_at = 0.0
    while selector.get_map() and time.monotonic() < last_answer + TIMEOUT:
        if time.monotonic() >= send_at:
            for port, probe in datagrams.items():
                if said["udp", port] == "filtered":
                    probe.send(b"?")
            send_at = time.monotonic() + RETRY
        for key, _events in selector.select(0.2):
            selector.unregister(key.fileobj)
            said[key.data] = verdict(key.fileobj, key.data[0])
            key.fileobj.close()
            datagrams.pop(key.data[1] if key.data[0] == "udp" else 0, None)
            # Rejections trickle in one a second, and say no more than silence
            if said[key.data] == "open":
                last_answer = time.monotonic()
    states: dict[str, dict[str, list[int]]] = {}
    for (protocol, port), state in said.items():
        states.setdefault(state, {}).setdefault(protocol, []).append(port)
    return {state: {protocol: brief(numbers) for protocol, numbers in found.items()} for state, found in states.items()}


def verdict(probe: socket.socket, protocol: str) -> str:
    """What a socket that is ready means."""
    if protocol == "tcp":
        error = probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return {0: "open", errno.ECONNREFUSED: "refused"}.get(error, "filtered")
    try:
        return "open" if probe.recv(64) == b"?" else "refused"
    except OSError:
        return "refused"


def hold(address: str, port: int) -> None:
    """Keep a session, five questions a second; a session that is cut ends in an exception."""
    with socket.create_connection((address, port), timeout=5) as session:
        number = 0
        while True:
            number += 1
            session.sendall(b"?")
            if session.recv(1) != b"?":
                raise ConnectionError("the other side has closed the session")
            print(number, flush=True)
            time.sleep(0.2)


def main(command: str, *words: str) -> None:
    """Do what the command line says."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if command == "listen":
        listen(parse(list(words)))
    elif command == "hold":
        hold(words[0], int(words[1]))
    else:
        print(json.dumps(scan(words[0], parse(list(words[1:]))), sort_keys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
