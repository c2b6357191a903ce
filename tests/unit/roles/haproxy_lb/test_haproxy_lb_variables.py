# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role makes of its variables; test_haproxy_preflight.py has more of what it refuses."""

from __future__ import annotations

import re

import pytest
from ansible.errors import AnsibleError
from ansible.template import trust_as_template
from ansible_collections.webcallserver.balancer.plugins.plugin_utils.options import OptionsError
from ansible_collections.webcallserver.balancer.tests.support.haproxy_lb import ROLE, make_templar

GROUP = {"wcs1": {"wcs_node_address": "192.0.2.11"}, "wcs2": {"wcs_node_address": "192.0.2.12"}}
UNGRADED = {name: host | {"wcs_node_agent_graded": False} for name, host in GROUP.items()}
FILE = str(ROLE / "README.md")
FILES = {"haproxy_lb_certificate": FILE, "haproxy_lb_chain": FILE, "haproxy_lb_private_key": FILE}
MORE = {"name": "rsa", "certificate": FILE, "chain": FILE, "private_key": FILE}

REFUSED = {
    "herding": ({"haproxy_lb_balance": "leastconn"}, "wcs1, wcs2 grade their weights.*set wcs_node_agent_graded to false"),
    "half herding": ({"haproxy_lb_balance": "leastconn", "hosts": UNGRADED | {"wcs2": GROUP["wcs2"]}}, "agents of wcs2 grade"),
    "pool without a name": ({"haproxy_lb_pools": [{"group": "wcs_nodes"}]}, "missing required arguments: name"),
    "domain": ({"haproxy_lb_domain": "../wcs"}, "haproxy_lb_domain is"),
    "no file of another": (
        {"haproxy_lb_extra_certificates": [MORE | {"chain": "/no/such.crt"}]},
        "haproxy_lb_extra_certificates, chain of 'rsa': '/no/such.crt'",
    ),
    "name twice": ({"haproxy_lb_extra_certificates": [MORE, MORE]}, "haproxy_lb_extra_certificates: each needs a name of its own"),
    "name outside": (
        {"haproxy_lb_extra_certificates": [MORE | {"name": "../rsa"}]},
        "haproxy_lb_extra_certificates: name of certificate 1: '../rsa' cannot be used",
    ),
    "bad server": ({"haproxy_lb_servers": [{"name": "a b", "address": "192.0.2.1"}]}, "name of server 'a b' in haproxy_lb_servers"),
    "bad node": ({"hosts": {"wcs1": {"wcs_node_ws_port": "http"}}}, "wcs_node_ws_port of host 'wcs1'"),
}


@pytest.fixture(scope="module")
def templar(tmp_path_factory):
    return make_templar(tmp_path_factory.mktemp("etc"), "HAProxy version 2.6.12-1+deb12u2 2025/04/16 - https://haproxy.org/\n")


def problems(templar, **variables):
    """The sentences that the preflight ends with."""
    try:
        return " ".join(templar(**FILES | variables).template(trust_as_template("{{ __haproxy_lb_plan.problems }}")))
    except (AnsibleError, OptionsError) as error:
        return str(error)


@pytest.mark.parametrize(("variables", "message"), REFUSED.values(), ids=REFUSED)
def test_the_preflight_refuses(templar, variables, message):
    assert re.search(message, problems(templar, **variables))


ACCEPTED = {
    "plain": {},
    "leastconn without grades": {"haproxy_lb_balance": "leastconn", "hosts": UNGRADED},
    "leastconn over servers nobody knows": {"haproxy_lb_balance": "leastconn", "haproxy_lb_servers": [{"name": "a", "address": "192.0.2.1"}]},
    "another certificate": {"haproxy_lb_extra_certificates": [MORE]},
    "the chain in the certificate's file": {"haproxy_lb_chain": "", "haproxy_lb_extra_certificates": [{**MORE, "chain": ""}]},
    "files on the balancer": {"haproxy_lb_certificate_remote": True, "haproxy_lb_certificate": "/no/such.crt"},
}


@pytest.mark.parametrize("variables", ACCEPTED.values(), ids=ACCEPTED)
def test_the_preflight_accepts(templar, variables):
    assert problems(templar, **variables) == ""
