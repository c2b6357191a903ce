# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role documents is what it does: defaults, argument specs and README name the same variables with the same values."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.options import OptionsError

from .conftest import ROLE

DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
SPECS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]


def test_defaults_and_specs_agree():
    options = SPECS["main"]["options"]
    assert {name: option["default"] for name, option in options.items() if "default" in option} == DEFAULTS


def test_the_preflight_takes_what_the_role_takes():
    assert SPECS["preflight"]["options"] == SPECS["main"]["options"]


def test_the_readme_names_every_variable_and_no_other():
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"haproxy_lb_\w+", readme))
    assert named == set(SPECS["main"]["options"])


GROUP = {"wcs1": {"wcs_node_address": "192.0.2.11"}, "wcs2": {"wcs_node_address": "192.0.2.12"}}
UNGRADED = {name: host | {"wcs_node_agent_graded": False} for name, host in GROUP.items()}
FILE = str(ROLE / "README.md")
FILES = {"haproxy_lb_certificate": FILE, "haproxy_lb_chain": FILE, "haproxy_lb_private_key": FILE}
MORE = {"name": "rsa", "certificate": FILE, "chain": FILE, "private_key": FILE}

REFUSED = {
    "no nodes": ({"hosts": {}}, "put hosts into the inventory group 'wcs_nodes' .haproxy_lb_nodes_group., or list them"),
    "unknown group": ({"haproxy_lb_nodes_group": "nodes"}, "inventory group 'nodes'"),
    "herding": ({"haproxy_lb_balance": "leastconn"}, "wcs1, wcs2 grade their weights.*set wcs_node_agent_graded to false"),
    "half herding": ({"haproxy_lb_balance": "leastconn", "hosts": UNGRADED | {"wcs2": GROUP["wcs2"]}}, "agents of wcs2 grade"),
    "pool without a name": ({"haproxy_lb_pools": [{"group": "wcs_nodes"}]}, "missing required arguments: name"),
    "redirect where TLS is": ({"haproxy_lb_redirect_port": 443}, "haproxy_lb_redirect_port is 443, where TLS is spoken"),
    "nowhere to listen": ({"haproxy_lb_bind": []}, "haproxy_lb_bind is empty"),
    "name to listen on": ({"haproxy_lb_bind": ["localhost"]}, "haproxy_lb_bind: 'localhost'"),
    "domain": ({"haproxy_lb_domain": "../wcs"}, "haproxy_lb_domain is"),
    "no certificate": ({"haproxy_lb_certificate": "/no/such.crt"}, "haproxy_lb_certificate: '/no/such.crt' was not found on the controller"),
    "no chain": ({"haproxy_lb_chain": "/no/such.crt"}, "haproxy_lb_chain: '/no/such.crt'"),
    "no key": ({"haproxy_lb_private_key": "/no/such.key"}, "haproxy_lb_private_key: '/no/such.key'"),
    "no file of another": (
        {"haproxy_lb_extra_certificates": [MORE | {"chain": "/no/such.crt"}]},
        "haproxy_lb_extra_certificates, chain of 'rsa': '/no/such.crt'",
    ),
    "name twice": ({"haproxy_lb_extra_certificates": [MORE, MORE]}, "haproxy_lb_extra_certificates: each needs a name of its own"),
    "name outside": (
        {"haproxy_lb_extra_certificates": [MORE | {"name": "../rsa"}]},
        "haproxy_lb_extra_certificates: name of certificate 1: '../rsa' cannot be used",
    ),
    "descriptors": ({"haproxy_lb_nofile": 1024}, "haproxy_lb_nofile is 1024"),
    "bad server": ({"haproxy_lb_servers": [{"name": "a b", "address": "192.0.2.1"}]}, "name of server 'a b' in haproxy_lb_servers"),
    "bad node": ({"hosts": {"wcs1": {"wcs_node_ws_port": "http"}}}, "wcs_node_ws_port of host 'wcs1'"),
}


def problems(value_of, **variables):
    """The sentences that the preflight ends with."""
    try:
        return " ".join(value_of("__haproxy_lb_plan.problems", **FILES | variables))
    except (AnsibleError, OptionsError) as error:
        return str(error)


@pytest.mark.parametrize(("variables", "message"), REFUSED.values(), ids=REFUSED)
def test_the_preflight_refuses(value_of, variables, message):
    assert re.search(message, problems(value_of, **variables))


ACCEPTED = {
    "plain": {},
    "leastconn without grades": {"haproxy_lb_balance": "leastconn", "hosts": UNGRADED},
    "leastconn over servers nobody knows": {"haproxy_lb_balance": "leastconn", "haproxy_lb_servers": [{"name": "a", "address": "192.0.2.1"}]},
    "another certificate": {"haproxy_lb_extra_certificates": [MORE]},
    "the chain in the certificate's file": {"haproxy_lb_chain": "", "haproxy_lb_extra_certificates": [{**MORE, "chain": ""}]},
    "files on the balancer": {"haproxy_lb_certificate_remote": True, "haproxy_lb_certificate": "/no/such.crt"},
}


@pytest.mark.parametrize("variables", ACCEPTED.values(), ids=ACCEPTED)
def test_the_preflight_accepts(value_of, variables):
    assert problems(value_of, **variables) == ""
