# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of several releases under every firewall, scanned by a balancer, another node, an admin and a stranger.

The hosts are a fleet that molecule/shared/create.yml has made of inventory.yml, with FLEET_NAME in the environment:

    export FLEET_NAME=ports ANSIBLE_COLLECTIONS_PATH=.cache/collections
    ansible-playbook -i tests/ports/inventory.yml molecule/shared/create.yml
    pytest tests/ports
    ansible-playbook -i tests/ports/inventory.yml molecule/shared/destroy.yml

The tests are ordered: every firewall is put in force on the hosts that the one before has left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
ANSIBLE = [sys.executable, "-m", "ansible", "playbook"]
PODMAN = CHECKOUT / "tests" / "fleet" / "podman"
FLEET = CHECKOUT / ".cache" / "fleet" / os.environ["FLEET_NAME"] / "hosts.yml"
HOSTS = yaml.safe_load(FLEET.read_text())["all"]["hosts"]
NODES = sorted(name for name in HOSTS if name.startswith("wcs-"))
VIEWERS = {"balancer": "lb1", "peer": "", "admin": "admin1", "stranger": "stranger1"}
FAMILIES = {"IPv4": "ansible_host", "IPv6": "fleet_ipv6"}
FIREWALLS = ["none", "nftables", "ufw", "firewalld"]

# What the role promises, said a second time and in another way than in its table
MEDIA = set(range(31001, 32001))
EVERYONE = MEDIA
MAY = {
    "balancer": EVERYONE | {8080, 8081, 8443, 9707},
    "peer": EVERYONE | {8084},
    "admin": EVERYONE | {8081, 8444, 8888, 9091},
    "stranger": EVERYONE,
}
SSH = {22, 2002}
LISTENING = EVERYONE | set().union(*MAY.values()) | {554, 1935, 2001, 7777, 8082, 8445, 50999}
# In no row: what the host itself says counts
OTHERS = {8083, 9999, 31000, 32001}
SCANNED = f"tcp/{','.join(map(str, sorted(LISTENING | OTHERS | SSH)))}"
SCANNED_UDP = "udp/9999,31000-32001"


def podman(*words, **options):
    return subprocess.run([PODMAN, *words], check=True, text=True, capture_output=True, **options).stdout


def inside(host, *words):
    return podman("exec", HOSTS[host]["fleet_container"], *words)


def playbook(name, **variables):
    """Run a playbook, and return what each task did on each host."""
    done = subprocess.run(
        [*ANSIBLE, "--inventory", HERE / "inventory.yml", "--inventory", FLEET, HERE / name, "--extra-vars", json.dumps(variables)],
        cwd=CHECKOUT,
        env=os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_PIPELINING": "true", "ANSIBLE_FORKS": "10"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return json.loads(done.stdout[done.stdout.index("{") :])


def executed(report, host):
    return [task["task"]["name"] for play in report["plays"] for task in play["tasks"] if not task["hosts"].get(host, {"skipped": True}).get("skipped")]


def numbers(spans):
    found = set()
    for span in filter(None, spans.split(",")):
        first, _dash, last = span.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def open_ports(viewer, node, family):
    """What a viewer finds open on a node, TCP and UDP."""
    report = inside(viewer, "python3", "/usr/local/lib/portscan.py", "scan", HOSTS[node][FAMILIES[family]], SCANNED, SCANNED_UDP)
    found = json.loads(report).get("open", {})
    return numbers(found.get("tcp", "")), numbers(found.get("udp", ""))


def viewer_of(role, node):
    return VIEWERS[role] or next(name for name in NODES if name != node)


def listen(node):
    inside(
        node,
        *("systemd-run", "--quiet", "--collect", "--unit=portscan", "--property=LimitNOFILE=10000"),
        *("python3", "/usr/local/lib/portscan.py", "listen", f"tcp/{','.join(map(str, sorted(LISTENING | OTHERS)))}", SCANNED_UDP),
    )


def hold(node):
    """A balancer's session with a node, which prints a line for every answer."""
    command = [PODMAN, "exec", HOSTS["lb1"]["fleet_container"], "python3", "/usr/local/lib/portscan.py", "hold", HOSTS[node]["ansible_host"], "8080"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="session")
def listeners():
    """Something answers on every port of the table and on some that are not in it."""
    playbook("firewall.yml", firewall="none")
    for node in NODES:
        listen(node)
    for host in {*VIEWERS.values()} - {""}:
        podman("cp", str(HERE.parent / "fleet" / "portscan.py"), f"{HOSTS[host]['fleet_container']}:/usr/local/lib/portscan.py")
    yield
    for node in NODES:
        inside(node, "systemctl", "stop", "portscan")


@pytest.fixture(scope="module", params=FIREWALLS)
def firewall(request, listeners):
    """One firewall in force and converged; its name, what the role was told, and Ansible's report of a second run."""
    playbook("firewall.yml", firewall=request.param)
    told = "none" if request.param == "none" else "auto"
    playbook("converge.yml", wcs_node_firewall=told)
    return request.param, told, playbook("converge.yml", wcs_node_firewall=told)


def expected(role, firewall):
    if firewall == "none":
        return LISTENING | OTHERS | SSH, MEDIA | {9999, 31000, 32001}
    # What is in no row is the host's: closed by firewalld and ufw, open where there is neither
    others = OTHERS if firewall == "nftables" else set()
    return MAY[role] | SSH | others, MEDIA | (others & {9999, 31000, 32001})


def wrong_ports(firewall, roles=tuple(VIEWERS), nodes=tuple(NODES)):
    """Where what is open is not what is expected."""
    cases = [(role, node, family) for role in roles for node in nodes for family in FAMILIES]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda case: open_ports(viewer_of(case[0], case[1]), case[1], case[2]), cases))
    wrong = {}
    for (role, node, family), (tcp, udp) in zip(cases, found, strict=True):
        wanted_tcp, wanted_udp = expected(role, firewall)
        difference = {"tcp": sorted(tcp ^ wanted_tcp)[:20], "udp": sorted(udp ^ wanted_udp)[:20]}
        if any(difference.values()):
            wrong[f"{role} on {node} over {family}"] = difference
    return wrong


def test_every_port_says_what_the_table_says(firewall):
    assert wrong_ports(firewall[0]) == {}


def test_nothing_changes_the_second_time(firewall):
    report = firewall[2]
    assert {host: totals["changed"] for host, totals in report["stats"].items()} == dict.fromkeys(NODES, 0)


def test_a_run_without_changes_has_few_tasks(firewall):
    for node in NODES:
        tasks = [name for name in executed(firewall[2], node) if name != "Gathering Facts"]
        assert len(tasks) <= 4, tasks


def test_only_one_firewall_holds_our_rules(firewall):
    left = {
        "firewalld": "test -e /etc/firewalld/policies/wcs-node.xml || firewall-cmd --get-policies | grep -w wcs-node",
        "ufw": "grep -qs wcs_node /etc/ufw/before.rules /etc/ufw/before6.rules || { iptables -S; ip6tables -S; } | grep wcs_node",
        "nftables": "test -e /etc/wcs-node-ports.nft || systemctl list-units --all | grep wcs-node-ports || nft list table inet wcs_node",
    }
    for node in NODES:
        holding = [name for name, look in left.items() if inside(node, "sh", "-c", f"if {{ {look}; }} >/dev/null 2>&1; then echo yes; fi")]
        assert holding == [name for name in left if name == firewall[0]]


def test_a_host_that_left_the_balancers_is_shut_out_and_its_sessions_live(firewall):
    held = [hold(node) for node in NODES]
    try:
        assert [session.stdout.readline() for session in held] == ["1\n"] * len(NODES)
        report = playbook("converge.yml", wcs_node_firewall=firewall[1], balancers=[])
        assert {totals["changed"] > 0 for totals in report["stats"].values()} == {firewall[0] != "none"}
        time.sleep(2)
        for node in NODES:
            tcp, _udp = open_ports("lb1", node, "IPv6")
            assert tcp == expected("stranger", firewall[0])[0]
        assert [session.poll() for session in held] == [None] * len(NODES)
    finally:
        for session in held:
            session.kill()
        answers = [len(session.communicate()[0].split()) for session in held]
        playbook("converge.yml", wcs_node_firewall=firewall[1])
    assert min(answers) > 10


def test_the_table_follows_whatever_is_done_to_nftables(firewall):
    if firewall[0] == "nftables":
        for verbs in (["restart"], ["reload"], ["stop", "start"], ["disable", "enable", "reload-or-restart"]):
            for node in NODES:
                for verb in verbs:
                    inside(node, "systemctl", verb, "nftables.service")
                assert "8443" in inside(node, "nft", "list", "table", "inet", "wcs_node"), (node, verbs)


def test_rules_that_somebody_has_flushed_come_back(firewall):
    flush = {
        "none": ["true"],
        "nftables": ["nft", "flush", "ruleset"],
        "ufw": ["iptables", "--flush", "ufw-before-input"],
        "firewalld": ["firewall-cmd", "--policy=wcs-node", "--remove-rich-rule=rule priority=-1 port port=8444 protocol=tcp drop"],
    }
    inside(NODES[0], *flush[firewall[0]])
    report = playbook("converge.yml", wcs_node_firewall=firewall[1])
    assert [host for host in NODES if report["stats"][host]["changed"]] == ([] if firewall[0] == "none" else [NODES[0]])
    assert wrong_ports(firewall[0], nodes=[NODES[0]], roles=["stranger"]) == {}


def test_rules_survive_a_reboot(firewall):
    for node in NODES:
        podman("restart", HOSTS[node]["fleet_container"])
    for node in NODES:
        inside(node, "sh", "-c", "until [ -S /run/systemd/private ]; do sleep 0.2; done; systemctl is-system-running --wait || systemctl --failed")
        listen(node)
    # A container comes back with another MAC address
    for viewer in ("lb1", "stranger1"):
        inside(viewer, "ip", "neigh", "flush", "dev", "eth0")
    time.sleep(1)
    assert wrong_ports(firewall[0], roles=["balancer", "stranger"]) == {}
