# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs decides, whatever a run before this one did or did not come to; and nothing of somebody else's is lost."""

from __future__ import annotations

import json

import pytest
from raw_http import UPGRADE, request, status

CONFIG = "/etc/haproxy/haproxy.cfg"
RECORD = "/run/haproxy-lb/in-force"
BUNDLE = "/etc/haproxy/certs/balancer.example.com.pem"
KEYS = "/etc/haproxy/ticket-keys"
SOCKET = "/run/haproxy/admin.sock"

BALANCERS = ("lb11", "lb12", "lb13", "lb14")
every = pytest.mark.parametrize("balancer", BALANCERS)
# The oldest and the newest, where a run of the role is what takes the time
ends = pytest.mark.parametrize("balancer", ["lb11", "lb14"])
one = pytest.mark.parametrize("balancer", ["lb12"])


def apply(fleet, balancer, *arguments, **variables):
    return fleet.play("molecule/haproxy_lb/converge.yml", "--limit", balancer, "-e", json.dumps(variables), *arguments)


def changes(result):
    """Return the names of the tasks that changed something by host."""
    assert result.returncode == 0, result.stdout
    task, found = "", {}
    for line in result.stdout.splitlines():
        if line.startswith(("TASK [", "RUNNING HANDLER [")):
            task = line.partition(" : ")[2].partition("]")[0]
        elif line.startswith("changed: ["):
            found.setdefault(line.partition("[")[2].partition("]")[0], []).append(task)
    return found


def changed(result):
    """Return the names of the tasks that changed something on the one host there was."""
    return sum(changes(result).values(), [])


TAKEN_UP = ["service | Let haproxy run on what is there"]
MENDED = ["install | Mend the keys of the session tickets"]
TIMED = ["service | Change the keys of the session tickets from now on"]


def in_force(fleet, balancer):
    return fleet.run(balancer, f"sha256sum --check --quiet {RECORD} && cmp {CONFIG} {CONFIG}.last-good && systemctl is-active haproxy") == "active"


def tell(fleet, balancer, command):
    """Tell haproxy something, as an operator would."""
    program = f"import socket as s; c = s.socket(s.AF_UNIX); c.connect('{SOCKET}'); c.sendall({command!r}.encode() + b'\\n');"
    return fleet.python(balancer, program + " print(b''.join(iter(lambda: c.recv(65536), b'')).decode())")


OTHER = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=other -keyout /root/k -out /root/c 2>/dev/null"
# What somebody, or a run that ended early, has left behind: a command, and what the next run changes
LEFT = {
    "no word of what it was loaded from": (f"rm {RECORD}", TAKEN_UP),
    "word of an older start": (f"sed -i '1s/.*/# 0000/' {RECORD}", TAKEN_UP),
    "another configuration in the process": (f"sed -i 's/^[0-9a-f]*  .etc.haproxy.haproxy.cfg/{'0' * 64}  \\/etc\\/haproxy\\/haproxy.cfg/' {RECORD}", TAKEN_UP),
    "another certificate in the process": (f"{OTHER}; cat /root/c /root/k | (echo 'set ssl cert {BUNDLE} <<'; cat; echo) > /root/set", TAKEN_UP),
    "a stopped service": ("systemctl stop haproxy", TAKEN_UP),
    "a disabled service": ("systemctl disable haproxy 2>/dev/null", TAKEN_UP),
    "a masked service": ("systemctl mask haproxy 2>/dev/null; systemctl stop haproxy", TAKEN_UP),
    "a unit that systemd has not read": ("sleep 1; touch /etc/systemd/system/haproxy.service.d/balancer.conf", TAKEN_UP),
    "a timer that does not run": ("systemctl disable --now haproxy-tickets.timer 2>/dev/null", TIMED),
    "broken keys": (f"echo > {KEYS}", MENDED),
    "keys open to others": (f"chmod 644 {KEYS}", MENDED),
    "nothing": ("true", []),
}


# One of them on each release at a time, so that a run takes up several: every run takes seconds, whatever it finds
ROUNDS = [dict(zip(BALANCERS, cases)) for cases in zip(*[iter(LEFT)] * len(BALANCERS), strict=True)]


@pytest.mark.parametrize("left", ROUNDS, ids=map(", ".join, map(dict.values, ROUNDS)))
def test_what_was_left_is_taken_up_by_the_next_run(fleet, left):
    hosts = ",".join(left)
    expected = {balancer: LEFT[case][1] for balancer, case in left.items() if LEFT[case][1]}
    for balancer, case in left.items():
        command = LEFT[case][0]
        fleet.run(balancer, command)
        if "/root/set" in command:
            tell(fleet, balancer, fleet.run(balancer, "cat /root/set") + "\n")
            assert "Success" in tell(fleet, balancer, f"commit ssl cert {BUNDLE}")
    # Checking does not call the program that looks at the keys
    assert changes(apply(fleet, hosts, "--check")) == {balancer: tasks for balancer, tasks in expected.items() if tasks != MENDED}
    assert changes(apply(fleet, hosts)) == expected
    assert {balancer: in_force(fleet, balancer) for balancer in left} == dict.fromkeys(left, True)
    assert {status(fleet, balancer, request(UPGRADE)) for balancer in left} == {101}


# Each round's check has seen that the one before left nothing to change
def test_after_that_nothing_is_left_to_change(fleet):
    assert changes(apply(fleet, ",".join(BALANCERS))) == {}


@every
def test_it_is_started_again_however_often_it_is_killed(fleet, balancer):
    for _turn in range(7):
        fleet.run(balancer, "systemctl kill --signal KILL haproxy; sleep 0.8")
    fleet.eventually(lambda: fleet.run(balancer, "systemctl is-active haproxy || :") == "active", 30)
    fleet.eventually(lambda: status(fleet, balancer, request(UPGRADE)) == 101, 15)
    assert in_force(fleet, balancer)
    assert "Unknown" not in fleet.run(balancer, "journalctl --boot --no-pager --unit init.scope --grep balancer.conf || :")


@every
@pytest.mark.parametrize(
    "broken", [f"rm {KEYS}", f": > {KEYS}", f"head -c 40 {KEYS} > /root/x; cat /root/x > {KEYS}", f"rm {KEYS}; ln -s /etc/hostname {KEYS}"]
)
def test_a_restart_mends_keys_that_haproxy_cannot_start_with(fleet, balancer, broken):
    fleet.run(balancer, f"{broken}; systemctl restart haproxy")
    assert fleet.run(balancer, f"stat --format '%F %a %U' {KEYS}; wc -l <{KEYS}") == "regular file 600 root\n3"
    assert in_force(fleet, balancer)


@ends
def test_a_reload_that_cannot_save_the_state_is_refused_and_says_so(fleet, balancer):
    pid = fleet.run(balancer, "pgrep --newest haproxy")
    fleet.run(
        balancer, f"mkdir /root/kept; cp -p {RECORD} /root/kept; mount -t tmpfs -o size=4k none /run/haproxy-lb; cp -p /root/kept/in-force /run/haproxy-lb"
    )
    try:
        fleet.run(balancer, "head -c 4096 /dev/zero > /run/haproxy-lb/full || :")
        result = apply(fleet, balancer, haproxy_lb_timeout_tunnel="3h")
        assert result.returncode != 0
        assert "No space left on device" in result.stdout
        assert fleet.run(balancer, "pgrep --newest haproxy") == pid
        assert "nothing is reloaded" in fleet.run(balancer, "journalctl --unit haproxy --lines 30 --no-pager")
    finally:
        fleet.run(balancer, "umount /run/haproxy-lb; rm -r /root/kept")
    assert apply(fleet, balancer).returncode == 0
    assert in_force(fleet, balancer)


@one
def test_a_broken_file_is_never_what_is_put_back(fleet, balancer):
    before = fleet.run(balancer, f"cat {CONFIG}.last-good")
    fleet.run(balancer, f"echo nonsense >> {CONFIG}; systemctl reload haproxy 2>/dev/null || :")
    fleet.run(balancer, "systemd-run --unit=somebody --collect python3 -m http.server 8082")
    try:
        result = apply(fleet, balancer, haproxy_lb_redirect_port=8082)
        assert result.returncode != 0
        assert "The last good haproxy.cfg is back in place and in charge." in result.stdout
    finally:
        fleet.run(balancer, "systemctl stop somebody")
    assert fleet.run(balancer, f"cat {CONFIG}") == before
    assert in_force(fleet, balancer)
    assert len(fleet.run(balancer, f"ls {CONFIG}.*~").split()) == 1
    fleet.run(balancer, f"rm {CONFIG}.*~")


SHOP = "frontend shop\n  mode http\n  timeout client 1s\n  bind 127.0.0.1:8099\n"


@one
def test_what_somebody_wrote_is_refused_or_kept(fleet, balancer):
    before = fleet.run(balancer, f"cat {CONFIG}")
    fleet.run(balancer, f"printf '{SHOP}' >> {CONFIG}")
    for arguments in ([], ["--check"]):
        result = apply(fleet, balancer, *arguments)
        assert result.returncode != 0
        assert "frontend shop" in result.stdout
    assert changed(apply(fleet, balancer, haproxy_lb_take_over=True))[0] == "configure | Write haproxy.cfg"
    assert fleet.run(balancer, f"cat {CONFIG}") == before
    kept = fleet.run(balancer, f"ls {CONFIG}.*~").split()
    assert [SHOP.split("\n", maxsplit=1)[0] in fleet.run(balancer, f"cat {path}") for path in kept] == [True]
    # What the role wrote is written again without a copy
    apply(fleet, balancer, haproxy_lb_timeout_tunnel="3h")
    apply(fleet, balancer)
    assert fleet.run(balancer, f"ls {CONFIG}.*~").split() == kept
    fleet.run(balancer, f"rm {CONFIG}.*~")


@one
def test_keys_that_nothing_uses_go_and_those_of_others_stay(fleet, balancer):
    more = [{"name": "old", **{key: f"{{{{ haproxy_lb_{key} }}}}" for key in ("certificate", "chain", "private_key")}}]
    result = apply(fleet, balancer, haproxy_lb_extra_certificates=more)
    assert result.returncode == 0, result.stdout
    fleet.run(balancer, "cd /etc/haproxy/certs && echo theirs > theirs.pem && echo ours > .ansible_tmpX && touch -d yesterday .ansible_tmpX")
    assert fleet.run(balancer, "ls /etc/haproxy/certs").split() == ["balancer.example.com.pem", "old.pem", "theirs.pem"]
    result = apply(fleet, balancer)
    assert result.returncode == 0, result.stdout
    assert fleet.run(balancer, "ls -A /etc/haproxy/certs").split() == [".bundles", "balancer.example.com.pem", "theirs.pem"]
    fleet.run(balancer, "rm /etc/haproxy/certs/theirs.pem")


def make_bare(fleet, balancer):
    """Take away all that the role has brought."""
    fleet.run(balancer, "apt-get purge -q -y haproxy python3-cryptography >/dev/null 2>&1")
    fleet.run(balancer, "rm -rf /etc/haproxy /etc/systemd/system/haproxy* /run/haproxy* /usr/local/sbin/haproxy-*")
    fleet.run(balancer, "systemctl daemon-reload; systemctl reset-failed")


@one
def test_files_of_a_bare_host_are_verified_once_its_library_is_there(fleet, balancer):
    material = fleet.directory / "certificate"
    for name, sources in {"full.pem": ("leaf.pem", "intermediate.pem"), "key.pem": ("leaf.key",)}.items():
        fleet.run(balancer, f"cat >/root/{name} <<'END'\n{''.join((material / source).read_text() for source in sources)}END")
    fleet.run(balancer, f"{OTHER}; chmod 600 /root/*.pem")
    files = {"haproxy_lb_certificate_remote": True, "haproxy_lb_certificate": "/root/full.pem", "haproxy_lb_chain": ""}
    make_bare(fleet, balancer)
    lacking = apply(fleet, balancer, "--check", **files, haproxy_lb_private_key="/root/no-key")
    assert "private_key (/root/no-key) does not exist on this host" in lacking.stdout
    right, wrong = ({**files, "haproxy_lb_private_key": key} for key in ("/root/key.pem", "/root/k"))
    assert apply(fleet, balancer, "--check", **wrong).returncode == 0
    refused = apply(fleet, balancer, **wrong)
    assert refused.returncode != 0
    assert "does not match the certificate" in refused.stdout
    assert fleet.run(balancer, f"ls /etc/haproxy/certs; grep wcs-balancer {CONFIG} || :") == ""
    result = apply(fleet, balancer, **right)
    assert result.returncode == 0, result.stdout
    assert in_force(fleet, balancer)
    assert changed(apply(fleet, balancer, "--check", **right)) == []
    assert status(fleet, balancer, request(UPGRADE)) == 101
    refused = apply(fleet, balancer, "--check", **wrong)
    assert refused.returncode != 0


@one
def test_checking_works_on_every_stage_of_a_host(fleet, balancer):
    make_bare(fleet, balancer)
    stages = {
        "nothing": "true",
        "the package alone": "apt-get install -q -y --no-install-recommends haproxy >/dev/null 2>&1",
        "its service stopped": "systemctl disable --now haproxy 2>/dev/null",
        "no configuration": f"rm {CONFIG}",
    }
    for name, command in stages.items():
        fleet.run(balancer, command)
        assert changed(apply(fleet, balancer, "--check")), name
    result = apply(fleet, balancer)
    assert result.returncode == 0, result.stdout
    assert in_force(fleet, balancer)
    assert changed(apply(fleet, balancer, "--check")) == []
