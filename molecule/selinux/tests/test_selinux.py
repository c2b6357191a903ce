# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A balancer and a node whose kernels enforce SELinux; the node's does not know IPv6, and ufw is its firewall."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest
from ansible_collections.webcallserver.balancer.tests.support import wcs_client

MACHINES = ("lb1", "wcs1")
BALANCER = "webcallserver.balancer.balancer"


def connect(fleet):
    return wcs_client.connect(f"wss://{fleet.domain}:443", ssl=fleet.context(), address=fleet.address("lb1"))


def agents(fleet):
    return {name: row["agent_status"].strip("* ") for name, row in fleet.servers().items()}


@pytest.mark.parametrize("name", MACHINES)
def test_selinux_is_enforcing(fleet, name):
    assert fleet.run(name, "getenforce") == "Enforcing"


@pytest.mark.parametrize(("program", "domain"), [("haproxy", "haproxy_t"), ("nginx", "httpd_t")])
def test_the_services_are_confined(fleet, program, domain):
    assert {line.split(":")[2] for line in fleet.run("lb1", f"ps -o label= -C {program}").splitlines()} == {domain}


@pytest.mark.parametrize("name", MACHINES)
def test_nothing_of_ours_was_denied(fleet, name):
    denied = fleet.host(name).run("ausearch --input-logs -m avc,user_avc,selinux_err").stdout
    # Debian's policy has not heard of everything that these two try
    assert set(re.findall(r'denied .* comm="([^"]*)"', denied)) <= {"agetty", "sshd"}, denied


@pytest.mark.parametrize("name", MACHINES)
def test_every_file_has_the_label_that_the_policy_gives_it(fleet, name):
    places = {"lb1": "/etc/haproxy /etc/nginx /etc/systemd /srv", "wcs1": "/etc/ufw /etc/systemd /usr/local/bin /usr/local/lib"}
    assert fleet.run(name, f"restorecon -R -n -v {places[name]}") == ""


def test_no_boolean_was_set(fleet):
    assert fleet.run("lb1", "semanage boolean --list --locallist --noheading") == ""


def test_both_nodes_are_up_for_health_and_agent(fleet):
    fleet.eventually(lambda: {row["status"] for row in fleet.servers().values()} == {"UP"}, 60)
    assert agents(fleet) == {"wcs1": "L7OK", "wcs2": "L7OK"}


def test_a_session_lives_through_a_reload(fleet):
    async def publish():
        async with connect(fleet) as session:
            await session.publish("stays")
            result = await asyncio.to_thread(fleet.play, BALANCER, "-e", "haproxy_lb_stickiness=cookie")
            assert result.returncode == 0, result.stdout
            return [stream["name"] for node in ("wcs1", "wcs2") for stream in fleet.streams(node)]

    try:
        assert asyncio.run(publish()) == ["stays"]
    finally:
        result = fleet.play(BALANCER)
    assert result.returncode == 0, result.stdout


def test_a_port_whose_type_was_taken_away_is_closed_until_the_next_run(fleet):
    """Which shows that SELinux does enforce, and that the type is what opens the port."""
    fleet.run("lb1", "semanage port --delete --proto tcp 9707")
    fleet.eventually(lambda: set(agents(fleet).values()) == {"L4CON"}, 60)
    denied = fleet.run("lb1", "ausearch --input-logs -m avc --comm haproxy")
    assert "{ name_connect }" in denied and "dest=9707" in denied
    result = fleet.play(BALANCER)
    assert result.returncode == 0, result.stdout
    fleet.eventually(lambda: set(agents(fleet).values()) == {"L7OK"}, 60)


def test_the_node_without_ipv6_is_closed_by_ufw(fleet):
    assert fleet.run("wcs1", "cat /proc/cmdline").endswith("ipv6.disable=1")
    for port in (8080, 8081, 9707):
        with pytest.raises(OSError):
            socket.create_connection((fleet.address("wcs1"), port), timeout=2).close()
    assert "wcs_node:" in fleet.run("wcs1", "iptables --list-rules ufw-before-input")


def test_verify_has_nothing_to_say(fleet):
    result = fleet.play("webcallserver.balancer.verify")
    assert result.returncode == 0, result.stdout
