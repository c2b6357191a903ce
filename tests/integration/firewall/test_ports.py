# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of several releases under every firewall, scanned by a balancer, another node, an admin and a stranger.

The hosts are a fleet that molecule/shared/create.yml has made of an inventory, with FLEET_NAME and PORTS_INVENTORY in the environment;
make ports, make ports-all and make ports-ubuntu do that. In each round every node has another firewall, put in force on what the round before has left.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

HERE = Path(__file__).parent
ANSIBLE = [sys.executable, "-m", "ansible", "playbook"]
PODMAN = CHECKOUT / "tests" / "fleet" / "podman"
FLEET = CHECKOUT / ".cache" / "fleet" / os.environ["FLEET_NAME"] / "hosts.yml"
HOSTS = yaml.safe_load(FLEET.read_text())["all"]["hosts"]
INVENTORY = HERE / os.environ["PORTS_INVENTORY"]
# Which firewall each host has in which round
ROUNDS = yaml.safe_load(INVENTORY.read_text())["all"]["vars"]["rounds"]
SCANNED_HOSTS = sorted(ROUNDS["round1"])
NODES = [name for name in SCANNED_HOSTS if name.startswith("wcs-")]
VIEWERS = {"balancer": "lb1", "peer": "", "admin": "admin1", "stranger": "stranger1"}
FAMILIES = {"IPv4": "ansible_host", "IPv6": "fleet_ipv6"}

# What the role promises, said a second time and in another way than in its table
MEDIA = set(range(31001, 32001))
EVERYONE = MEDIA
MAY = {
    "balancer": EVERYONE | {8080, 8081, 8443, 9707},
    "peer": EVERYONE | {8084},
    "admin": EVERYONE | {8081, 8444, 8888, 9091},
    "stranger": EVERYONE,
}
CLIENTS = {80, 443}
# The second port is one that the table would close; on one node systemd listens in place of the server
SSH = dict.fromkeys(SCANNED_HOSTS, {22, 2002}) | dict.fromkeys(("wcs-bookworm", "wcs-noble"), {22, 2001})
TABLE = EVERYONE | set().union(*MAY.values()) | {554, 1935, 2001, 2002, 7777, 8082, 8445, 50999}
# In no row: what the host itself says counts
OTHERS = CLIENTS | {8083, 8180, 9999, 31000, 32001}
OTHERS_UDP = {9999, 31000, 32001}
SCANNED = f"tcp/{','.join(map(str, sorted(TABLE | OTHERS | {22})))}"
SCANNED_UDP = "udp/9999,31000-32001"


def podman(*words, **options):
    return subprocess.run([PODMAN, *words], check=True, text=True, capture_output=True, **options).stdout


def inside(host, *words):
    return podman("exec", HOSTS[host]["fleet_container"], *words)


def playbook(name, *arguments, **variables):
    """Run a playbook, and return what each task did on each host."""
    done = subprocess.run(
        [*ANSIBLE, "--inventory", INVENTORY, "--inventory", FLEET, HERE / name, *arguments, "--extra-vars", json.dumps(variables)],
        cwd=CHECKOUT,
        env=os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_PIPELINING": "true", "ANSIBLE_FORKS": "10"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert "{" in done.stdout, done.stdout + done.stderr
    report = json.loads(done.stdout[done.stdout.index("{") :])
    tasks = [task for play in report["plays"] for task in play["tasks"]]
    assert done.returncode == 0, [
        (host, task["task"]["name"], said.get("msg")) for task in tasks for host, said in task["hosts"].items() if said.get("failed") or said.get("unreachable")
    ]
    return report


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
        *("python3", "/usr/local/lib/portscan.py", "listen", f"tcp/{','.join(map(str, sorted((TABLE | OTHERS) - SSH[node])))}", SCANNED_UDP),
    )


def hold(node):
    """A balancer's session with a node, which prints a line for every answer."""
    command = [PODMAN, "exec", HOSTS["lb1"]["fleet_container"], "python3", "/usr/local/lib/portscan.py", "hold", HOSTS[node]["ansible_host"], "8080"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="session")
def listeners():
    """Something answers on every port of the table and on some that are not in it."""
    playbook("firewall.yml", firewalls=dict.fromkeys(SCANNED_HOSTS, "none"))
    for host in SCANNED_HOSTS:
        listen(host)
    for host in {*VIEWERS.values()} - {""}:
        podman("cp", str(CHECKOUT / "tests" / "fleet" / "portscan.py"), f"{HOSTS[host]['fleet_container']}:/usr/local/lib/portscan.py")
    yield
    for host in SCANNED_HOSTS:
        inside(host, "systemctl", "stop", "portscan")


class Round:
    """One firewall in force on each host, and the roles converged over it."""

    def __init__(self, firewalls):
        self.firewalls = firewalls
        playbook("firewall.yml", firewalls=firewalls)
        self.converge()

    def converge(self, *arguments, **variables):
        return playbook("converge.yml", *arguments, firewalls=self.firewalls, **variables)

    def converge_on(self, nodes, **variables):
        """The same over the hosts that a case is about: in a run over all of them most of the time goes to the others."""
        if not nodes:
            pytest.skip("no host of this round has the firewall")
        return self.converge("--limit", ",".join(nodes), **variables)

    def nodes(self, *firewalls):
        return [node for node in NODES if self.firewalls[node] in firewalls]

    def expected(self, role, node):
        if self.firewalls[node] == "none":
            return TABLE | OTHERS | SSH[node], MEDIA | OTHERS_UDP
        if node not in NODES:
            return CLIENTS | SSH[node], set()
        # What is in no row is the host's: closed by firewalld and ufw, open where there is neither
        others = self.firewalls[node] == "nftables"
        return MAY[role] | SSH[node] | (OTHERS if others else set()), MEDIA | (OTHERS_UDP if others else set())

    def wrong_ports(self, roles=tuple(VIEWERS), nodes=tuple(SCANNED_HOSTS)):
        """Where what is open is not what is expected."""
        cases = [(role, node, family) for role in roles for node in nodes if VIEWERS[role] != node for family in FAMILIES]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda case: open_ports(viewer_of(case[0], case[1]), case[1], case[2]), cases))
        wrong = {}
        for (role, node, family), (tcp, udp) in zip(cases, found, strict=True):
            wanted_tcp, wanted_udp = self.expected(role, node)
            difference = {"tcp": sorted(tcp ^ wanted_tcp)[:20], "udp": sorted(udp ^ wanted_udp)[:20]}
            if any(difference.values()):
                wrong[f"{role} on {node} ({self.firewalls[node]}) over {family}"] = difference
        return wrong


@pytest.fixture(scope="module", params=ROUNDS.values(), ids=ROUNDS)
def fleet(request, listeners):
    return Round(request.param)


@pytest.fixture(scope="module")
def second_run(fleet):
    return fleet.converge()


def changed(report):
    return [host for host in SCANNED_HOSTS if report["stats"].get(host, {}).get("changed")]


def test_every_port_says_what_the_table_says(fleet):
    assert fleet.wrong_ports() == {}


def test_nothing_changes_the_second_time(second_run):
    assert changed(second_run) == []


def test_check_mode_foretells_nothing(fleet):
    assert changed(fleet.converge("--check", "--diff")) == []


def test_a_run_without_changes_has_few_tasks(second_run):
    for node in NODES:
        tasks = [name for name in executed(second_run, node) if name != "Gathering Facts"]
        assert len(tasks) <= 5, tasks


def test_only_one_firewall_holds_our_rules(fleet):
    left = {
        "firewalld": "test -e /etc/firewalld/policies/wcs-node.xml || firewall-cmd --get-policies | grep -w wcs-node",
        "ufw": "grep -qs wcs_node /etc/ufw/before.rules /etc/ufw/before6.rules || { iptables -S; ip6tables -S; } | grep wcs_node",
        "nftables": "test -e /etc/wcs-node-ports.nft || systemctl list-units --all | grep wcs-node-ports || nft list table inet wcs_node",
    }
    for node in NODES:
        holding = [name for name, look in left.items() if inside(node, "sh", "-c", f"if {{ {look}; }} >/dev/null 2>&1; then echo yes; fi")]
        assert holding == [name for name in left if name == fleet.firewalls[node]]


def test_a_host_that_left_the_balancers_is_shut_out_and_its_sessions_live(fleet):
    held = {node: hold(node) for node in NODES}
    try:
        assert [session.stdout.readline() for session in held.values()] == ["1\n"] * len(NODES)
        assert changed(fleet.converge(balancers=[])) == fleet.nodes("firewalld", "ufw", "nftables")
        for node in NODES:
            tcp, _udp = open_ports("lb1", node, "IPv6")
            assert tcp == fleet.expected("stranger", node)[0]
        for session in held.values():
            for _answer in range(10):
                assert session.stdout.readline()
            assert session.poll() is None
    finally:
        for session in held.values():
            session.kill()
            session.communicate()
        fleet.converge()


RULES = {
    "none": "true",
    "nftables": "nft list table inet wcs_node",
    "ufw": "iptables -S ufw-before-input; ip6tables -S ufw6-before-input",
    "firewalld": "firewall-cmd --policy=wcs-node --list-rich-rules",
}


def test_a_row_that_left_the_table_leaves_the_host(fleet):
    def holding():
        return [node for node in NODES if "1935" in inside(node, "sh", "-c", RULES[fleet.firewalls[node]])]

    filtered = fleet.nodes("firewalld", "ufw", "nftables")
    assert holding() == filtered
    fleet.converge_on(filtered, wcs_node_ports=[{"name": "ws", "port": 8080, "protocol": "tcp", "from": ["balancers"]}])
    assert holding() == []
    fleet.converge_on(filtered)
    assert holding() == filtered


def test_the_table_follows_whatever_is_done_to_nftables(fleet):
    for node in fleet.nodes("nftables"):
        for verbs in (["restart"], ["reload"], ["stop", "start"], ["disable", "enable", "reload-or-restart"]):
            for verb in verbs:
                inside(node, "systemctl", verb, "nftables.service")
            assert "8443" in inside(node, "sh", "-c", RULES["nftables"]), (node, verbs)


ODD = [
    *("192.0.2.1", "198.51.100.0/24", "198.51.100.128/25", "224.0.0.0/4", "255.255.255.255", "0.0.0.0", "127.0.0.1"),
    *("::ffff:192.0.2.1", "::1", "::", "FE80::1", "2001:DB8::/127", "2001:0db8:0:0:0:0:0:1", "ff02::1", "64:ff9b::192.0.2.1"),
]
WORLD = ["0.0.0.0/0", "::/0"]


def test_every_firewall_takes_addresses_of_every_form(fleet):
    """Odd ones, one within another, more than fit on a line, and the whole world as a network."""
    many = [f"203.0.113.{number}" for number in range(0, 256, 2)]
    filtered = fleet.nodes("firewalld", "ufw", "nftables")
    rows = {"legacy-http": ODD, "legacy-https": WORLD, "hls": many}
    try:
        assert changed(fleet.converge_on(filtered, wcs_node_ports_from=rows)) == filtered
        assert changed(fleet.converge_on(filtered, wcs_node_ports_from=rows)) == []
        for node in filtered:
            for family in FAMILIES:
                tcp, _udp = open_ports("stranger1", node, family)
                assert tcp == fleet.expected("stranger", node)[0] | {8888}, (node, family)
    finally:
        fleet.converge_on(filtered)


HOSTILE = {
    "a newline": {"wcs_node_admin_networks": ["192.0.2.1\naccept"]},
    "a carriage return": {"wcs_node_admin_networks": ["192.0.2.1\r"]},
    "a null character": {"wcs_node_admin_networks": ["192.0.2.1\0"]},
    "a zone with more in it": {"wcs_node_admin_networks": ["::1%\n}; accept #"]},
    "a brace and a comment": {"wcs_node_ports_from": {"hls": ["192.0.2.1 } accept #"]}},
    "an element of XML": {"wcs_node_ports_from": {"hls": ['192.0.2.1"/><accept/>']}},
    "an option": {"wcs_node_ports_from": {"hls": ["-A"]}},
    "a template": {"wcs_node_ports_from": {"hls": ["{{ 1 }}"]}},
    "a command": {"wcs_node_agent_networks": ["$(touch /tmp/hostile)"]},
    "ten thousand letters": {"wcs_node_agent_networks": ["a" * 10_000]},
    "a port with a rule behind it": {"wcs_node_ws_port": "8080 } accept #"},
    "ports with a rule behind them": {"wcs_node_ports": [{"name": "ws", "port": "8080-8081\naccept", "from": ["everyone"]}]},
    "a protocol with a rule behind it": {"wcs_node_ports": [{"name": "ws", "port": 8080, "protocol": "tcp\naccept", "from": ["everyone"]}]},
    "a firewall with a command behind it": {"wcs_node_firewall": "nftables; touch /tmp/hostile"},
}
HELD = """exec 2>/dev/null
iptables -S; ip6tables -S; nft --stateless list ruleset; firewall-cmd --list-all-policies
sha256sum /etc/firewalld/policies/* /etc/ufw/*.rules /etc/*.nft; ls /tmp/hostile; true"""


def test_a_hostile_value_is_refused_by_name_and_changes_nothing(fleet):
    """Each on one node: what refuses it looks at the value, whichever firewall there is."""
    filtered = fleet.nodes("firewalld", "ufw", "nftables")
    before = {node: inside(node, "sh", "-c", HELD) for node in filtered}
    for (name, variables), node in zip(HOSTILE.items(), itertools.cycle(filtered)):
        with pytest.raises(AssertionError) as refused:
            fleet.converge_on([node], **variables)
        assert next(iter(variables)) in str(refused.value), name
        assert inside(node, "sh", "-c", HELD) == before[node], name


OWN_FILE = """flush ruleset
table inet operators {
\tchain input {
\t\ttype filter hook input priority filter; policy accept;
\t\ttcp dport 8083 counter accept comment "the operator"
\t}
}
"""


def test_the_operators_own_file_and_table_stay(fleet):
    nodes = fleet.nodes("nftables")
    for node in nodes:
        podman("exec", "--interactive", HOSTS[node]["fleet_container"], "sh", "-c", "cat >/etc/nftables.conf", input=OWN_FILE)
        inside(node, "systemctl", "enable", "nftables")
        inside(node, "systemctl", "restart", "nftables")
    fleet.converge_on(nodes, balancers=[])
    fleet.converge_on(nodes)
    for node in nodes:
        assert inside(node, "cat", "/etc/nftables.conf") == OWN_FILE
        assert "the operator" in inside(node, "nft", "list", "table", "inet", "operators")


FLUSH = {
    "all": {
        "none": "true",
        "nftables": "nft flush ruleset",
        # Not the whole chain: what lets SSH in hangs on its end
        "ufw": "iptables -S ufw-before-input | grep -e wcs_node -e dport | sed 's/^-A/iptables -D/' | sh -e",
        "firewalld": """firewall-cmd --policy=wcs-node --list-rich-rules | sed "s/.*/--remove-rich-rule='&'/" | xargs firewall-cmd --policy=wcs-node""",
    },
    "one": {
        "none": "true",
        "nftables": "nft delete rule inet wcs_node input handle $(nft -a list chain inet wcs_node input | sed -n '/8444.*drop/s/.* //p')",
        "ufw": "ip6tables -S ufw6-before-input | grep 'dport 8444 .*DROP' | sed 's/^-A/ip6tables -D/' | sh -e",
        "firewalld": "firewall-cmd --policy=wcs-node --remove-rich-rule='rule priority=-1 port port=8444 protocol=tcp drop'",
    },
}


@pytest.mark.parametrize("flush", FLUSH.values(), ids=FLUSH)
def test_rules_that_somebody_has_flushed_come_back(fleet, flush):
    for node in NODES:
        inside(node, "sh", "-c", flush[fleet.firewalls[node]])
    assert changed(fleet.converge()) == fleet.nodes("firewalld", "ufw", "nftables")
    assert fleet.wrong_ports(roles=["stranger"]) == {}


LOST = {
    "an empty file": ": >/etc/wcs-node-ports.nft",
    "a file of somebody's": "sed -i /8443/d /etc/wcs-node-ports.nft",
    "a file that is gone": "rm /etc/wcs-node-ports.nft",
    "a unit that is disabled": "systemctl disable wcs-node-ports",
    "a unit that is masked": "rm /etc/systemd/system/wcs-node-ports.service && systemctl mask wcs-node-ports",
    "a unit that is stopped": "systemctl stop wcs-node-ports",
    "a rule that lets in more": "nft insert rule inet wcs_node input tcp dport 8444 accept",
    "a rule in place of another": (
        "nft replace rule inet wcs_node input handle $(nft -a list chain inet wcs_node input | sed -n '/8444.*drop/s/.* //p') tcp dport 8444 accept"
    ),
}


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
def test_whatever_the_table_has_lost_is_seen(fleet, lose):
    nodes = fleet.nodes("nftables")
    for node in nodes:
        inside(node, "sh", "-c", lose)
    assert changed(fleet.converge_on(nodes)) == nodes
    assert changed(fleet.converge_on(nodes)) == []
    for node in nodes:
        assert inside(node, "systemctl", "is-enabled", "wcs-node-ports").strip() == "enabled"
    assert fleet.wrong_ports(roles=["stranger"], nodes=nodes) == {}


@pytest.mark.parametrize("lose", list(LOST.values())[:3], ids=list(LOST)[:3])
def test_the_unit_fails_without_its_table(fleet, lose):
    nodes = fleet.nodes("nftables")
    for node in nodes:
        inside(node, "sh", "-c", f"{lose}; systemctl stop wcs-node-ports; systemctl start wcs-node-ports || :")
        assert inside(node, "systemctl", "show", "--property=ActiveState", "--value", "wcs-node-ports").strip() == "failed"
    assert changed(fleet.converge_on(nodes)) == nodes
    for node in nodes:
        assert inside(node, "systemctl", "is-active", "wcs-node-ports").strip() == "active"


PAST = {
    "none": "true",
    "nftables": "nft add table inet wcs_node '{ flags dormant; }'",
    # What lets SSH in hangs on its end, too
    "ufw": "iptables -I INPUT -p tcp -m multiport --dports 22,2002 -j ACCEPT; iptables -D INPUT -j ufw-before-input",
    "firewalld": "firewall-cmd --policy=wcs-node --remove-ingress-zone=ANY",
}


def test_rules_that_are_led_past_are_seen(fleet):
    for node in NODES:
        inside(node, "sh", "-c", PAST[fleet.firewalls[node]])
    assert changed(fleet.converge()) == fleet.nodes("firewalld", "ufw", "nftables")
    assert fleet.wrong_ports(roles=["stranger"]) == {}


# firewalld needs no nft, only its library
EMPTY = """nft flush ruleset 2>/dev/null || python3 -c 'import nftables, sys; sys.exit(nftables.Nftables().cmd("flush ruleset")[0])'"""


def test_firewalld_whose_kernel_was_emptied_comes_back(fleet):
    nodes = fleet.nodes("firewalld")
    for node in nodes:
        inside(node, "sh", "-c", EMPTY)
    assert changed(fleet.converge_on(nodes)) == nodes
    assert fleet.wrong_ports(roles=["stranger"], nodes=nodes) == {}


ANNOUNCE = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', (sys.argv[1], 9))"


def test_rules_survive_a_reboot(fleet):
    for node in NODES:
        podman("restart", HOSTS[node]["fleet_container"])
    containers = [HOSTS[node]["fleet_container"] for node in NODES]
    subprocess.run([sys.executable, CHECKOUT / "tests" / "fleet" / "boot.py", "--degraded", *containers], stdin=subprocess.DEVNULL, check=True)
    for node in NODES:
        listen(node)
    # A container comes back with another MAC address, which the viewers and this machine have to learn
    for viewer in HOSTS:
        inside(viewer, "ip", "neigh", "flush", "dev", "eth0")
    for node in NODES:
        inside(node, "sh", "-c", f'python3 -c "{ANNOUNCE}" $(ip route show default | cut -d" " -f3)')
    assert fleet.wrong_ports(roles=["balancer", "stranger"]) == {}
