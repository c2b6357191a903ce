# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors get: the real nginx, the role's configuration, a small WebSDK."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from ansible_collections.webcallserver.balancer.tests.integration.nginx.site import configure, deploy, start, verdict
from ansible_collections.webcallserver.balancer.tests.support import websdk

PORTS = b'window.SERVER_PORTS = {"wss": 443};\n'
INDEX = "/wcs/" + websdk.PAGE
FOR_GOOD = "public, max-age=31536000, immutable"
PAGES = {name: content for name, content in websdk.FILES.items() if "/." not in name}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_every_file_is_served_byte_for_byte_and_utils_after_a_line(served, name, compressed):
    for base in ("wcs", f"releases/{served.release}"):
        response = served.get(f"/{base}/{name}", **({"Accept-Encoding": "gzip"} if compressed else {}))
        body = gzip.decompress(response.body) if response.headers["Content-Encoding"] == "gzip" else response.body
        assert (response.status, body) == (200, (PORTS if name == websdk.UTILS else b"") + PAGES[name])
        assert (served.home / "site" / "wcs" / name).read_bytes() == PAGES[name]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("flashphoner.js", "application/javascript; charset=utf-8"),
        (websdk.PAGE, "text/html; charset=utf-8"),
        (websdk.UTILS, "application/javascript; charset=utf-8"),
        ("package.json", "application/json; charset=utf-8"),
        ("examples/demo/dependencies/bootstrap/fonts/glyphicons.woff2", "font/woff2"),
        ("examples/demo/streaming/embed_player/copy-to-clipboard@latest", "application/javascript; charset=utf-8"),
    ],
)
def test_types(served, name, kind):
    assert served.get(f"/wcs/{name}").headers["Content-Type"] == kind


@pytest.mark.parametrize("path", ["/", "/wcs/flashphoner.js", "/wcs/" + websdk.UTILS, "/none", "/favicon.ico"])
def test_every_answer_is_guarded_and_allows_camera_and_microphone(served, path):
    headers = served.get(path).headers
    assert headers["Server"] == "nginx"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    for feature in ("camera", "microphone", "display-capture"):
        assert f"{feature}=(self)" in headers["Permissions-Policy"]
    assert not any(name == "Set-Cookie" for name in headers)


def test_error_pages_do_not_tell_the_version(served):
    assert b"nginx/" not in served.get("/none").body


@pytest.mark.parametrize(
    ("path", "caching"),
    [
        ("/", "no-cache"),
        ("/wcs/flashphoner.js", "no-cache"),
        (INDEX, "no-cache"),
        ("/wcs/examples/demo/dependencies/jquery/jquery-1.12.0.js", FOR_GOOD),
        ("/releases/{release}/flashphoner.js", FOR_GOOD),
        ("/releases/{release}/" + websdk.UTILS, "no-cache"),
        ("/wcs/" + websdk.UTILS, "no-cache"),
        ("/wcs/jquery-1.12.9.js", None),
        ("/releases/none/flashphoner.js", None),
    ],
)
def test_caching(served, path, caching):
    assert served.get(path.format(release=served.release)).headers["Cache-Control"] == caching


def test_what_is_asked_for_again_is_answered_with_304_until_the_release_changes(served, tmp_path):
    tag = served.get("/wcs/flashphoner.js").headers["ETag"]
    assert served.get("/wcs/flashphoner.js", **{"If-None-Match": tag}).status == 304
    # As long as the one before: only the time of unpacking, in seconds, tells them apart
    while int(time.time()) <= os.stat(served.home / "site" / "wcs" / "flashphoner.js").st_mtime:
        time.sleep(0.05)
    changed = {**websdk.FILES, "flashphoner.js": websdk.FILES["flashphoner.js"].replace(b"WebSDK", b"webSDK")}
    deploy(served.home, websdk.pack(tmp_path / "changed.tgz", changed))
    try:
        response = served.get("/wcs/flashphoner.js", **{"If-None-Match": tag})
        assert (response.status, response.body) == (200, changed["flashphoner.js"])
    finally:
        deploy(served.home, websdk.pack(tmp_path / "again.tgz"))


def test_the_ports_are_never_answered_with_304(served):
    response = served.get("/wcs/" + websdk.UTILS)
    conditions = {"If-Modified-Since": formatdate(usegmt=True), "If-None-Match": response.headers["ETag"] or "*"}
    assert response.headers["ETag"] is None
    assert served.get("/wcs/" + websdk.UTILS, **conditions).body.startswith(PORTS)


@pytest.mark.parametrize("name", ["flashphoner.js", websdk.PAGE, websdk.UTILS])
def test_text_is_compressed_for_those_who_ask(served, name):
    response = served.get(f"/wcs/{name}", **{"Accept-Encoding": "gzip", "Via": "1.1 proxy"})
    assert (response.headers["Content-Encoding"], response.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert served.get(f"/wcs/{name}").headers["Content-Encoding"] is None


@pytest.mark.parametrize("path", ["/", "/wcs", "/wcs/"])
def test_the_way_in_is_relative_so_that_it_holds_behind_the_balancer(served, path):
    response = served.get(path, Host="wcs.example.com")
    assert (response.status, response.headers["Location"]) == (302, INDEX)
    assert served.get(INDEX).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/wcs/doc/", 200),
        ("/favicon.ico", 204),
        ("/none", 404),
        ("/wcs/none", 404),
        ("/wcs/doc", 301),
        ("/wcs/examples/", 404),
        ("/wcs/examples", 301),
        ("/releases/", 404),
        ("/releases", 404),
        ("/server_ports.js", 404),
        ("/wcs/examples/demo/.project", 404),
        ("/.wcs-new/flashphoner.js", 404),
        ("/releases/.unpacking-x/flashphoner.js", 404),
        ("/websdk.tgz", 404),
        ("/wcs/../../websdk.tgz", 400),
        ("/wcs/%2e%2e/%2e%2e/websdk.tgz", 400),
        ("/wcs/..%2f..%2fwebsdk.tgz", 400),
        ("/wcs/flashphoner.js%00.html", 400),
    ],
)
def test_only_the_release_is_served(served, path, status):
    (served.home / "site" / "releases" / ".unpacking-x").mkdir(exist_ok=True)
    (served.home / "site" / "releases" / ".unpacking-x" / "flashphoner.js").write_text("unfinished")
    assert served.get(path).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_taken(served, method):
    assert served.get("/wcs/flashphoner.js", method=method).status == 405


VARIABLES = pytest.mark.parametrize(
    "variables",
    [
        {},
        {"websdk_nginx_listen": ["127.0.0.1:18180", "[::1]:18180", "unix:{home}/socket"]},
        {"websdk_nginx_server_ports": {}},
        {"websdk_nginx_server_ports": {"wss": 8443, "ws": 80, "https": 443, "http": 80}},
        {"websdk_nginx_headers": {}},
        {"websdk_nginx_headers": {"X-Odd": 'a "quoted" \\ value; {with} everything'}},
        {"websdk_nginx_index": "/wcs/examples/demo/streaming/player/player.html?mediaProvider=WebRTC&a=%20b"},
    ],
)


@pytest.fixture
def config(tmp_path, variables):
    listen = [address.format(home=tmp_path) for address in variables.get("websdk_nginx_listen", ["127.0.0.1:18180"])]
    return configure(tmp_path, **{**variables, "websdk_nginx_listen": listen})


@VARIABLES
def test_nginx_has_no_complaint_about_any_variable(config):
    assert verdict(config) == ""


@VARIABLES
def test_gixy_has_none_either(config):
    gixy = subprocess.run([Path(sys.executable).with_name("gixy"), config], capture_output=True, text=True, check=False)
    assert (gixy.returncode, "No issues found." in gixy.stdout) == (0, True), gixy.stdout


def test_an_odd_header_arrives_as_it_is_and_ports_can_be_left_alone(tmp_path):
    tmp_path.chmod(0o755)
    deploy(tmp_path, websdk.pack(tmp_path / "websdk.tgz"))
    odd = 'a "quoted" \\ value; {with} everything'
    address = f"{tmp_path}/socket"
    config = configure(tmp_path, websdk_nginx_listen=[f"unix:{address}"], websdk_nginx_server_ports={}, websdk_nginx_headers={"X-Odd": odd})

    def ask():
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address)
            client.sendall(f"GET /wcs/{websdk.UTILS} HTTP/1.0\r\n\r\n".encode())
            return b"".join(iter(lambda: client.recv(65536), b""))

    process = start(config, ask)
    head, body = ask().split(b"\r\n\r\n", 1)
    process.terminate()
    process.communicate()
    assert f"X-Odd: {odd}".encode() in head.split(b"\r\n")
    assert body == websdk.FILES[websdk.UTILS]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../../../etc/passwd", "flashphoner.js", "/proc/self/environ", "/etc"])
def test_no_link_in_a_release_is_followed(served, target):
    """None is there: an archive's links are unpacked as what they name. One that somebody puts there leads nowhere."""
    release = served.home / "site" / "releases" / served.release
    (release / "link").symlink_to(target)
    try:
        for base in ("wcs", f"releases/{served.release}"):
            for path in ("link", "link/", "link/passwd"):
                assert served.get(f"/{base}/{path}").status in (403, 404)
    finally:
        (release / "link").unlink()
    (served.home / "site" / "releases" / "elsewhere").symlink_to("/etc")
    try:
        assert served.get("/releases/elsewhere/passwd").status in (403, 404)
    finally:
        (served.home / "site" / "releases" / "elsewhere").unlink()
    assert served.get("/wcs/flashphoner.js").status == 200
