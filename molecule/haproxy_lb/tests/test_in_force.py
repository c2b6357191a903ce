# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs decides, whatever a run before this one did or did not come to; and nothing of somebody else's is lost."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.tests.support import wcs_client
from ansible_collections.webcallserver.balancer.tests.support.fleet import Outcome
from ansible_collections.webcallserver.balancer.tests.support.raw_http import UPGRADE, request, status
from ansible_collections.webcallserver.balancer.tests.support.stories import Run, tell

CONFIG = "/etc/haproxy/haproxy.cfg"
RECORD = "/run/haproxy-lb/in-force"
BUNDLE = "/etc/haproxy/certs/balancer.example.com.pem"
KEYS = "/etc/haproxy/ticket-keys"
SOCKET = "/run/haproxy/admin.sock"

TAKEN_UP = ["service | Let haproxy run on what is there"]
WRITTEN = ["configure | Write haproxy.cfg", *TAKEN_UP]
MENDED = ["install | Mend the keys of the session tickets"]
TIMED = ["service | Change the keys of the session tickets from now on"]


def in_force(fleet, balancer):
    look = f"sha256sum --check --quiet {RECORD} && cmp {CONFIG} {CONFIG}.last-good && systemctl is-active haproxy"
    return fleet.run(balancer, look) == "active" and status(fleet, balancer, request(UPGRADE)) == 101


def files(fleet, balancer):
    """The configuration and what lies beside it."""
    return {name: fleet.run(balancer, f"cat {name}") for name in fleet.run(balancer, f"ls {CONFIG}*").split()}


def of(config):
    """The configuration and its copy alone."""
    return {CONFIG: config, f"{CONFIG}.last-good": config}


def operator(fleet, balancer, command):
    """Tell haproxy something, as an operator would."""
    program = f"import socket as s; c = s.socket(s.AF_UNIX); c.connect('{SOCKET}'); c.sendall({command!r}.encode() + b'\\n');"
    return fleet.python(balancer, program + " print(b''.join(iter(lambda: c.recv(65536), b'')).decode())")


# ---- stories, each on one balancer, which share the runs of the role: every run takes seconds, whatever it finds ----

OTHER = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=other -keyout /root/k -out /root/c 2>/dev/null"
# What somebody, or a run that ended early, has left behind: a command, and what the next run changes
LEFT = {
    "no word of what it was loaded from": (f"rm {RECORD}", TAKEN_UP),
    "word of an older start": (f"sed -i '1s/.*/# 0000/' {RECORD}", TAKEN_UP),
    "another configuration in the process": (f"sed -i 's/^[0-9a-f]*  .etc.haproxy.haproxy.cfg/{'0' * 64}  \\/etc\\/haproxy\\/haproxy.cfg/' {RECORD}", TAKEN_UP),
    "another certificate in the process": (f"{OTHER}; cat /root/c /root/k | (echo 'set ssl cert {BUNDLE} <<'; cat; echo) > /root/set", TAKEN_UP),
    "a stopped service": ("systemctl stop haproxy", TAKEN_UP),
    "a disabled service, and a timer that does not run": ("systemctl disable haproxy; systemctl disable --now haproxy-tickets.timer", TAKEN_UP + TIMED),
    "a masked service, and broken keys": (f"systemctl mask haproxy; systemctl stop haproxy; echo > {KEYS}", MENDED + TAKEN_UP),
    "a unit that systemd has not read, and keys open to others": (
        f"sleep 1; touch /etc/systemd/system/haproxy.service.d/balancer.conf; chmod 644 {KEYS}",
        MENDED + TAKEN_UP,
    ),
    "nothing": ("true", []),
}


def left(case):
    """Something is left behind, and the next run takes it up."""

    async def story(fleet, balancer):
        command, expected = LEFT[case]
        fleet.run(balancer, f"({command}) 2>/dev/null")
        if "/root/set" in command:
            operator(fleet, balancer, fleet.run(balancer, "cat /root/set") + "\n")
            assert "Success" in operator(fleet, balancer, f"commit ssl cert {BUNDLE}")
        found = yield Run(check=True)
        # Checking does not call the program that looks at the keys
        assert found == Outcome([task for task in expected if task not in MENDED], "")
        found = yield Run()
        assert found == Outcome(expected, "")
        assert in_force(fleet, balancer)

    return {case: story}


async def leaves(fleet, balancer):
    before = files(fleet, balancer)[CONFIG]
    second = {"name": "second", "address": fleet.address("node2"), "agent_port": 0}
    cookies = {"SERVERID": fleet.servers(balancer)["first"]["cookie"]}
    where = {"ssl": fleet.context(), "address": fleet.address(balancer)}
    async with wcs_client.connect(f"wss://{fleet.domain}:443", cookies=cookies, **where) as session:
        found = yield Run({"haproxy_lb_servers": [second]})
        # Nothing else, so that the run before has left nothing
        assert found == Outcome(WRITTEN, "")
        [name] = fleet.servers(balancer)
        assert name == "second"
        for _turn in range(4):
            async with wcs_client.connect(f"wss://{fleet.domain}:443", **where) as another:
                assert another.cookies == {"SERVERID": fleet.servers(balancer)["second"]["cookie"]}
        await session.publish(f"{balancer}-left")
        assert fleet.node_of(f"{balancer}-left") == "node1"
    # The file that is in charge beside itself, and no more
    now = files(fleet, balancer)
    assert now == of(now[CONFIG])
    found = yield Run()
    assert found == Outcome(WRITTEN, "")
    assert files(fleet, balancer) == of(before)


async def full(fleet, balancer):
    pid = fleet.run(balancer, "pgrep --newest haproxy")
    # A busy balancer has said much in the last minutes
    fleet.python(balancer, "import http.client as h; [h.HTTPConnection('127.0.0.1', 80).request('GET', '/') for _turn in range(150)]")
    small = "mkdir /root/kept; cp -p {0}/in-force /root/kept; mount -t tmpfs -o size=4k none {0}; cp -p /root/kept/in-force {0}"
    fleet.run(balancer, small.format("/run/haproxy-lb"))
    try:
        fleet.run(balancer, "head -c 4096 /dev/zero > /run/haproxy-lb/full || :")
        found = yield Run({"haproxy_lb_timeout_tunnel": "3h"})
        assert "No space left on device" in found.failed
        assert fleet.run(balancer, "pgrep --newest haproxy") == pid
        assert "nothing is reloaded" in fleet.run(balancer, "journalctl --unit haproxy --lines 30 --no-pager")
    finally:
        fleet.run(balancer, "umount /run/haproxy-lb; rm -r /root/kept")
    found = yield Run()
    assert found.failed == ""
    assert in_force(fleet, balancer)


PUT_BACK = "The last good haproxy.cfg is back in place and in charge."


async def taken_port(fleet, balancer):
    before = files(fleet, balancer)[CONFIG]
    fleet.run(balancer, "systemd-run --unit=somebody --collect python3 -m http.server 8082")
    try:
        found = yield Run({"haproxy_lb_redirect_port": 8082})
        assert PUT_BACK in found.failed
        assert "haproxy_lb_redirect_port" in found.failed
    finally:
        fleet.run(balancer, "systemctl stop somebody")
    assert files(fleet, balancer) == of(before)
    assert in_force(fleet, balancer)


async def broken_file(fleet, balancer):
    before = files(fleet, balancer)[CONFIG]
    fleet.run(balancer, f"echo nonsense >> {CONFIG}; systemctl reload haproxy 2>/dev/null || :")
    fleet.run(balancer, "systemd-run --unit=somebody --collect python3 -m http.server 8082")
    try:
        found = yield Run({"haproxy_lb_redirect_port": 8082})
        assert PUT_BACK in found.failed
    finally:
        fleet.run(balancer, "systemctl stop somebody")
    [kept] = fleet.run(balancer, f"ls {CONFIG}.*~").split()
    fleet.run(balancer, f"rm {kept}")
    assert files(fleet, balancer) == of(before)
    assert in_force(fleet, balancer)


async def nonsense(fleet, balancer):
    before = files(fleet, balancer)[CONFIG]
    found = yield Run({"haproxy_lb_timeout_tunnel": "1000d"})
    assert found.failed
    assert files(fleet, balancer) == of(before)
    assert in_force(fleet, balancer)


SHOP = "frontend shop\n  mode http\n  timeout client 1s\n  bind 127.0.0.1:8099\n"


async def somebodys(fleet, balancer):
    before = files(fleet, balancer)[CONFIG]
    fleet.run(balancer, f"printf '{SHOP}' >> {CONFIG}")
    for check in (True, False):
        found = yield Run(check=check)
        assert "frontend shop" in found.failed
    found = yield Run({"haproxy_lb_take_over": True})
    # It is what haproxy runs on
    assert found == Outcome(["configure | Write haproxy.cfg"], "")
    [kept] = fleet.run(balancer, f"ls {CONFIG}.*~").split()
    assert SHOP.split("\n", maxsplit=1)[0] in fleet.run(balancer, f"cat {kept}")
    # What the role wrote is written again without a copy, as the node that leaves sees
    fleet.run(balancer, f"rm {kept}")
    assert files(fleet, balancer) == of(before)


async def unused_keys(fleet, balancer):
    more = [{"name": "old", **{key: f"{{{{ haproxy_lb_{key} }}}}" for key in ("certificate", "chain", "private_key")}}]
    found = yield Run({"haproxy_lb_extra_certificates": more})
    assert found.failed == ""
    fleet.run(balancer, "cd /etc/haproxy/certs && echo theirs > theirs.pem && echo ours > .ansible_tmpX && touch -d yesterday .ansible_tmpX")
    assert fleet.run(balancer, "ls /etc/haproxy/certs").split() == ["balancer.example.com.pem", "old.pem", "theirs.pem"]
    found = yield Run()
    assert found.failed == ""
    assert fleet.run(balancer, "ls -A /etc/haproxy/certs").split() == [".bundles", "balancer.example.com.pem", "theirs.pem"]
    fleet.run(balancer, "rm /etc/haproxy/certs/theirs.pem")


async def bare(fleet, balancer):
    material = fleet.directory / "certificate"
    for name, sources in {"full.pem": ("leaf.pem", "intermediate.pem"), "key.pem": ("leaf.key",)}.items():
        fleet.run(balancer, f"cat >/root/{name} <<'END'\n{''.join((material / source).read_text() for source in sources)}END")
    fleet.run(balancer, f"{OTHER}; chmod 600 /root/*.pem")
    remote = {"haproxy_lb_certificate_remote": True, "haproxy_lb_certificate": "/root/full.pem", "haproxy_lb_chain": ""}
    lacking, wrong, right = ({**remote, "haproxy_lb_private_key": key} for key in ("/root/no-key", "/root/k", "/root/key.pem"))
    # All that the role has brought is gone
    fleet.run(balancer, "apt-get purge -q -y haproxy python3-cryptography >/dev/null 2>&1")
    fleet.run(balancer, "rm -rf /etc/haproxy /etc/systemd/system/haproxy* /run/haproxy* /usr/local/sbin/haproxy-*")
    fleet.run(balancer, "systemctl daemon-reload; systemctl reset-failed")
    found = yield Run(lacking, check=True)
    assert "private_key (/root/no-key) does not exist on this host" in found.failed
    stages = {
        "nothing": "true",
        "the package alone": "apt-get install -q -y --no-install-recommends haproxy >/dev/null 2>&1",
        "its service stopped": "systemctl disable --now haproxy 2>/dev/null",
        "no configuration": f"rm {CONFIG}",
    }
    for stage, command in stages.items():
        fleet.run(balancer, command)
        # The library that could tell a wrong key comes with the role
        found = yield Run(wrong, check=True)
        assert (found.failed, bool(found.changed)) == ("", True), stage
    found = yield Run(wrong)
    assert "does not match the certificate" in found.failed
    assert fleet.run(balancer, f"ls /etc/haproxy/certs; grep -s wcs-balancer {CONFIG} || :") == ""
    found = yield Run(right)
    assert found.failed == ""
    assert in_force(fleet, balancer)
    found = yield Run(right, check=True)
    assert found == Outcome([], "")
    found = yield Run(wrong, check=True)
    assert "does not match the certificate" in found.failed
    # As it was, for those that come after this
    found = yield Run()
    assert found.failed == ""


# What differs between releases is how a reload ends and what a full disk leads to: these come on the oldest and the newest. The rest
# comes once, wherever there is time, since the same program of Python or the same task of the role decides it on every release.
STORIES = {
    "lb11": {
        **left("no word of what it was loaded from"),
        **left("a stopped service"),
        "a node that leaves keeps its sessions": leaves,
        "a state that cannot be saved keeps everything": full,
    },
    "lb12": {"a bare host": bare},
    "lb13": {
        **left("a masked service, and broken keys"),
        "what haproxy would reject never reaches it": nonsense,
        "what somebody wrote is refused or kept": somebodys,
        "keys that nothing uses go, and those of others stay": unused_keys,
        "a port of somebody else is found out, and everything put back": taken_port,
    },
    "lb14": {
        **left("another certificate in the process"),
        **left("a unit that systemd has not read, and keys open to others"),
        "a node that leaves keeps its sessions": leaves,
        "a state that cannot be saved keeps everything": full,
    },
    "lb-redhat10": {
        **left("word of an older start"),
        **left("another configuration in the process"),
        "a broken file is never what is put back": broken_file,
        **left("a disabled service, and a timer that does not run"),
        **left("nothing"),
    },
}
TOLD = [(balancer, name) for balancer, named in STORIES.items() for name in named]


@pytest.fixture(scope="module")
def wrong(fleet, request):
    """What went wrong in the stories that are asked for, which are told all at once."""
    asked = [(item.callspec.params["balancer"], item.callspec.params["story"]) for item in request.session.items if item.originalname == "test_story"]
    stories = {balancer: {name: story for name, story in named.items() if (balancer, name) in asked} for balancer, named in STORIES.items()}
    return tell(fleet, "molecule/haproxy_lb/converge.yml", stories)


# The first one to be looked at waits for all
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("balancer", "story"), TOLD, ids=map(": ".join, TOLD))
def test_story(wrong, balancer, story):
    if (balancer, story) in wrong:
        raise wrong[balancer, story]


# ---- without a run of the role ----


# How often and how soon systemd starts a unit again was written anew between these two
@pytest.mark.parametrize("balancer", ["lb11", "lb14"])
def test_it_is_started_again_however_often_it_is_killed(fleet, balancer):
    for _turn in range(7):
        fleet.run(balancer, "systemctl kill --signal KILL haproxy; sleep 0.8")
    fleet.eventually(lambda: fleet.run(balancer, "systemctl is-active haproxy || :") == "active", 30)
    fleet.eventually(lambda: status(fleet, balancer, request(UPGRADE)) == 101, 15)
    assert in_force(fleet, balancer)
    assert "Unknown" not in fleet.run(balancer, "journalctl --boot --no-pager --unit init.scope --grep balancer.conf || :")


# The program that mends them knows no releases, so that each comes on another one
BROKEN = {
    "lb11": f"rm {KEYS}",
    "lb12": f": > {KEYS}",
    "lb13": f"head -c 40 {KEYS} > /root/x; cat /root/x > {KEYS}",
    "lb14": f"rm {KEYS}; ln -s /etc/hostname {KEYS}",
}


@pytest.mark.parametrize(("balancer", "broken"), BROKEN.items())
def test_a_restart_mends_keys_that_haproxy_cannot_start_with(fleet, balancer, broken):
    fleet.run(balancer, f"{broken}; systemctl restart haproxy")
    assert fleet.run(balancer, f"stat --format '%F %a %U' {KEYS}; wc -l <{KEYS}") == "regular file 600 root\n3"
    assert in_force(fleet, balancer)
