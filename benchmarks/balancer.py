# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the balancer of this collection with the one of the how-to, side by side on this machine.

    python3 benchmarks/balancer.py [--quick] [--json PATH] [--table PATH]

Each balancer, its clients and its two nodes have network namespaces of their own, and everything is gone at the end. Needs root, haproxy,
a C compiler, OpenSSL with its headers, ip, and the ansible-playbook of this checkout; `make bench-balancer` runs it where all that is.
Absolute figures are this machine's; the ratios are what is compared. A full run writes docs/benchmarks-balancer.md.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
sys.path.insert(0, str(CHECKOUT))
from plugins.module_utils import _haproxy

ROLE = CHECKOUT / "roles" / "haproxy_lb"
PAGE = CHECKOUT / "docs" / "benchmarks-balancer.md"

DOMAIN = "wcs.example.com"
CLIENT, BALANCER = "10.77.0.2", "10.77.0.1"
NODES = {"wcs1": ("10.77.1.2", "10.77.1.1"), "wcs2": ("10.77.2.2", "10.77.2.1")}
EVENTS = ("kill", "hang", "drop")
SIZES = (10, 100, 1000, 5000)
# What the how-to holds in all, and what two nodes of the role's default capacity hold
ASKED = {"howto": 300, "ours": 8000}
# How often the agent is asked, in seconds
POLL = {"howto": 5, "ours": 1}
DIRECTORY = "/DIRECTORY"
SCRIPTS = ("haproxy_reload.py", "haproxy_tickets.py")

# The how-to's listing under the global and defaults sections that Debian ships, as it says to leave them
HOWTO = f"""
global
    log /dev/log local0
    chroot /var/lib/haproxy
    stats socket {DIRECTORY}/admin.sock mode 660 level admin
    stats timeout 30s
    user haproxy
    group haproxy
    ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets

defaults
    log global
    mode http
    option httplog
    option dontlognull
    timeout connect 5000
    timeout client 50000
    timeout server 50000

frontend wcs-balancer
    bind *:443 ssl crt {DIRECTORY}/certs/{DOMAIN}.pem
    acl is_websocket hdr(Upgrade) -i WebSocket
    acl is_websocket hdr(Sec-WebSocket-Key) -m found
    use_backend wcs_back if is_websocket
    default_backend wcs_web_admin

backend wcs_back
    http-request add-header X-Client-IP %ci:%cp
    balance roundrobin
    server wcs1 {NODES["wcs1"][0]}:8080 maxconn 100 weight 100 check agent-check agent-inter 5s agent-port 9707
    server wcs2 {NODES["wcs2"][0]}:8080 maxconn 100 weight 100 check agent-check agent-inter 5s agent-port 9707

backend wcs_web_admin
    server wcs_web_http localhost:8180 maxconn 100 check
"""


def run(*command, **options):
    """Run a command to its end, and stop with what it said where it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout}")
    return done.stdout


# ---- what is compared ----


@dataclass
class Kind:
    """One of the compared balancers."""

    name: str
    configuration: str
    bundle: str
    # What its units run, by name
    scripts: dict = field(default_factory=dict)
    cpu: list = field(default_factory=list)


def rendered(directory) -> dict:
    """Render haproxy.cfg as the role does, for two nodes and for many servers."""
    two = [{"name": name, "address": address} for name, (address, _gateway) in NODES.items()]
    many = [{"name": f"wcs{number:05}", "address": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"} for number in range(1, max(SIZES) + 1)]
    variables = {
        "haproxy_lb_domain": DOMAIN,
        "haproxy_lb_certificate": "",
        "haproxy_lb_chain": "",
        "haproxy_lb_private_key": "",
        "__haproxy_lb_version": {"stdout": run("haproxy", "-v")},
        "look": {"programs": {"balancer": {"stdout": ""}}, "haproxy": {}, "configuration": {}},
        "__haproxy_lb_dir": DIRECTORY,
        "__haproxy_lb_socket": f"{DIRECTORY}/admin.sock",
        "__haproxy_lb_state_file": f"{DIRECTORY}/server-state",
    }
    wanted = {"haproxy.cfg": ("haproxy.cfg.j2", two)}
    wanted |= {f"{size}.cfg": ("haproxy.cfg.j2", many[:size]) for size in SIZES}
    tasks = [
        task | {"vars": {"haproxy_lb_servers": servers}}
        for target, (source, servers) in wanted.items()
        for task in (
            {"webcallserver.balancer.role_options": {"role": "haproxy_lb"}, "register": "read"},
            {"ansible.builtin.set_fact": {"__haproxy_lb_seen": "{{ look | combine({'options': read.options}) }}"}},
            {"ansible.builtin.set_fact": {"__haproxy_lb_seen": "{{ __haproxy_lb_seen | combine({'plan': __haproxy_lb_plan_now}) }}"}},
            {"ansible.builtin.template": {"src": str(ROLE / "templates" / source), "dest": str(directory / target)}},
        )
    ]
    mine, playbook = directory / "variables.json", directory / "playbook.json"
    mine.write_text(json.dumps(variables))
    files = [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml"), str(mine)]
    playbook.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars_files": files, "tasks": tasks}]))
    collection = directory / "collections" / "ansible_collections" / "webcallserver" / "balancer"
    collection.parent.mkdir(parents=True)
    collection.symlink_to(CHECKOUT)
    places = {"ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"), "ANSIBLE_HOME": str(directory / "ansible")}
    run("ansible-playbook", "--inventory", "localhost,", playbook, env=os.environ | places)
    return {target: (directory / target).read_text() for target in wanted}


@contextlib.contextmanager
def syslog():
    """Read /dev/log as haproxy sees it in its chroot, as Debian's rsyslog does: a balancer that logs there shall not be spared it."""
    place = Path("/var/lib/haproxy/dev/log")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(place))
        place.chmod(0o666)
        reader = subprocess.Popen(["cat"], stdin=log, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            reader.kill()
            reader.wait()
            place.unlink()


def bundle(directory, name, *key) -> str:
    """Make a certificate and its key, and return both as one text."""
    files = [directory / f"{name}.key", directory / f"{name}.crt"]
    subject = ["-days", "2", "-subj", f"/CN={DOMAIN}", "-addext", f"subjectAltName=DNS:{DOMAIN}"]
    run("openssl", "req", "-x509", "-nodes", "-newkey", *key, *subject, "-keyout", files[0], "-out", files[1])
    return files[1].read_text() + files[0].read_text()


def kinds(directory, files) -> list:
    rsa = bundle(directory, "rsa", "rsa:2048")
    ecdsa = bundle(directory, "ecdsa", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    scripts = {name: (ROLE / "files" / name).read_text() for name in SCRIPTS}
    return [
        Kind("howto", HOWTO, rsa),
        Kind("ours", files["haproxy.cfg"], ecdsa, scripts),
        Kind("ours, RSA", files["haproxy.cfg"], rsa, scripts),
    ]


def placed(directory, kind, configuration):
    """Put in a directory what a balancer starts with."""
    (directory / "certs").mkdir(parents=True)
    (directory / "certs" / f"{DOMAIN}.pem").write_text(kind.bundle)
    for name, text in {"haproxy.cfg": configuration, **kind.scripts}.items():
        (directory / name).write_text(text.replace(DIRECTORY, str(directory)))
    if kind.scripts:
        run(sys.executable, "-I", directory / "haproxy_tickets.py", "mend", directory / "ticket-keys", directory / "admin.sock")


class World:
    """A running balancer with its nodes and room for its clients, each in a network namespace."""

    numbers = itertools.count(1)
    running: list = []

    def __init__(self, kind, directory):
        self.kind, self.number = kind, next(self.numbers)
        self.tools, self.directory = directory, directory / f"world{self.number}"
        self.processes, self.nodes = [], {}
        placed(self.directory, kind, kind.configuration)
        self.running.append(self)
        self.connect()
        for name in NODES:
            self.start_node(name)
        with (self.directory / "log").open("w") as log:
            reader = self.spawn("lb", "cat", stdin=subprocess.PIPE, stdout=log)  # in the journal's place
        with reader.stdin as log:
            self.master = self.spawn("lb", "haproxy", "-Ws", "-f", self.directory / "haproxy.cfg", stdout=log, stderr=log)
        self.until(self.settled, 20)

    def namespace(self, end):
        return f"balancer{os.getpid()}-{self.number}-{end}"

    def connect(self):
        """Lay a wire from the balancer to each of the others."""
        ends = {"client": (CLIENT, BALANCER)} | NODES
        run("ip", "-batch", "-", input="".join(f"netns add {self.namespace(end)}\n" for end in ("lb", *ends)))
        wires = [f"link add {end} netns {self.namespace('lb')} type veth peer name lb netns {self.namespace(end)}\n" for end in ends]
        run("ip", "-batch", "-", input="".join(wires))
        ours = ["link set lo up\n"]
        for end, (address, gateway) in ends.items():
            ours.append(f"addr add {gateway}/24 dev {end}\nlink set {end} up\n")
            run("ip", "-n", self.namespace(end), "-batch", "-", input=f"addr add {address}/24 dev lb\nlink set lb up\n")
        run("ip", "-n", self.namespace("lb"), "-batch", "-", input="".join(ours))
        for end in ("lb", "client"):
            run("ip", "netns", "exec", self.namespace(end), "sh", "-c", "echo 1024 65535 >/proc/sys/net/ipv4/ip_local_port_range")

    def spawn(self, end, *command, **options):
        process = subprocess.Popen(["ip", "netns", "exec", self.namespace(end), *map(str, command)], **options)
        self.processes.append(process)
        return process

    def start_node(self, name):
        with (self.directory / name).open("w") as log:
            self.nodes[name] = self.spawn(name, self.tools / "balancer_node", stdout=log)

    def taken(self, name) -> list:
        """Return when a node took each of its sessions."""
        return [float(line) for line in (self.directory / name).read_text().split("\n")[:-1]]

    def client(self, concurrency, *arguments):
        words = [self.tools / "balancer_client", BALANCER, 443, concurrency, *arguments]
        return self.spawn("client", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command) -> str:
        return _haproxy.ask(str(self.directory / "admin.sock"), command)

    def rows(self) -> list:
        return [row for row in _haproxy.rows(self.ask("show stat")) if row["svname"] in NODES]

    def settled(self):
        """Whether checks and agents of all nodes have been heard, and the nodes take sessions."""
        return all(row["status"] == "UP" and row["check_status"].startswith("L") and row["agent_status"] == "L7OK" for row in self.rows())

    def until(self, condition, seconds):
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                if condition():
                    return
            if time.monotonic() > end or self.master.poll() is not None:
                sys.exit(f"{self.kind.name}: {(self.directory / 'log').read_text()}\n{self.rows()}")
            time.sleep(0.05)

    def cpu(self) -> float:
        """Return the CPU seconds that haproxy has used, its worker included."""
        pid = self.master.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        tasks = [task for process in (pid, *children) for task in Path(f"/proc/{process}/task").glob("*/schedstat")]
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def resident(self) -> int:
        """Return the resident memory of the worker in KiB."""
        pid = next(line.split()[1] for line in self.ask("show info").splitlines() if line.startswith("Pid:"))
        return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])

    def reload(self):
        """Do what systemctl reload does."""
        if self.kind.scripts:
            program = [sys.executable, "-I", self.directory / "haproxy_reload.py", "reload", self.directory / "haproxy.cfg", self.directory]
            run("ip", "netns", "exec", self.namespace("lb"), *program, self.master.pid)
        else:
            self.master.send_signal(signal.SIGUSR2)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for end in ("lb", "client", *NODES):
            subprocess.run(["ip", "netns", "delete", self.namespace(end)], stderr=subprocess.DEVNULL, check=False)
        self.running.remove(self)


# ---- what is measured ----


def opened(client) -> tuple:
    """Wait for a client to end, and return its sessions, its failures, its seconds, and when the last failure was."""
    sessions, failures, seconds, last = client.stdout.read().split()
    client.wait()
    return int(sessions), int(failures), float(seconds), float(last)


def tell(client) -> int:
    """Send a line to a client that holds sessions, and return how many of them brought a message back."""
    client.stdin.write("\n")
    client.stdin.flush()
    return int(client.stdout.readline())


def new_sessions(world, seconds):
    """Open and close sessions as fast as it goes."""
    before = world.cpu()
    sessions, failures, took, _last = opened(world.client(40, "open", seconds, 0))
    used = world.cpu() - before
    if failures:
        sys.exit(f"{world.kind.name}: {failures} of {sessions + failures} new sessions failed")
    world.kind.cpu.append({"cpu": used / sessions, "rate": sessions / took})


def held_sessions(world) -> dict:
    """Open as many sessions as there shall be, and send a message through each."""
    before = world.resident()
    client = world.client(40, "hold", ASKED[world.kind.name])
    held = int(client.stdout.readline())
    grown = world.resident() - before
    echoed = tell(client)
    client.communicate()
    return {"asked": ASKED[world.kind.name], "held": held, "echoed": echoed, "kib": grown / held}


def failover(kind, directory, event) -> dict:
    """Lose one of two nodes under new sessions."""
    with contextlib.closing(World(kind, directory)) as world:
        client = world.client(600, "open", 7, 50)
        time.sleep(2)
        since = time.monotonic()
        if event == "drop":
            run("ip", "-n", world.namespace("wcs2"), "route", "add", "blackhole", f"{NODES['wcs2'][1]}/32")
        else:
            world.nodes["wcs2"].send_signal(signal.SIGKILL if event == "kill" else signal.SIGSTOP)
        sessions, failures, _seconds, last = opened(client)
    return {"sessions": sessions + failures, "failed": failures, "last": last - since if failures else 0.0}


def overload(kind, directory, times) -> dict:
    """Let an agent say down and look when the node gets its last session; then reload, and look whether it gets more."""
    with contextlib.closing(World(kind, directory)) as world:
        node, poll, samples = world.nodes["wcs2"], POLL[kind.name], []
        held = world.client(20, "hold", 50)
        count = int(held.stdout.readline())
        client = world.client(300, "open", 120, 100)
        for number in range(times):
            if number:
                node.send_signal(signal.SIGUSR2)
                world.until(lambda: all(int(row["weight"]) > 50 for row in world.rows()), 20)
            time.sleep(1 + random.random() * poll)
            since = time.monotonic()
            node.send_signal(signal.SIGUSR1)
            time.sleep(poll + 1)
            samples.append(world.taken("wcs2")[-1] - since)
        before = len(world.taken("wcs2"))
        world.reload()
        time.sleep(poll + 1)
        after = len(world.taken("wcs2"))
        client.stdin.close()
        sessions, failures, _seconds, _last = opened(client)
        alive = tell(held)
    return {"samples": samples, "sessions": sessions, "failed": failures, "misled": after - before, "held": count, "dropped": count - alive}


def check_seconds(kind, directory, files, times) -> dict:
    """Let haproxy read configurations of many servers; the least CPU time, since others can only make it slower."""
    took = {}
    for size in SIZES:
        place, samples = directory / f"check{size}", []
        placed(place, kind, files[f"{size}.cfg"])
        for _number in range(times):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run("haproxy", "-c", "-f", place / "haproxy.cfg")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            samples.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        took[size] = min(samples)
    return took


def measure(directory, compared, files, options) -> dict:
    """Run all measurements, the balancers side by side."""
    both = compared[:2]
    rounds, seconds, repeats, samples, checks = (3, 0.7, 1, 1, 3) if options.quick else (10, 2, 3, 5, 9)
    with ThreadPoolExecutor(2 + 2 * len(EVENTS)) as pool:
        worlds = list(pool.map(lambda kind: World(kind, directory), compared))
        for number in range(rounds):
            for world in worlds if number % 2 == 0 else worlds[::-1]:
                new_sessions(world, seconds)
        held = {kind.name: result for kind, result in zip(both, pool.map(held_sessions, worlds[:2]))}
        for world in worlds:
            world.close()
        busy = {kind.name: pool.submit(overload, kind, directory, samples) for kind in both}
        lost = []
        for _number in range(repeats):
            running = {(kind.name, event): pool.submit(failover, kind, directory, event) for kind in both for event in EVENTS}
            lost.append({key: task.result() for key, task in running.items()})
        overloaded = {name: task.result() for name, task in busy.items()}
    return {"held": held, "lost": lost, "overloaded": overloaded, "check": check_seconds(both[1], directory, files, checks)}


# ---- what is said ----


def median(kind, key):
    return statistics.median(result[key] for result in kind.cpu)


def ratio(kind, other):
    """Compare two balancers round by round, since what disturbs a shared machine disturbs neighbours alike."""
    return statistics.median(one["cpu"] / beside["cpu"] for one, beside in zip(kind.cpu, other.cpu))


def summary(compared, measured) -> dict:
    """Return what is compared, one figure each."""
    howto, ours, ours_rsa = compared
    worst = {event: max(lost["ours", event]["failed"] for lost in measured["lost"]) for event in EVENTS}
    held = measured["held"]
    return {
        "cpu_per_session_vs_howto": ratio(ours, howto),
        "cpu_per_session_vs_howto_same_certificate": ratio(ours_rsa, howto),
        "held_vs_howto": held["ours"]["echoed"] / held["howto"]["echoed"],
        "kib_per_session": held["ours"]["kib"],
        **{f"failed_on_{event}": failed for event, failed in worst.items()},
        "seconds_to_last_session_on_overloaded": max(measured["overloaded"]["ours"]["samples"]),
        "sessions_misled_by_reload": measured["overloaded"]["ours"]["misled"],
        "check_5000_servers_s": measured["check"][5000],
    }


def table(compared, measured, ratios) -> str:
    """Return the results as Markdown."""
    held, overloaded = measured["held"], measured["overloaded"]

    def row(what, cell, target):
        return f"| {what} | {cell('howto')} | {cell('ours')} | {target} |"

    def lost(name, event):
        results = [lost[name, event] for lost in measured["lost"]]
        said = ", ".join(str(result["failed"]) for result in results)
        last = max(result["last"] for result in results)
        return f"{said} of {results[0]['sessions']}" + (f", the last after {last:.1f} s" if last else "")

    cpu = {kind.name: f"{median(kind, 'cpu') * 1e6:.0f} µs" for kind in compared}
    what_happens = {"kill": "is killed", "hang": "hangs", "drop": "drops every packet"}
    lines = [
        "| | how-to | this collection | wanted |",
        "|---|---|---|---|",
        row(
            "CPU for each new session over TLS",
            lambda name: f"{cpu[name]} (RSA)" if name == "howto" else f"{cpu[name]} (ECDSA), {cpu['ours, RSA']} (RSA)",
            f"0.55 of the how-to: {ratios['cpu_per_session_vs_howto']:.2f}, with RSA {ratios['cpu_per_session_vs_howto_same_certificate']:.2f}",
        ),
        row("sessions held, each with an echo", lambda name: f"{held[name]['echoed']} of {held[name]['asked']}", f"40 times: {ratios['held_vs_howto']:.0f}"),
        row("memory for each", lambda name: f"{held[name]['kib']:.1f} KiB" if name == "ours" else "too few to tell", "21 KiB"),
        *(row(f"new sessions that fail when a node {what_happens[event]}", lambda name, event=event: lost(name, event), "1") for event in EVENTS),
        row(
            "last new session on a node whose agent says down",
            lambda name: f"{max(overloaded[name]['samples']):.2f} s, asked every {POLL[name]} s",
            "one interval + 0.1 s",
        ),
        row("new sessions on that node after a reload", lambda name: overloaded[name]["misled"], "0"),
        row("new sessions that fail meanwhile", lambda name: f"{overloaded[name]['failed']} of {overloaded[name]['sessions']}", "0"),
        row("silent sessions dropped meanwhile", lambda name: f"{overloaded[name]['dropped']} of {overloaded[name]['held']}", "0"),
        "",
        "CPU: haproxy alone, with a thread for each CPU; each session has a whole TLS 1.3 handshake; RSA is 2048 bits, ECDSA is P-256. "
        "What an RSA signature costs, and so the ratio, differs much between CPUs.",
        "Failures: one node of two, at 50 new sessions a second, a figure for each run. Failed is what was refused, or had no answer for seven seconds.",
        "Dropped: the sessions are silent, and the how-to cuts those after 50 seconds.",
        "",
        "| servers | " + " | ".join(str(size) for size in SIZES) + " |",
        "|---|" + "---|" * len(SIZES),
        "| CPU for `haproxy -c` | " + " | ".join(f"{measured['check'][size]:.2f} s" for size in SIZES) + " |",
    ]
    return "\n".join(lines) + "\n"


def compiled(directory):
    run("cc", "-O2", "-o", directory / "balancer_node", HERE / "balancer_node.c")
    run("cc", "-O2", "-o", directory / "balancer_client", HERE / "balancer_client.c", "-lssl", "-lcrypto")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less than a minute, few rounds")
    parser.add_argument("--json", metavar="PATH", help="write the figures there")
    parser.add_argument("--table", metavar="PATH", help=f"write the table there, as a page; without --quick {PAGE.relative_to(CHECKOUT)}")
    options = parser.parse_args()
    missing = [tool for tool in ("haproxy", "cc", "openssl", "ip", "ansible-playbook") if not shutil.which(tool)]
    if missing or os.geteuid():
        sys.exit(f"This needs {', '.join(missing) or 'root'}; make bench-balancer brings all it needs.")
    with tempfile.TemporaryDirectory(prefix="balancer") as name:
        directory = Path(name)
        compiled(directory)
        files = rendered(directory)
        compared = kinds(directory, files)
        with syslog():
            try:
                measured = measure(directory, compared, files, options)
            finally:
                for world in list(World.running):
                    world.close()
    ratios = summary(compared, measured)
    text = table(compared, measured, ratios)
    print(text)
    if options.json:
        Path(options.json).write_text(json.dumps(ratios, indent=2) + "\n", encoding="utf-8")
    page = options.table or (None if options.quick else PAGE)
    if page:
        release = " ".join(run("haproxy", "-v").split()[:3])
        Path(page).write_text(
            "<!--\nCopyright (c) 2026 webcallserver.balancer contributors\nSPDX-License-Identifier: GPL-3.0-or-later\n-->\n\n# The balancer, measured\n\n"
            f"Written by `benchmarks/balancer.py{' --quick' if options.quick else ''}`: both side by side on one machine ({os.cpu_count()} CPUs), {release}.\n"
            "Absolute figures are the machine's, the ratios hold elsewhere.\n\n" + text,
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
