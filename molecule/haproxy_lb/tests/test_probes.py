# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What strangers try on a balancer, on four releases of HAProxy."""

from __future__ import annotations

import contextlib
import shlex
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.webcallserver.balancer.tests.support.raw_http import UPGRADE, everything, head, request, status, tls

BALANCERS = ("lb11", "lb12", "lb13", "lb14")
FORGED = {"X-Client-IP": "192.0.2.66:6", "x-client-ip": "192.0.2.67:6", "X-Forwarded-For": "192.0.2.68"}

# Pages that show the request they were asked for with
ECHO = """
import http.server
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get('Content-Length') or 0))
        body = (self.requestline + chr(10) + str(self.headers)).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
http.server.HTTPServer(('127.0.0.1', 8180), Echo).serve_forever()
"""


@pytest.fixture(scope="module", params=BALANCERS)
def balancer(fleet, request):
    fleet.run(request.param, f"systemd-run --unit=pages --collect python3 -c {shlex.quote(ECHO)}")
    fleet.eventually(lambda: fleet.servers(request.param, "wcs_web")["wcs_web_http"]["status"] == "UP", 15)
    yield request.param
    fleet.run(request.param, "systemctl stop pages")


def echo(fleet, balancer, headers, method="GET", **options):
    """Return the request as the pages got it."""
    return everything(fleet, balancer, request({**headers, "Connection": headers.get("Connection", "close")}, method), **options)


@pytest.mark.parametrize(("family", "form"), [("ansible_host", "{}:"), ("fleet_ipv6", "[{}]:")])
def test_a_client_cannot_say_where_it_comes_from(fleet, balancer, family, form):
    with socket.create_connection((fleet.hosts[balancer][family], 443)) as probe:
        ours = probe.getsockname()[0]
    seen = echo(fleet, balancer, FORGED, family=family).lower()
    assert "192.0.2" not in seen
    assert [line.partition(": ")[2].startswith(form.format(ours)) for line in seen.splitlines() if line.startswith("x-client-ip")] == [True]
    assert f"x-forwarded-for: {ours}\n" in seen


@pytest.mark.parametrize("family", ["ansible_host", "fleet_ipv6"])
def test_a_websocket_is_let_through_on_both_families(fleet, balancer, family):
    assert status(fleet, balancer, request(UPGRADE), family=family) == 101


@pytest.mark.parametrize("missing", ["Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_half_an_upgrade_is_refused(fleet, balancer, missing):
    assert status(fleet, balancer, request({name: value for name, value in UPGRADE.items() if name != missing}, path="/any")) == 400


@pytest.mark.parametrize("connection", [{}, {"Connection": "close"}], ids=["none", "close"])
def test_an_upgrade_that_no_connection_names_reaches_no_node(fleet, balancer, connection):
    def nodes():
        return {(name, pool): server["stot"] for pool in ("wcs_back", "wcs_back_view") for name, server in fleet.servers(balancer, pool).items()}

    before = nodes()
    text = request({**{name: value for name, value in UPGRADE.items() if name != "Connection"}, **connection}, path="/view")
    # HAProxy 3.2 takes such an Upgrade away before the role's rules see it, and what is left asks for a page
    seen = everything(fleet, balancer, text).lower()
    assert seen.split()[1] == ("200" if balancer == "lb14" else "400")
    assert "upgrade: websocket" not in seen
    assert nodes() == before


def test_an_upgrade_by_post_is_refused(fleet, balancer):
    assert status(fleet, balancer, request({**UPGRADE, "Content-Length": "0"}, "POST")) == 400


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_key_alone_is_no_websocket(fleet, balancer, method):
    seen = echo(fleet, balancer, {"Sec-WebSocket-Key": UPGRADE["Sec-WebSocket-Key"], "Content-Length": "0"}, method)
    assert f"{method} / HTTP/1.1" in seen


def test_a_bad_version_smuggles_nothing_in(fleet, balancer):
    text = request({**UPGRADE, "Sec-WebSocket-Version": "8"}) + request({"Connection": "close"}, path="/second")
    assert everything(fleet, balancer, text).count("HTTP/1.1 ") == 1


def test_two_lengths_smuggle_nothing_in(fleet, balancer):
    text = request({"Transfer-Encoding": "chunked", "Content-Length": "4", "Connection": "close"}, "POST") + "0\r\n\r\n" + request(path="/second")
    seen = everything(fleet, balancer, text)
    assert "/second" not in seen
    assert seen.count("HTTP/1.1 200") <= 1


def test_plain_http_2_is_not_asked_for(fleet, balancer):
    headers = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings, close", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"}
    assert "upgrade: h2c" not in echo(fleet, balancer, headers).lower()


@pytest.mark.parametrize(("origin", "expected"), [("https://pages.example.com", 101), ("https://evil.example.com", 403), (None, 101)])
def test_only_known_pages_open_a_websocket(fleet, balancer, origin, expected):
    assert status(fleet, balancer, request({**UPGRADE, **({"Origin": origin} if origin else {})})) == expected


def seconds(fleet, probe):
    """Probe all balancers at a time, since the time is what is probed, and return how long each took."""

    def one(balancer):
        begin = time.monotonic()
        probe(fleet, balancer)
        return time.monotonic() - begin

    with ThreadPoolExecutor() as pool:
        return dict(zip(BALANCERS, pool.map(one, BALANCERS)))


def test_half_a_header_is_cut_in_five_seconds(fleet):
    def half(fleet, balancer):
        status(fleet, balancer, "GET / HTTP/1.1\r\nHost: bal")

    found = seconds(fleet, half)
    assert all(4 < passed < 6.5 for passed in found.values()), found


def test_a_header_that_drips_is_cut_in_five_seconds(fleet):
    def drip(fleet, balancer):
        with tls(fleet, balancer) as connection:
            connection.settimeout(1)
            connection.sendall(b"GET / HTTP/1.1\r\n")
            answer = None
            while answer is None:
                try:
                    answer = connection.recv(100)
                except TimeoutError:
                    connection.sendall(b"X-Drip: 1\r\n")

    found = seconds(fleet, drip)
    assert all(4 < passed < 7.5 for passed in found.values()), found


def test_silence_before_tls_is_cut_in_ten_seconds(fleet):
    def silence(fleet, balancer):
        with socket.create_connection((fleet.address(balancer), 443), timeout=15) as silent:
            assert silent.recv(1) == b""

    found = seconds(fleet, silence)
    assert all(9 < passed < 12 for passed in found.values()), found


@pytest.mark.parametrize(("headers", "expected"), [({"X": "x" * 15000}, 200), ({"X": "x" * 16000}, 400), ({f"X-{n}": 1 for n in range(120)}, 400)])
def test_headers_have_a_limit(fleet, balancer, headers, expected):
    # HAProxy 3.2 has a status of its own for what does not fit
    assert status(fleet, balancer, request(headers)) == (431 if balancer == "lb14" and "X" in headers and expected == 400 else expected)


def only(fleet, version, ciphers):
    context = fleet.context()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version
    context.set_ciphers(ciphers)
    return context


WEAK = {
    "TLS 1.1": (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
    "CBC": (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"),
    "RSA key exchange": (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256"),
    "finite-field Diffie-Hellman": (ssl.TLSVersion.TLSv1_2, "DHE-RSA-AES128-GCM-SHA256"),
}


@pytest.mark.parametrize(("version", "ciphers"), WEAK.values(), ids=WEAK)
def test_weak_tls_is_refused(fleet, balancer, version, ciphers):
    with pytest.raises(ssl.SSLError):
        status(fleet, balancer, request(), context=only(fleet, version, ciphers))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_strong_tls_is_spoken(fleet, balancer, version):
    """The probes above would be worth nothing if nothing were spoken."""
    assert status(fleet, balancer, request(UPGRADE), context=only(fleet, version, "ECDHE+AESGCM")) == 101


def test_http_2_is_not_spoken(fleet, balancer):
    context = fleet.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tls(fleet, balancer, context=context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
    # Begun without having been offered: settings, then GET https://a/
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) + bytes([0, 0, 6, 1, 5, 0, 0, 0, 1]) + b"\x82\x87\x84\x41\x01a"
    with tls(fleet, balancer) as connection:
        connection.settimeout(3)
        connection.sendall(preface)
        seen = b""
        with contextlib.suppress(OSError):
            while data := connection.recv(4096):
                seen += data
    assert b"GET / HTTP" not in seen


def test_one_client_holds_so_many_websockets(fleet, balancer):
    with contextlib.ExitStack() as held:

        def another(family):
            connection = held.enter_context(tls(fleet, balancer, family))
            connection.sendall(request(UPGRADE).encode())
            return head(connection)[0].split()[1]

        assert [another("ansible_host") for _turn in range(41)] == ["101"] * 40 + ["429"]
        assert another("fleet_ipv6") == "101"
    fleet.eventually(lambda: status(fleet, balancer, request(UPGRADE)) == 101, 10)
