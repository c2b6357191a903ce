# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and networks: what is taken, and what is refused with which words."""

from __future__ import annotations

import json

import pytest
from ansible_collections.webcallserver.balancer.roles.wcs_node.files import wcs_agent as agent


def test_defaults():
    settings = agent.make_settings({})
    assert (settings.port, settings.bind, settings.networks, settings.statistics.port) == (9707, "", (), 8081)
    assert settings.limits == agent.Limits()
    assert settings.limits.marks == {"cpu": 90, "publishers": 100, "subscribers": 100, "hls": 100, "band-in": 100, "band-out": 100, "media-ports-free": 10}


@pytest.mark.parametrize(
    "raw",
    [
        {"limits": {}},
        {"limits": {"media-ports-free": 0}},
        {"limits": {"cpu": 0.5}},
        {"bind": "::"},
        {"bind": "192.0.2.1"},
        {"bind": "2001:db8::1"},
        {"networks": ["192.0.2.1", "198.51.100.0/24", "2001:db8::/32", "::/0"]},
        {"hysteresis": {"margin": 0}},
        {"hysteresis": {"hold": 0}},
        {"statistics": {"address": "::1", "timeout": 2, "misses": 1, "path": "/?action=stat&groups=stream_stats"}},
        {"bandwidth": {"in": "global_bandwidth_in", "mbps": 1e-6}},
        {"interface": "bond0.100"},
        {"unit": ""},
        {"cpu": "load"},
        {"graded": True},
        {"websocket": {"port": 8080}},
        {"websocket": {"port": 0}},
        {"limits": {"memory": 90}},
    ],
)
def test_good_settings(raw):
    assert agent.make_settings(raw).raw == raw


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ([], "the settings must be a mapping"),
        ({"ports": 1}, "ports must be one of port, bind, networks"),
        ({"port": 0}, "port must be a port number"),
        ({"port": 65536}, "port must be"),
        ({"port": "9707"}, "port must be"),
        ({"port": True}, "port must be"),
        ({"bind": "localhost"}, "bind must be an IP address"),
        ({"bind": None}, "bind must be"),
        ({"networks": "192.0.2.1"}, "networks must be a list"),
        ({"networks": ["balancer1"]}, "networks: 'balancer1' must be an IPv4 or IPv6 address or network"),
        ({"networks": ["192.0.2.0/33"]}, "networks: '192.0.2.0/33' must be a network with a prefix of at most 32"),
        ({"networks": ["2001:db8::/129"]}, "prefix of at most 128"),
        ({"networks": ["192.0.2.0/"]}, "networks: '192.0.2.0/' must be"),
        ({"networks": ["192.0.2.0/-1"]}, "networks: '192.0.2.0/-1' must be"),
        ({"networks": ["192.0.2"]}, "networks: '192.0.2' must be"),
        ({"networks": [7]}, "networks: 7 must be"),
        ({"limits": [1]}, "limits must be a mapping"),
        ({"limits": {"ram": 1}}, "limits.ram must be one of cpu, memory, publishers"),
        ({"limits": {"cpu": 0}}, "limits.cpu must be a number above 0"),
        ({"limits": {"cpu": -1}}, "limits.cpu must be"),
        ({"limits": {"cpu": "90"}}, "limits.cpu must be"),
        ({"limits": {"cpu": float("nan")}}, "limits.cpu must be"),
        ({"limits": {"cpu": True}}, "limits.cpu must be"),
        ({"hysteresis": {"margin": 51}}, "hysteresis.margin must be 0 to 50 percent"),
        ({"hysteresis": {"hold": -1}}, "hysteresis.hold must be"),
        ({"hysteresis": {"leave": 1}}, "hysteresis.leave must be one of margin, hold"),
        ({"hysteresis": 5}, "hysteresis must be a mapping"),
        ({"graded": "no"}, "graded must be true or false"),
        ({"websocket_viewers": 1}, "websocket_viewers must be true or false"),
        ({"cpu": "loadavg"}, "cpu must be usage or load"),
        ({"interface": "../eth0"}, "interface must be"),
        ({"interface": "a" * 16}, "interface must be"),
        ({"statistics": {"address": "wcs.example.com"}}, "statistics.address must be an IP address"),
        ({"statistics": {"path": "?action=stat"}}, "statistics.path must be a path that begins with /"),
        ({"statistics": {"path": "/a b"}}, "statistics.path must be"),
        ({"statistics": {"path": "/\r\nX: y"}}, "statistics.path must be"),
        ({"statistics": {"timeout": 3}}, "statistics.timeout must be 0.05 to 2 seconds"),
        ({"statistics": {"misses": 0}}, "statistics.misses must be"),
        ({"statistics": {"misses": 1.5}}, "statistics.misses must be"),
        ({"bandwidth": {"in": "a=b"}}, "bandwidth.in must be a key"),
        ({"bandwidth": {"mbps": 0}}, "bandwidth.mbps must be"),
        ({"unit": "../x"}, "unit must be the name of a systemd service"),
        ({"ready_seconds": -1}, "ready_seconds must be"),
        ({"websocket": 8080}, "websocket must be a mapping"),
        ({"websocket": {"port": 65536}}, "websocket.port must be a port number, or 0 to try none"),
        ({"websocket": {"address": "::1"}}, "websocket.address must be one of port"),
    ],
)
def test_bad_settings_are_named(raw, name):
    with pytest.raises(agent.SettingsError) as caught:
        agent.make_settings(raw)
    assert str(caught.value).startswith(name) or name in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1]", "must be a mapping"),
        ('{"port": 1e9}', "port must be"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, words):
    path = tmp_path / "agent.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(agent.SettingsError) as caught:
        agent.load_settings(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("192.0.2.7", ["192.0.2.7"], ["192.0.2.6", "192.0.2.70", "::7", ""]),
        ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.3.0", "192.0.1.255"]),
        ("192.0.2.77/24", ["192.0.2.0"], ["192.0.3.0"]),
        ("0.0.0.0/0", ["1.2.3.4", "255.255.255.255"], ["::1", "2001:db8::1"]),
        ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"], ["10.0.0.2"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:DB8:ffff::"], ["2001:db9::", "32.1.13.184"]),
        ("2001:db8::1", ["2001:db8:0::0:1"], ["2001:db8::2"]),
        ("::/0", ["::1", "fe80::1"], ["127.0.0.1", "not an address"]),
    ],
)
def test_networks(network, inside, outside):
    parsed = (agent.parse_network(network),)
    assert [address for address in inside + outside if agent.in_networks(parsed, address)] == inside


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:0:1", "::ffff:0:1"),
    ],
)
def test_plain_address(peer, address):
    assert agent.plain_address(peer) == address


def test_validate_command(tmp_path, capsys):
    path = tmp_path / "agent.json"
    path.write_text(json.dumps({"port": 9708}))
    assert agent.main(["validate", str(path)]) == 0
    path.write_text(json.dumps({"port": 0}))
    assert agent.main(["validate", str(path)]) == 2
    assert f"{path}: port must be a port number" in capsys.readouterr().err
