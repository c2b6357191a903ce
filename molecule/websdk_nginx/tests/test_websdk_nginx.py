# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages alone, behind no balancer, on three releases of nginx and on the stand-in for the RedHat family."""

from __future__ import annotations

import gzip
import urllib.error
import urllib.request

import pytest
from ansible_collections.webcallserver.balancer.tests.support.fleet import recap

PAGE = "examples/demo/streaming/two_way_streaming/two_way_streaming.html"

HOSTS = ["web11", "web12", "web13", "web-redhat"]
everywhere = pytest.mark.parametrize("host", HOSTS)


def get(fleet, host, path, family="ansible_host", **headers):
    address = fleet.hosts[host][family]
    base = f"http://[{address}]" if ":" in address else f"http://{address}"
    return urllib.request.urlopen(urllib.request.Request(base + path, headers=headers), timeout=10)


@everywhere
@pytest.mark.parametrize("family", ["ansible_host", "fleet_ipv6"])
@pytest.mark.parametrize("path", [PAGE, "flashphoner.js"])
def test_pages_are_the_packages_byte_for_byte(fleet, websdk, host, family, path):
    assert get(fleet, host, f"/wcs/{path}", family).read() == (websdk / path).read_bytes()


@everywhere
def test_the_root_leads_to_the_example(fleet, host):
    assert get(fleet, host, "/").url.endswith(f"/wcs/{PAGE}")


@everywhere
def test_the_examples_know_the_balancers_port(fleet, host):
    assert b"SERVER_PORTS" in get(fleet, host, "/wcs/examples/demo/dependencies/js/utils.js").read().split(b"\n")[0]


@everywhere
def test_pages_come_compressed_typed_and_anonymous(fleet, websdk, host):
    with get(fleet, host, "/wcs/flashphoner.js", **{"Accept-Encoding": "gzip"}) as answer:
        assert gzip.decompress(answer.read()) == (websdk / "flashphoner.js").read_bytes()
        assert "javascript" in answer.headers["Content-Type"]
        assert answer.headers["Server"] == "nginx"
        assert "camera=(self)" in answer.headers["Permissions-Policy"]


@everywhere
def test_nginx_has_no_complaint(fleet, host):
    read = "wcs-web-nginx.conf" if "redhat" in host else "nginx.conf"
    assert fleet.run(host, f"nginx -t -q -c /etc/nginx/{read} 2>&1") == ""


@everywhere
@pytest.mark.parametrize("path", ["/wcs/nothing-here", "/wcs/../../etc/passwd", "/wcs/%2e%2e/%2e%2e/etc/passwd"])
def test_nothing_else_is_served(fleet, host, path):
    with pytest.raises(urllib.error.HTTPError) as answer:
        get(fleet, host, path)
    assert answer.value.code in (400, 404)


def test_a_wrong_archive_leaves_the_site_alone(fleet):
    """One play over all of them takes as long as over one."""
    result = fleet.play("molecule/websdk_nginx/converge.yml", "-e", f"websdk_nginx_bundle_sha256={'0' * 64}")
    assert {host: counts["failed"] for host, counts in recap(result.stdout).items()} == dict.fromkeys(HOSTS, 1), result.stdout
    for host in HOSTS:
        assert get(fleet, host, f"/wcs/{PAGE}").status == 200
