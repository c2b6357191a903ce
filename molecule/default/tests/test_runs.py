# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbooks: what they say, what they change, what they refuse."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.webcallserver.balancer.tests.support.fleet import recap
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

SITE = "webcallserver.balancer.site"
VERIFY = "webcallserver.balancer.verify"
LOCK = "/run/webcallserver.balancer.lock"
COSTS = re.compile(r"executes (\d+) tasks on a balancer and (\d+) on a node")


def changes(output):
    """Return how much went otherwise than well on each host of the fleet; the run itself is judged on localhost."""
    return {host: counts["changed"] + counts["failed"] + counts["unreachable"] for host, counts in recap(output).items() if host != "localhost"}


def claims(fleet):
    """Return the hosts that a run has claimed and not given back."""
    return {name for name in fleet.hosts if fleet.host(name).run(f"cat {LOCK}").stdout}


def said(result):
    """Return what was printed, whatever its lines were broken at."""
    return " ".join(result.stdout.replace("''", "'").split())


def test_a_run_over_a_finished_fleet_is_short_and_changes_nothing(fleet):
    result = fleet.play(SITE, "--check", "--diff")
    assert changes(result.stdout) == dict.fromkeys(fleet.hosts, 0), result.stdout
    result = fleet.play(SITE)
    assert changes(result.stdout) == dict.fromkeys(fleet.hosts, 0), result.stdout
    balancer, node = map(int, COSTS.search((CHECKOUT / "README.md").read_text(encoding="utf-8")).groups())
    assert {host: counts["ok"] for host, counts in recap(result.stdout).items()} == {"localhost": 1, "lb1": balancer, "wcs1": node, "wcs2": node}


@pytest.mark.parametrize("core", ["2.21", "2.22"])
def test_a_newer_controller_finds_nothing_to_change(fleet, core):
    """Another ansible-core on Python 3.13, over SSH as any controller."""
    inventories = [f"--inventory={path}" for path in (*fleet.inventories, fleet.directory / "hosts.yml")]
    result = subprocess.run(
        [CHECKOUT / "tests/fleet/controller", core, "ansible-playbook", *inventories, SITE],
        env=os.environ | {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert changes(result.stdout) == dict.fromkeys(fleet.hosts, 0), result.stdout + result.stderr


def test_a_limited_run_knows_the_other_side(fleet):
    for limit in ("wcs1", "lb1"):
        result = fleet.play(SITE, "--limit", limit)
        assert changes(result.stdout) == {limit: 0}, result.stdout


@pytest.fixture
def dead(tmp_path):
    """Return a function that gives the arguments with which a host cannot be reached."""

    def without(host):
        inventory = tmp_path / "dead.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {host: {"ansible_port": 1}}}}))
        return f"--inventory={inventory}"

    return without


@pytest.mark.parametrize(
    ("playbook", "host", "limits"),
    [("site", "wcs2", ()), ("site", "lb1", ()), ("nodes", "wcs1", ()), ("web", "lb1", ()), ("balancer", "lb1", ()), ("site", "wcs2", ("--limit", "wcs2,lb1"))],
)
def test_a_host_that_cannot_be_reached_stops_all(fleet, snapshot, dead, playbook, host, limits):
    before = snapshot()
    result = fleet.play(f"webcallserver.balancer.{playbook}", *limits, dead(host), "-e", '{"haproxy_lb_hsts_max_age": 7}')
    assert result.returncode != 0
    assert f"Nothing was changed on any host. {host} cannot be reached" in said(result)
    assert f"--limit '{','.join([*limits[1:], '!' + host])}'" in said(result)
    assert snapshot() == before
    assert claims(fleet) == set()


def test_a_limit_leaves_a_dead_host_out(fleet, dead):
    result = fleet.play(SITE, dead("wcs2"), "--limit", "!wcs2")
    assert changes(result.stdout) == {"wcs1": 0, "lb1": 0}, result.stdout


@pytest.fixture
def at_play(monkeypatch, fleet):
    """Return a function that arranges for the node wcs2 to be lost when a play begins."""
    container = [CHECKOUT / "tests/fleet/podman", "exec", fleet.hosts["wcs2"]["fleet_container"], "sh", "-c"]

    def arrange(play):
        monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(Path(__file__).parent / "callbacks"))
        monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "at_play")
        monkeypatch.setenv("AT_PLAY", play)
        monkeypatch.setenv("AT_PLAY_RUN", shlex.join([*map(str, container), "systemctl stop ssh.socket ssh; pkill sshd; true"]))

    yield arrange
    subprocess.run([*container, "systemctl start ssh"], check=True)


@pytest.mark.parametrize("play", ["Check all hosts", "Set up the nodes", "See that all hosts are still there"])
def test_a_node_that_is_lost_on_the_way_leaves_the_balancer_as_it_was(fleet, at_play, play):
    at_play(play)
    before = fleet.run("lb1", "sha256sum /etc/haproxy/haproxy.cfg")
    result = fleet.play(SITE, "-e", '{"haproxy_lb_hsts_max_age": 7}')
    assert result.returncode != 0
    assert changes(result.stdout)["lb1"] <= 1, result.stdout
    assert recap(result.stdout)["lb1"]["changed"] == 0
    assert fleet.run("lb1", "sha256sum /etc/haproxy/haproxy.cfg") == before
    assert fleet.run("lb1", f"cat {LOCK}") == ""


NOTHING_ASKED = {
    "a tag that nothing has": ([SITE, "--tags", "x"], "There is no tag x"),
    "a tag to skip that nothing has": ([SITE, "--skip-tags", "webs"], "did you mean web?"),
    "a group that is not there": ([SITE, "-e", "wcs_nodes_group=wcs_node"], "did you mean wcs_nodes?"),
    "a limit that leaves nobody": (["webcallserver.balancer.balancer", "--limit", "wcs1"], "leaves no host of wcs_balancers"),
    "a variable that is almost one": ([VERIFY, "-e", "wcs_verify_pag=/"], "did you mean wcs_verify_page?"),
    "authorities that are not there": ([VERIFY, "-e", "wcs_verify_ca_path=/nowhere.pem"], "wcs_verify_ca_path is /nowhere.pem"),
    "no rights": ([SITE, "-e", "ansible_become=false"], "Ansible is not root on wcs1, wcs2 and lb1"),
}


@pytest.mark.parametrize(("arguments", "sentence"), NOTHING_ASKED.values(), ids=NOTHING_ASKED)
def test_a_run_that_would_do_nothing_is_refused_at_once(fleet, arguments, sentence):
    result = fleet.play(*arguments)
    assert result.returncode != 0
    assert sentence in said(result)
    assert sum(counts["failed"] for counts in recap(result.stdout).values()) == 1
    assert len(re.findall(r"^TASK ", result.stdout, re.MULTILINE)) <= 4, result.stdout


def test_an_inventory_without_our_groups_is_refused(fleet, tmp_path):
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"nodes": {"hosts": {"wcs1": None}}}))
    result = fleet.play(SITE, inventories=[inventory, fleet.inventories[1]])
    assert result.returncode != 0
    assert "The group wcs_nodes is not in the inventory" in said(result) and "The group wcs_balancers" in said(result)


def begin(fleet):
    """Start a run and leave it to itself."""
    inventories = [f"--inventory={path}" for path in (*fleet.inventories, fleet.directory / "hosts.yml")]
    return subprocess.Popen(["ansible-playbook", *inventories, SITE], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_of_two_runs_at_once_one_is_refused_and_one_is_done(fleet):
    runs = [begin(fleet), begin(fleet)]
    outputs = [run.communicate()[0] for run in runs]
    assert sorted(run.returncode != 0 for run in runs) == [False, True], outputs
    refused = next(output for run, output in zip(runs, outputs) if run.returncode)
    assert "Nothing was changed on any host. Another run is at work on" in " ".join(refused.split())


def test_a_run_that_was_killed_is_in_nobodys_way(fleet):
    run = begin(fleet)
    fleet.eventually(lambda: fleet.host("lb1").file(LOCK).exists, 120)
    run.send_signal(signal.SIGKILL)
    run.wait()
    result = fleet.play(SITE)
    assert changes(result.stdout) == dict.fromkeys(fleet.hosts, 0), result.stdout
    assert claims(fleet) == set()


@pytest.fixture
def claimed(fleet):
    """Somebody else, on another machine, has the balancer."""
    fleet.python("lb1", f"import json,time; json.dump(dict(run='elsewhere 1 1', who='ann on desk', begun=1, heard=time.clock_gettime(7)), open('{LOCK}', 'w'))")
    yield
    fleet.run("lb1", f"rm {LOCK}")


def test_a_run_elsewhere_is_named_and_nothing_is_claimed(fleet, claimed):
    begun = time.monotonic()
    result = fleet.play(SITE)
    assert result.returncode != 0
    assert "Another run is at work on lb1: ann on desk." in said(result)
    assert fleet.run("wcs1", f"cat {LOCK}") == ""
    assert time.monotonic() - begun < 60
    assert fleet.play(SITE, "--check").returncode == 0


def test_verify_finds_nothing_wrong(fleet):
    result = fleet.play(VERIFY)
    assert result.returncode == 0, result.stdout
    assert re.search(r"All \d+ checks passed", result.stdout)
    assert not re.search("RETRYING|WARNING|ignored=[1-9]", result.stdout), result.stdout


def test_verify_of_the_balancers_judges_nodes_that_are_dead(fleet, dead):
    fleet.run("wcs2", "systemctl stop wcs-agent webcallserver")
    try:
        fleet.eventually(lambda: fleet.servers()["wcs2"]["status"] == "DOWN", 30)
        for limits in (("--limit", "lb1"), (dead("wcs2"),)):
            result = fleet.play(VERIFY, *limits)
            assert result.returncode != 0
            assert re.search("FAIL +lb1 -> wcs2", result.stdout), result.stdout
    finally:
        fleet.run("wcs2", "systemctl start webcallserver wcs-agent")
    fleet.all_empty()


def test_verify_says_who_drained_a_node_and_is_content(fleet):
    fleet.run("wcs2", "wcs-agent drain --reason kernel")
    try:
        fleet.eventually(lambda: fleet.servers()["wcs2"]["status"].startswith("DRAIN"), 30)
        result = fleet.play(VERIFY)
        assert result.returncode == 0, result.stdout
        assert "drained by its agent" in said(result)
    finally:
        fleet.run("wcs2", "wcs-agent undrain")
    fleet.all_empty()


def test_verify_sees_a_port_that_is_open_to_strangers(fleet):
    fleet.run("wcs1", "nft -a list ruleset > /root/ruleset; nft flush ruleset")
    try:
        result = fleet.play(VERIFY)
    finally:
        fleet.run("wcs1", "systemctl restart wcs-node-ports")
    assert result.returncode != 0
    assert re.search("FAIL +here -> wcs1 +ports +open to strangers: ws 8080", said(result)), result.stdout


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
    failures = said(result).split("fatal: [")[1:]
    assert failures and all(names in failure for failure in failures), result.stdout
    assert snapshot() == before


def test_an_empty_group_of_nodes_is_named(fleet, snapshot, tmp_path):
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"wcs_nodes": {"hosts": {}}, "wcs_balancers": {"hosts": {"lb1": None}}}))
    before = snapshot()
    result = fleet.play(SITE, inventories=[inventory, fleet.inventories[1]])
    assert result.returncode != 0
    assert "The group wcs_nodes has no host" in said(result)
    assert snapshot() == before
