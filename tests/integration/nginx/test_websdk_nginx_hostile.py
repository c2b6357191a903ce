# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a variable holds, it is refused by its name, or nginx serves just that value."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.checks_web import Host, problems
from ansible_collections.webcallserver.balancer.tests.integration.nginx.site import Served, configure, deploy, start, verdict
from ansible_collections.webcallserver.balancer.tests.support import websdk
from ansible_collections.webcallserver.balancer.tests.support.ports import free_port
from ansible_collections.webcallserver.balancer.tests.support.websdk_nginx import DEFAULTS

TEXTS = {
    "newline": "{}\n",
    "newline and more": "{}\nserver {{ listen 9; }}",
    "carriage return": "{}\r",
    "tab": "{}\t",
    "NUL": "{}\0",
    "escape": "{}\x1b[2J",
    "quote": "{}'",
    "double quote": '{}"',
    "ends a string": '{}"; return 200 "',
    "blank": "{} x",
    "blank at the end": "{} ",
    "blank at the start": " {}",
    "comment": "{}#x",
    "semicolon": "{};",
    "brace": "{}}}",
    "open brace": "{}{{",
    "template": "{}{{{{ 7 * 7 }}}}",
    "statement": "{}{{% raw %}}",
    "variable": "{}$host",
    "variable in braces": "{}${{host}}",
    "backslash": "{}\\",
    "backslash n": "{}\\n",
    "unicode": "{}ä",
    "line separator": "{}\u2028",
    "next line": "{}\u0085",
    "Arabic digit": "{}\u0663",
    "surrogate": "{}\udcff",
    "percent": "{}%0d%0aX-Evil: 1",
    "comma": "{},",
    "star": "{}*",
    "long": "{}" + "a" * 10000,
    "empty": "",
}
GOOD = {
    "bundle": "https://example.com/websdk.tgz",
    "bundle_sha256": "a" * 64,
    "release": "2.0.276-55246447fa52",
    "root": "/srv/wcs-web",
    "index": "/wcs/page.html",
}
LISTEN = ("127.0.0.1:8180", "8180", "[::1]:8180", "*:8180", "unix:/run/web.sock")
ZONES = ("[::1%lo]:8180", "[fe80::1%\n listen 9; #]:80", "[fe80::1%25eth0]:80", "fe80::1%eth0")
PORTS = (0, 65536, 99999, -1, "8180x", "080", "1e3", "٨٠", "")
HOST = Host("Debian", "url", "", ("family ipv6",), "")


def refused(**options):
    """The sentences about options that are good but for these, each of which has to name its variable in one line."""
    plain = {name.removeprefix("websdk_nginx_"): value for name, value in DEFAULTS.items()}
    found = problems({**plain, "bundle": GOOD["bundle"], "bundle_sha256": GOOD["bundle_sha256"], **options}, HOST)
    for sentence in found:
        assert sentence.isprintable() and len(sentence) < 700 and any(f"websdk_nginx_{name}" in sentence for name in options), sentence
    return found


def test_the_good_ones_are_good():
    assert not refused(**GOOD, listen=["127.0.0.1:8180", "[::1]:8180"])
    assert not any(refused(listen=[text]) for text in LISTEN)


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.parametrize("name", GOOD)
def test_a_text_is_refused_or_harmless(tmp_path, name, case):
    value = TEXTS[case].format(GOOD[name])
    if refused(**{name: value}):
        return
    assert value.isprintable() and (name == "bundle" or not set(value) & set(" '\"\\;{}$\n"))
    if name == "index":
        assert verdict(configure(tmp_path, websdk_nginx_listen=["127.0.0.1:18180"], websdk_nginx_index=value)) == ""


@pytest.mark.parametrize("case", [case for case in TEXTS if case != "empty"])
@pytest.mark.parametrize("good", LISTEN)
def test_an_address_is_refused(good, case):
    found = refused(listen=[TEXTS[case].format(good)])
    # A path may have more letters
    assert found or (good.startswith("unix:") and not TEXTS[case].format(""))


@pytest.mark.parametrize(
    "text", [*ZONES, *(f"127.0.0.1:{port}" for port in PORTS), *map(str, PORTS), "[::]", "web.example.com:80", "1.2.3:80", "unix:/a/../b", "unix:"]
)
def test_zones_names_and_ports_that_are_none_are_refused(text):
    assert refused(listen=[text])


@pytest.mark.parametrize("case", TEXTS)
def test_server_ports_and_names_of_headers_are_refused(case):
    assert refused(server_ports={TEXTS[case].format("wss"): 443})
    assert refused(server_ports={"wss": TEXTS[case].format("443")})
    assert refused(headers={TEXTS[case].format("X-A"): "a"}) or TEXTS[case].format("X-A").replace("-", "").isalnum()


def test_values_of_headers_are_refused_or_arrive_as_they_are(tmp_path):
    tmp_path.chmod(0o755)
    deploy(tmp_path, websdk.pack(tmp_path / "websdk.tgz"))
    values = [TEXTS[case].format("a") for case in TEXTS if case != "empty"]
    headers = {f"X-{number}": value for number, value in enumerate(values) if not refused(headers={"X-A": value})}
    assert len(headers) > 10
    port = free_port()
    config = configure(tmp_path, websdk_nginx_listen=[f"127.0.0.1:{port}"], websdk_nginx_headers=headers)
    assert verdict(config) == ""
    site = Served(tmp_path, "", port)
    process = start(config, lambda: site.get("/"))
    try:
        answer = site.get("/wcs/flashphoner.js")
        assert {name: answer.headers[name].strip() for name in headers} == {name: value.strip() for name, value in headers.items()}
        assert not [name for name in answer.headers if "evil" in name.lower()]
    finally:
        process.terminate()
        process.communicate()
