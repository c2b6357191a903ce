# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever was changed behind our back is seen by a check and mended by one run, and nothing else is touched."""

from __future__ import annotations

import itertools
import json
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.webcallserver.balancer.tests.support.fleet import heard, outcomes

SITE = "webcallserver.balancer.site"
STATE = (Path(__file__).parent / "state.py").read_text()
TOLD = "Tell what is to be done"


class Drift(NamedTuple):
    """What somebody did, and what may be other than before once it is mended: services with other processes, and new files."""

    command: str
    restarts: tuple[str, ...] = ()
    # A main process that stays, and others below it
    reloads: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    # A file that means what it did, in other words
    written: str = ""


HAPROXY, NGINX = ("haproxy.service",), ("nginx.service",)
AGENT, WCS = ("wcs-agent.service",), ("webcallserver.service",)
UNITS = "/etc/systemd/system"

# ---- on a node ----

PROGRAM, COMMAND = "/usr/local/lib/wcs-agent/wcs_agent.py", "/usr/local/bin/wcs-agent"
SETTINGS, AGENT_UNIT = "/etc/wcs-agent/agent.json", f"{UNITS}/wcs-agent.service"
PROPERTIES = "/usr/local/FlashphonerWebCallServer/conf/flashphoner.properties"
DROP_IN, STARTED_ON = f"{UNITS}/webcallserver.service.d/wcs-node.conf", "/usr/local/lib/wcs-node-started-on"
TABLE, PORTS_UNIT, LOADED = "/etc/wcs-node-ports.nft", f"{UNITS}/wcs-node-ports.service", "/usr/local/lib/wcs-node-ports-loaded"
OTHER_HEADER = f"sed -i s/^ws.ip_forward_header=.*/ws.ip_forward_header=X-Other/ {PROPERTIES}"
COPIES = (f"{PROPERTIES}.",)
FEWER = f"sed -i 's/: 100/: 99/' {SETTINGS}"
READ = 'for turn in 1 2 3 4 5 6 7 8 9; do sleep 0.3; grep -qF "$(sha256sum ' + SETTINGS + ')" /run/wcs-agent/in-force && break; done'

NODE = {
    "the agent's program is another one": Drift(f"echo '# older' >>{PROGRAM}"),
    "the agent runs on another program": Drift(f"cp -a {PROGRAM} /root/p; echo >>{PROGRAM}; systemctl restart wcs-agent; cp -a /root/p {PROGRAM}", AGENT),
    "the agent's program is gone": Drift(f"rm {PROGRAM}"),
    "everybody may write the agent's program": Drift(f"chmod 0666 {PROGRAM}"),
    "the agent owns its program": Drift(f"chown wcs-agent {PROGRAM}"),
    "the directory of the agent's program is a user's": Drift(f"chown admin {Path(PROGRAM).parent}"),
    "everybody may write where the compiled program is": Drift(f"chmod 0777 {Path(PROGRAM).parent}/__pycache__"),
    "the agent's command is a link": Drift(f"mv {COMMAND} /root/c; ln -s /root/c {COMMAND}"),
    "the agent's command is gone": Drift(f"rm {COMMAND}"),
    "nobody may execute the agent's command": Drift(f"chmod 0644 {COMMAND}"),
    "the agent's settings are others": Drift(FEWER),
    "the agent's settings are gone": Drift(f"rm {SETTINGS}"),
    "the agent's settings are a link": Drift(f"mv {SETTINGS} /root/s; ln -s /root/s {SETTINGS}"),
    "nobody may read the agent's settings": Drift(f"chmod 0600 {SETTINGS}"),
    "the directory of the agent's settings is closed": Drift(f"chmod 0700 {Path(SETTINGS).parent}"),
    "the agent has read other settings": Drift(f"{FEWER}; systemctl reload wcs-agent; {READ}"),
    "the agent has read other settings, and the file is right again": Drift(
        f"cp -a {SETTINGS} /root/s; {FEWER}; systemctl reload wcs-agent; {READ}; cp -a /root/s {SETTINGS}"
    ),
    "the agent's unit is another one": Drift(f"sed -i s/MemoryMax=.*/MemoryMax=65M/ {AGENT_UNIT}", AGENT),
    "the agent's unit is gone": Drift(f"rm {AGENT_UNIT}", AGENT),
    "the agent is masked": Drift(f"rm {AGENT_UNIT}; systemctl mask wcs-agent", AGENT),
    "systemd has not read the agent's unit": Drift(f"sleep 1; touch {AGENT_UNIT}", AGENT),
    "the agent is stopped": Drift("systemctl stop wcs-agent", AGENT),
    "the agent does not start at boot": Drift("systemctl disable wcs-agent", AGENT),
    "the agent has left no word of what it runs on": Drift("rm /run/wcs-agent/in-force", AGENT),
    "psutil is removed": Drift("dpkg --remove python3-psutil"),
    "the agent's user is gone": Drift("userdel --force wcs-agent", AGENT),
    "the agent's user has a shell": Drift("usermod --shell /bin/bash wcs-agent"),
    "the agent's user has a home": Drift("sed -i '/^wcs-agent:/s,/nonexistent,/root,' /etc/passwd", AGENT),
    "a property is another one": Drift(OTHER_HEADER, kept=COPIES),
    "WCS runs on another property": Drift(f"{OTHER_HEADER}; systemctl restart webcallserver", WCS, kept=COPIES),
    "WCS runs on another property, and the file is right again": Drift(
        f"cp -a {PROPERTIES} /root/f; {OTHER_HEADER}; systemctl restart webcallserver; cp -a /root/f {PROPERTIES}", WCS
    ),
    "a property is there twice": Drift(f"echo ws.ip_forward_header=X-Other >>{PROPERTIES}", kept=COPIES, written=PROPERTIES),
    "nobody knows what WCS has read": Drift(f"rm /run/wcs-node/started-on.properties; sleep 1; touch {PROPERTIES}", WCS),
    "the drop-in of WCS is gone": Drift(f"rm {DROP_IN}"),
    "the drop-in of WCS is another one": Drift(f"echo '# no more' >{DROP_IN}"),
    "systemd has not read the drop-in of WCS": Drift(f"sleep 1; touch {DROP_IN}"),
    "what leaves the copy of the properties is another program": Drift(f"echo exit 0 >{STARTED_ON}"),
    "nobody may execute what leaves the copy": Drift(f"chmod 0600 {STARTED_ON}"),
    "the table of the firewall is gone": Drift("nft delete table inet wcs_node"),
    "the rules of the firewall are gone": Drift("nft flush chain inet wcs_node input"),
    "the firewall has a rule more": Drift("nft insert rule inet wcs_node input tcp dport 9091 accept"),
    "all rules of the host are gone": Drift("nft flush ruleset"),
    "the file of the rules is another one": Drift(f"echo >>{TABLE}"),
    "the file of the rules is gone": Drift(f"rm {TABLE}"),
    "everybody may write the file of the rules": Drift(f"chmod 0666 {TABLE}"),
    "the rules are not loaded at boot": Drift("systemctl disable wcs-node-ports"),
    "the unit of the rules is stopped": Drift("systemctl stop wcs-node-ports"),
    "the unit of the rules is masked": Drift(f"rm {PORTS_UNIT}; systemctl mask wcs-node-ports"),
    "the unit of the rules is another one": Drift(f"echo >>{PORTS_UNIT}"),
    "systemd has not read the unit of the rules": Drift(f"sleep 1; touch {PORTS_UNIT}"),
    "the program that looks at the rules is gone": Drift(f"rm {LOADED}"),
    "nobody has noted which rules were loaded": Drift("rm /run/wcs-node-ports"),
    "nftables is removed": Drift("dpkg --remove --force-depends nftables"),
}

# ---- on the balancer ----

CONFIG, BUNDLE, KEYS = "/etc/haproxy/haproxy.cfg", "/etc/haproxy/certs/balancer.example.com.pem", "/etc/haproxy/ticket-keys"
BALANCER_CONF, TICKETS, TIMER = f"{UNITS}/haproxy.service.d/balancer.conf", f"{UNITS}/haproxy-tickets.service", f"{UNITS}/haproxy-tickets.timer"
BY_HAND = (f"{CONFIG}.",)
MORE = f"sed -i 's/retries 3/retries 4/' {CONFIG}"
CERTIFY = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=other -keyout /root/k -out /root/c 2>/dev/null"
TELL = "import socket, sys; c = socket.socket(socket.AF_UNIX); c.connect('/run/haproxy/admin.sock'); c.sendall(sys.stdin.buffer.read()); c.recv(9)"
ANOTHER = f"(echo 'set ssl cert {BUNDLE} <<'; cat /root/c /root/k; echo)"
NEW_KEY = "head -c 80 /dev/urandom | base64 -w 0"
SITE_FILE, MASKED, WEB_CONF = "/etc/nginx/conf.d/wcs-web.conf", "/etc/nginx/sites-enabled/default", f"{UNITS}/nginx.service.d/wcs-web.conf"
LIBRARY, ROOT = "/usr/local/lib/webcallserver-balancer", "/srv/wcs-web"
RELEASE = f"{ROOT}/$(readlink {ROOT}/wcs)"


def told(text):
    """A shell command that tells HAProxy something."""
    return f"{text} | python3 -c {shlex.quote(TELL)}"


BALANCER = {
    "haproxy.cfg is another one": Drift(MORE, kept=BY_HAND),
    "haproxy.cfg is gone": Drift(f"rm {CONFIG}"),
    "haproxy.cfg is a link": Drift(f"mv {CONFIG} /root/h; ln -s /root/h {CONFIG}"),
    "nobody may read haproxy.cfg": Drift(f"chmod 0600 {CONFIG}"),
    "HAProxy owns haproxy.cfg": Drift(f"chown haproxy {CONFIG}"),
    "HAProxy runs on another haproxy.cfg": Drift(f"{MORE}; systemctl reload haproxy", reloads=HAPROXY, kept=BY_HAND),
    "HAProxy runs on another haproxy.cfg, and the file is right again": Drift(
        f"cp -a {CONFIG} /root/h; {MORE}; systemctl reload haproxy; cp -a /root/h {CONFIG}", reloads=HAPROXY
    ),
    "the bundle is another one": Drift(f"{CERTIFY}; cat /root/c /root/k >{BUNDLE}"),
    "the bundle is gone": Drift(f"rm {BUNDLE}"),
    "everybody may read the bundle": Drift(f"chmod 0644 {BUNDLE}"),
    "HAProxy owns the bundle": Drift(f"chown haproxy {BUNDLE}"),
    "HAProxy serves another certificate": Drift(f"{CERTIFY}; {told(ANOTHER)}; {told('echo commit ssl cert ' + BUNDLE)}", reloads=HAPROXY),
    "everybody may see which bundles there are": Drift(f"chmod 0755 {Path(BUNDLE).parent}"),
    "the account of the bundles is gone": Drift(f"rm {Path(BUNDLE).parent}/.bundles"),
    "a bundle is there that nothing uses": Drift(f"cd {Path(BUNDLE).parent}; cp -a {BUNDLE} old.pem; echo old.pem >>.bundles"),
    "the keys of the tickets are gone": Drift(f"rm {KEYS}"),
    "everybody may read the keys of the tickets": Drift(f"chmod 0644 {KEYS}"),
    "the file has another key of the tickets": Drift(f"sed -i '$d' {KEYS}; {NEW_KEY} >>{KEYS}; echo >>{KEYS}"),
    "HAProxy has another key of the tickets": Drift(told(f'echo "set ssl tls-key {KEYS} $({NEW_KEY})"')),
    "what reloads HAProxy is gone": Drift("rm /usr/local/sbin/haproxy-reload"),
    "what changes the keys is another program": Drift("echo >>/usr/local/sbin/haproxy-tickets"),
    "the drop-in of HAProxy is gone": Drift(f"rm {BALANCER_CONF}"),
    "the drop-in of HAProxy is another one": Drift(f"echo >>{BALANCER_CONF}"),
    "systemd has not read the drop-in of HAProxy": Drift(f"sleep 1; touch {BALANCER_CONF}"),
    "the unit that changes the keys is another one": Drift(f"echo >>{TICKETS}"),
    "systemd has not read the unit that changes the keys": Drift(f"sleep 1; touch {TICKETS}"),
    "the timer of the keys is gone": Drift(f"rm {TIMER}"),
    "the timer of the keys is masked": Drift(f"rm {TIMER}; systemctl mask haproxy-tickets.timer"),
    "the timer of the keys is stopped": Drift("systemctl stop haproxy-tickets.timer"),
    "the timer of the keys does not start at boot": Drift("systemctl disable haproxy-tickets.timer"),
    "HAProxy is stopped": Drift("systemctl stop haproxy", HAPROXY),
    "HAProxy does not start at boot": Drift("systemctl disable haproxy"),
    "HAProxy is masked": Drift("systemctl mask haproxy"),
    "HAProxy is masked and stopped": Drift("systemctl mask haproxy; systemctl stop haproxy", HAPROXY),
    "HAProxy has left no word of what it runs on": Drift("rm /run/haproxy-lb/in-force", reloads=HAPROXY),
    "HAProxy is removed": Drift("dpkg --remove haproxy", HAPROXY),
    "what reads certificates is removed": Drift("dpkg --remove --force-depends python3-cryptography"),
    "the site's file is another one": Drift(f"echo >>{SITE_FILE}"),
    "the site's file is gone": Drift(f"rm {SITE_FILE}"),
    "everybody may write the site's file": Drift(f"chmod 0666 {SITE_FILE}"),
    "nginx runs on another file, and the file is right again": Drift(
        f"cp -a {SITE_FILE} /root/n; echo >>{SITE_FILE}; systemctl reload nginx; cp -a /root/n {SITE_FILE}", reloads=NGINX
    ),
    "the welcome page is back": Drift(f"rm {MASKED}; ln -s /etc/nginx/sites-available/default {MASKED}"),
    "nothing is in the place of the welcome page": Drift(f"rm {MASKED}"),
    "the drop-in of nginx is gone": Drift(f"rm {WEB_CONF}"),
    "the drop-in of nginx is another one": Drift(f"echo >>{WEB_CONF}"),
    "what reloads nginx is another program": Drift(f"echo >>{LIBRARY}/nginx_web.py"),
    "what notes nginx's files is gone": Drift(f"rm {LIBRARY}/in-force"),
    "everybody may write where nginx's programs are": Drift(f"chmod 0777 {LIBRARY}"),
    "nginx is stopped": Drift("systemctl stop nginx", NGINX),
    "nginx does not start at boot": Drift("systemctl disable nginx"),
    "nginx is masked": Drift("systemctl mask nginx"),
    "nginx has left no word of what it runs on": Drift("rm /run/wcs-web.in-force", reloads=NGINX),
    "nginx is removed": Drift("dpkg --remove --force-depends nginx", NGINX),
    "the link to the release is gone": Drift(f"rm {ROOT}/wcs"),
    "the link leads to another release": Drift(f"ln -sfn releases/none {ROOT}/wcs"),
    "the release is gone": Drift(f"rm -r {RELEASE}"),
    "the release is not whole": Drift(f"rm {RELEASE}/flashphoner.js"),
    "a release is there that was never whole": Drift(f"mkdir {ROOT}/releases/.unpacking-1"),
}


def rounds():
    """Break a thing on every host at once: those of the balancer, and those of a node on the one and the other in turn."""
    nodes = list(NODE.items())
    return list(itertools.zip_longest(BALANCER.items(), nodes[::2], nodes[1::2]))


ROUNDS = [{host: case for host, case in zip(("lb1", "wcs1", "wcs2"), cases) if case} for cases in rounds()]


class Host:
    """A host of the fleet in a round, and what was found wrong with it."""

    def __init__(self, fleet, name, drift):
        self.fleet, self.name, self.drift = fleet, name, drift
        self.wrong = []

    def state(self):
        return json.loads(self.fleet.python(self.name, STATE))

    def spoil(self):
        self.before = self.state()
        self.fleet.run(self.name, f"sh -c {shlex.quote(self.drift.command)}")

    def judge(self, when, expected, outcome, said):
        if outcome.failed:
            self.wrong.append(f"{when}: {outcome.failed}")
        elif bool(outcome.changed or said) is not expected:
            self.wrong.append(f"{when}: changed {outcome.changed}, told {said}")

    def compare(self):
        """Note what is not as it was, but for what the case allows."""
        after = self.state()
        for kind in set(after) - {"processes"}:
            for key in sorted({*self.before[kind], *after[kind]}):
                was, now = self.before[kind].get(key), after[kind].get(key)
                if was != now and key != self.drift.written and not (was is None and key.startswith(self.drift.kept or "?")):
                    self.wrong.append(f"{kind}: {key} was {was}, and is {now}")
        for unit in {*self.before["processes"], *after["processes"]} - {*self.drift.restarts}:
            (was, workers), (now, others) = (found["processes"].get(unit, ["", []]) for found in (self.before, after))
            # Those of a reload before may have been on their way out
            if was != now or not (unit in self.drift.reloads or {*others} <= {*workers}):
                self.wrong.append(f"processes: {unit} had {was} with {workers}, and has {now} with {others}")


def told_by(results, host):
    """Return what the tasks that tell it have said is to be done."""
    return [clause for task, on in results if task.endswith(TOLD) and host in on for clause in on[host].get("msg") or []]


@pytest.mark.parametrize("cases", ROUNDS, ids=["; ".join(f"{host}: {case[0]}" for host, case in cases.items()) for cases in ROUNDS])
def test_what_was_changed_by_hand_is_seen_and_mended(fleet, cases):
    hosts = {name: Host(fleet, name, drift) for name, (_sentence, drift) in cases.items()}
    fleet.each(list(hosts), lambda name: hosts[name].spoil())
    for when, arguments, expected in (("a check", ["--check"], True), ("a run", [], True), ("the next run", [], False)):
        output = fleet.play(SITE, *arguments, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json").stdout
        results, _counts = heard(output)
        for name, outcome in outcomes(output, hosts).items():
            hosts[name].judge(when, expected, outcome, told_by(results, name))
    fleet.each(list(hosts), lambda name: hosts[name].compare())
    assert {name: host.wrong for name, host in hosts.items() if host.wrong} == {}
