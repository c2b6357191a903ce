# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight as Ansible runs it: every mistake ends in words that name the variable, and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.webcallserver.balancer.tests.support.paths import COLLECTIONS

A, B = {"name": "a", "address": "192.0.2.1"}, {"name": "b", "address": "192.0.2.2"}
POOL = {"name": "view", "servers": [B], "paths": ["/view"]}

# What is wrong, and what the answer has to say
MISTAKES = {
    "no domain": ({"haproxy_lb_domain": ""}, "haproxy_lb_domain is '', which is no domain name"),
    "another domain": ({"haproxy_lb_domain": "other.example.com"}, "haproxy_lb_domain"),
    "no certificate": ({"haproxy_lb_certificate": "/no/such.pem"}, "haproxy_lb_certificate: '/no/such.pem' was not found on the controller"),
    "no chain": ({"haproxy_lb_chain": "/no/such.pem"}, "haproxy_lb_chain: '/no/such.pem' was not found on the controller"),
    "no key": ({"haproxy_lb_private_key": "/no/such.pem"}, "haproxy_lb_private_key: '/no/such.pem' was not found on the controller"),
    "another key": ({"haproxy_lb_private_key": "{other}"}, "haproxy_lb_private_key"),
    "a certificate for a key": ({"haproxy_lb_private_key": "{certificate}"}, "haproxy_lb_private_key"),
    "no servers": ({"haproxy_lb_servers": []}, "put hosts into the inventory group 'wcs_nodes' (haproxy_lb_nodes_group), or list them in haproxy_lb_servers"),
    "unknown group": ({"haproxy_lb_servers": [], "haproxy_lb_nodes_group": "nobody"}, "inventory group 'nobody' (haproxy_lb_nodes_group)"),
    "server without address": ({"haproxy_lb_servers": [{"name": "a"}]}, "haproxy_lb_servers"),
    "server twice": ({"haproxy_lb_servers": [A, A]}, "haproxy_lb_servers"),
    "server with a bad address": ({"haproxy_lb_servers": [A | {"address": "192.0.2.256"}]}, "address of server 'a' in haproxy_lb_servers"),
    "server with a bad port": ({"haproxy_lb_servers": [A | {"port": 70000}]}, "port of server 'a' in haproxy_lb_servers"),
    "too heavy a server": ({"haproxy_lb_servers": [A | {"weight": 257}]}, "weight of server 'a' in haproxy_lb_servers"),
    "no room": ({"haproxy_lb_maxconn": 0}, "haproxy_lb_maxconn: '0' is no whole number from 1"),
    "no such balance": ({"haproxy_lb_balance": "round robin"}, "haproxy_lb_balance"),
    "no such hash": ({"haproxy_lb_balance": "hash", "haproxy_lb_hash": "room"}, "haproxy_lb_hash: 'room' is none of path, header:NAME, parameter:NAME"),
    "no such stickiness": ({"haproxy_lb_stickiness": "sticky"}, "haproxy_lb_stickiness: 'sticky' is none of none, cookie, source, header:NAME"),
    "no such check": ({"haproxy_lb_check": "icmp"}, "haproxy_lb_check"),
    "bad page": ({"haproxy_lb_check_uri": "stat"}, "haproxy_lb_check_uri: 'stat' cannot be used; write a path"),
    "pool without servers": ({"haproxy_lb_pools": [{"name": "view"}]}, "haproxy_lb_pools: pool 'view' needs either a group or servers"),
    "pool of a node that is in another": ({"haproxy_lb_pools": [POOL | {"servers": [A]}]}, "haproxy_lb_pools: a is in the pools 'view' and 'default'"),
    "pool that falls back to nothing": ({"haproxy_lb_pools": [POOL | {"fallback": ["spare"]}]}, "fallback of pool 'view' in haproxy_lb_pools: 'spare'"),
    "pool that nothing leads to": ({"haproxy_lb_pools": [POOL | {"paths": []}]}, "haproxy_lb_pools: nothing leads to pool 'view'"),
    "pool with an unknown key": ({"haproxy_lb_pools": [POOL | {"path": "/view"}]}, "haproxy_lb_pools"),
    "nowhere to listen": ({"haproxy_lb_bind": []}, "haproxy_lb_bind is empty"),
    "a name to listen on": ({"haproxy_lb_bind": ["localhost"]}, "haproxy_lb_bind: 'localhost'"),
    "no such port": ({"haproxy_lb_port": 70000}, "haproxy_lb_port"),
    "a port of text": ({"haproxy_lb_port": "https"}, "haproxy_lb_port"),
    "redirect to itself": ({"haproxy_lb_redirect_port": 443}, "haproxy_lb_redirect_port is 443, where TLS is spoken"),
    "web server without port": ({"haproxy_lb_web_address": "127.0.0.1"}, "haproxy_lb_web_address: '127.0.0.1' is no address:port"),
    "an origin that is none": ({"haproxy_lb_origins": ["www.example.com"]}, "haproxy_lb_origins: 'www.example.com' is no origin"),
    "everybody is a proxy": ({"haproxy_lb_proxies": ["0.0.0.0/0"]}, "haproxy_lb_proxies: '0.0.0.0/0' is everybody"),
    "no such protocol": ({"haproxy_lb_proxies_protocol": "forwarded"}, "haproxy_lb_proxies_protocol"),
    "less than nobody": ({"haproxy_lb_source_sessions": -1}, "haproxy_lb_source_sessions: '-1' is no whole number from 0"),
    "less than never": ({"haproxy_lb_hsts_max_age": -1}, "haproxy_lb_hsts_max_age: '-1' is no whole number from 0"),
    "a tunnel without a unit": ({"haproxy_lb_timeout_tunnel": "3600"}, "haproxy_lb_timeout_tunnel is '3600', which is no duration"),
    "a stop in words": ({"haproxy_lb_hard_stop_after": "soon"}, "haproxy_lb_hard_stop_after is 'soon', which is no duration"),
    "a tunnel longer than haproxy can count": ({"haproxy_lb_timeout_tunnel": "25d"}, "haproxy_lb_timeout_tunnel is 25d, longer than HAProxy can count"),
    "a variable that is none": ({"haproxy_lb_maxcon": 3}, "did you mean haproxy_lb_maxconn?"),
    "a web server that cannot be found": ({"haproxy_lb_web_address": "no-such-host.invalid:80"}, "no-such-host.invalid does not resolve on this host"),
    "an address of somebody else": ({"haproxy_lb_bind": ["192.0.2.77"]}, "haproxy_lb_bind: 192.0.2.77 is no address of this host"),
    "too few descriptors": ({"haproxy_lb_nofile": 1024}, "haproxy_lb_nofile is 1024"),
    "certificates of one name": (
        {"haproxy_lb_extra_certificates": [{"name": "wcs.example.com", "certificate": "{certificate}", "chain": "{chain}", "private_key": "{key}"}]},
        "haproxy_lb_extra_certificates: each needs a name of its own",
    ),
}

# What is none; the answers would be worth nothing if everything were refused
SOUND = {
    "nothing wrong": {},
    "the chain in the certificate's file": {"haproxy_lb_chain": "", "haproxy_lb_certificate": "{full}"},
}

# A host for each mistake, so that one run makes all of them
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - block:
        - ansible.builtin.include_role:
            name: webcallserver.balancer.haproxy_lb
            tasks_from: preflight
      rescue:
        - ansible.builtin.copy:
            dest: "{{ playbook_dir }}/{{ inventory_hostname }}.said"
            content: "{{ ansible_failed_result.msg }}"
            mode: "0600"
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the preflight said of every case."""
    directory = tmp_path_factory.mktemp("preflight")
    files = {name: str(directory / f"{name}.pem") for name in ("certificate", "chain", "full", "key", "other", "root_key")}

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], capture_output=True, check=True)

    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    openssl(*new, "-subj", "/CN=root", "-keyout", files["root_key"], "-out", files["chain"])
    openssl(
        *(*new, "-subj", "/CN=wcs.example.com", "-addext", "subjectAltName=DNS:wcs.example.com", "-addext", "basicConstraints=critical,CA:FALSE"),
        *("-CA", files["chain"], "-CAkey", files["root_key"], "-keyout", files["key"], "-out", files["certificate"]),
    )
    Path(files["full"]).write_text(Path(files["certificate"]).read_text() + Path(files["chain"]).read_text())
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", files["other"])

    def filled(value):
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        return value.format(**files) if isinstance(value, str) else value

    usual = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "haproxy_lb_domain": "wcs.example.com",
        "haproxy_lb_certificate": files["certificate"],
        "haproxy_lb_chain": files["chain"],
        "haproxy_lb_private_key": files["key"],
        "haproxy_lb_servers": [A],
    }
    cases = {mistake: variables for mistake, (variables, _message) in MISTAKES.items()} | SOUND
    names = {case: f"host{number}" for number, case in enumerate(cases)}
    hosts = {names[case]: filled(variables) for case, variables in cases.items()}
    (directory / "play.yml").write_text(PLAY)
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": usual}}))
    done = subprocess.run(
        ["ansible-playbook", "--inventory", directory / "hosts.yml", directory / "play.yml"],
        env=os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    def said(name):
        path = directory / f"{name}.said"
        return path.read_text() if path.exists() else "nothing"

    return {case: said(name) for case, name in names.items()}


@pytest.mark.parametrize("case", SOUND)
def test_what_is_sound_is_accepted(said, case):
    assert said[case] == "nothing"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(said, mistake):
    assert MISTAKES[mistake][1] in said[mistake]
