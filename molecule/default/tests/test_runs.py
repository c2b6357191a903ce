# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbooks: what they say, what they change, what they refuse."""

from __future__ import annotations

import subprocess

import pytest
import yaml
from fleet import CHECKOUT, recap

SITE = "webcallserver.balancer.site"
TASKS_AT_MOST = {"lb1": 25, "wcs1": 15, "wcs2": 15}


def changes(output):
    return {host: counts["changed"] + counts["failed"] + counts["unreachable"] for host, counts in recap(output).items()}


def test_a_run_over_a_finished_fleet_is_short_and_changes_nothing(fleet):
    result = fleet.play(SITE, "--check", "--diff")
    assert changes(result.stdout) == dict.fromkeys(fleet.hosts, 0), result.stdout
    result = fleet.play(SITE)
    assert changes(result.stdout) == dict.fromkeys(fleet.hosts, 0), result.stdout
    assert {host: counts["ok"] for host, counts in recap(result.stdout).items() if counts["ok"] > TASKS_AT_MOST[host]} == {}


@pytest.mark.parametrize("core", ["2.21", "2.22"])
def test_a_newer_controller_finds_nothing_to_change(fleet, core):
    """Another ansible-core on Python 3.13, over SSH as any controller."""
    inventories = [f"--inventory={path}" for path in (*fleet.inventories, fleet.directory / "hosts.yml")]
    result = subprocess.run(
        [CHECKOUT / "tests/fleet/controller", core, "ansible-playbook", *inventories, SITE], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert changes(result.stdout) == dict.fromkeys(fleet.hosts, 0), result.stdout + result.stderr


def test_a_limited_run_knows_the_other_side(fleet):
    for limit in ("wcs1", "lb1"):
        result = fleet.play(SITE, "--limit", limit)
        assert changes(result.stdout) == {limit: 0}, result.stdout


def test_verify_finds_nothing_wrong(fleet):
    result = fleet.play("webcallserver.balancer.verify")
    assert result.returncode == 0, result.stdout
    assert "All 11 checks passed." in result.stdout


@pytest.fixture
def stopped_agent(fleet):
    fleet.run("wcs2", "systemctl stop wcs-agent")
    yield
    fleet.run("wcs2", "systemctl start wcs-agent")


def test_verify_says_what_is_wrong(fleet, stopped_agent):
    result = fleet.play("webcallserver.balancer.verify")
    assert result.returncode != 0
    assert "FAIL  lb1 -> wcs2" in result.stdout


BROKEN = {
    "no key file": (["-e", "haproxy_lb_private_key=/nowhere/leaf.key"], "haproxy_lb_private_key"),
    "a key of something else": (["-e", "haproxy_lb_private_key={root_key}"], "private key"),
    "no such algorithm": (["-e", "haproxy_lb_balance=round-robin"], "haproxy_lb_balance"),
    "no nodes": (["-e", "haproxy_lb_nodes_group=nobody"], "haproxy_lb_nodes_group"),
    "no WCS": (["-e", '{{"wcs_node_home": "/opt/nothing"}}'], "wcs_node_home"),
    "no domain": (["-e", "haproxy_lb_domain="], "haproxy_lb_domain"),
    "another domain": (["-e", "haproxy_lb_domain=elsewhere.example.com"], "elsewhere.example.com"),
    "a WebSDK that is not there": (["-e", "websdk_nginx_bundle=/nowhere.tgz"], "websdk_nginx_bundle"),
    "a checksum of something else": (["-e", "websdk_nginx_bundle_sha256=12"], "websdk_nginx_bundle_sha256"),
    "ports of another WCS": (["-e", "wcs_node_ws_port=8090"], "wcs_node_ws_port"),
}


@pytest.mark.parametrize(("arguments", "names"), BROKEN.values(), ids=BROKEN)
def test_a_mistake_is_named_and_nothing_is_changed(fleet, snapshot, arguments, names):
    before = snapshot()
    result = fleet.play(SITE, *(argument.format(root_key=fleet.directory / "certificate" / "root.key") for argument in arguments))
    assert result.returncode != 0
    failures = result.stdout.split("fatal: [")[1:]
    assert failures and all(names in failure for failure in failures), result.stdout
    assert snapshot() == before


def test_an_empty_group_of_nodes_is_named(fleet, snapshot, tmp_path):
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"wcs_nodes": {"hosts": {}}, "wcs_balancers": {"hosts": {"lb1": None}}}))
    before = snapshot()
    result = fleet.play(SITE, inventories=[inventory, fleet.inventories[1]])
    assert result.returncode != 0
    assert "haproxy_lb_nodes_group" in result.stdout
    assert snapshot() == before
