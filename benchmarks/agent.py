# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the agent with other ways to answer HAProxy's agent check, side by side on this machine.

    python3 benchmarks/agent.py [--quick] [--json PATH] [--table PATH]

Everything runs on the loopback of a network namespace and is stopped at the end. Needs a C compiler and unshare; the script under xinetd also xinetd, curl, jq
and bc; the peer is compared when it is on the PATH (pip install datawave-haproxy-agent gevent). Absolute figures are this machine's; the ratios are what is
compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from tests.support.ports import free_port

AGENT = HERE.parent / "roles" / "wcs_node" / "files" / "wcs_agent.py"
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable

PAGE = "".join(
    f"-----{section} Stats-----\n" + "".join(f"{key}={value}\n" for key, value in counters.items())
    for section, counters in {
        "Connection": {"connections": 1, "connections_rtmfp": 0, "connections_websocket": 1, "connections_hls": 0},
        "Port": {"ports_media_free": 498, "ports_media_busy": 1, "ports_media_quarantine": 0, "ports_wcs_agents_free": 998},
        "Stream": {
            f"streams_{kind}": 1
            for kind in (
                "webrtc_in",
                "webrtc_out",
                "websocket_out",
                "rtmfp_in",
                "rtmfp_out",
                "rtmp_in",
                "rtmp_out",
                "hls",
                "rtsp_in",
                "rtsp_out",
                "play_rate",
                "stop_rate",
            )
        },
    }.items()
)

HEALTH = json.dumps({"Status": "ready", "ConnectionUsagePercent": 1, "SystemLoad": 0.1, "SwapBytesUsed": 0})  # what the peer reads instead

# Written after the description of the how-to: one threshold after the other, each from the statistics page or the system, in bash with its usual tools.
HOWTO = r"""#!/bin/bash
CPU_MAX_LOAD=900
MAX_PUBLISHERS=100
MAX_SUBSCRIBERS=100
MAX_HLS_STREAMS=100
MAX_BANDWIDTH_IN=100
MAX_BANDWIDTH_OUT=100
state="up 100%"
isThreshold() { [ "$(echo "$1 >= $2" | bc)" = 1 ] && state="down"; }
stat() { curl -s "http://127.0.0.1:@PAGE@/?action=stat" | grep "^$1=" | cut -d= -f2; }
sum() { local total=0 key; for key in "$@"; do total=$(echo "$total + $(stat "$key")" | bc); done; echo "$total"; }
cpus=$(grep -c ^processor /proc/cpuinfo)
load=$(uptime | sed 's/.*load average: //' | cut -d, -f1)
isThreshold "$(echo "$load * 100 / $cpus" | bc)" $CPU_MAX_LOAD
isThreshold "$(sum streams_webrtc_in streams_rtmp_in streams_rtsp_in)" $MAX_PUBLISHERS
isThreshold "$(sum streams_webrtc_out streams_rtmp_out streams_rtsp_out)" $MAX_SUBSCRIBERS
isThreshold "$(sum streams_hls)" $MAX_HLS_STREAMS
isThreshold "$(echo '{"in": 0}' | jq .in)" $MAX_BANDWIDTH_IN
isThreshold "$(echo '{"out": 0}' | jq .out)" $MAX_BANDWIDTH_OUT
echo "$state"
"""

XINETD = """service haproxy-agent-check
{
    type = UNLISTED
    socket_type = stream
    protocol = tcp
    wait = no
    user = root
    port = @PORT@
    server = @SCRIPT@
    instances = UNLIMITED
    per_source = UNLIMITED
    cps = 100000 1
    only_from = 127.0.0.0/8
}
"""

BLOCKING = """
import socket, sys
listener = socket.create_server(("", int(sys.argv[1])), backlog=1024)
while True:
    connection, _peer = listener.accept()
    try:
        connection.send(b"up 100%\\n")
        connection.shutdown(socket.SHUT_WR)
        connection.recv(256, socket.MSG_DONTWAIT)
    except OSError:
        pass
    connection.close()
"""

ASYNCIO = """
import asyncio, sys
async def answer(_reader, writer):
    writer.write(b"up 100%\\n")
    writer.close()
async def main():
    async with await asyncio.start_server(answer, "", int(sys.argv[1]), backlog=1024) as server:
        await server.serve_forever()
asyncio.run(main())
"""


class Page:
    """The statistics page of a node."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        pages = [f"HTTP/1.0 200 OK\r\nContent-Length: {len(page)}\r\n\r\n{page}".encode() for page in (PAGE, HEALTH)]
        while True:
            connection, _peer = self.listener.accept()
            with connection:
                try:
                    connection.sendall(pages[b"/health" in connection.recv(4096)])
                except OSError:
                    continue


class Server:
    """One of the compared servers, as a process."""

    def __init__(self, name, command, port, forks=False, environment=None):
        self.name, self.port, self.forks = name, port, forks
        self.process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.results = {1: [], 50: []}
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                    if connection.recv(100):
                        break
            except OSError:
                pass
            if time.monotonic() > deadline:
                sys.exit(f"{name} does not answer")
            time.sleep(0.05)

    def cpu(self) -> float:
        """Return the CPU seconds that the server has used, its ended children included."""
        place = Path(f"/proc/{self.process.pid}")
        if self.forks:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
        return sum(int(task.read_text().split()[0]) for task in place.glob("task/*/schedstat")) / 1e9

    def resident(self) -> float:
        """Return the resident memory in MB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) / 1024

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def poll(client, server, connections, seconds, rate=0, idle=0) -> dict:
    """Poll a server and return what that took."""
    if server.process.poll() is not None:
        sys.exit(f"{server.name} has ended")
    before = server.cpu()
    done = subprocess.run([client, str(server.port), str(connections), str(seconds), str(rate), str(idle)], check=True, stdout=subprocess.PIPE, text=True)
    polls, errors, took, p50, p99 = (float(field) for field in done.stdout.split())
    if server.forks:
        time.sleep(0.3)  # until the last children are waited for
    return {"rate": polls / took, "p50": p50, "p99": p99, "cpu": (server.cpu() - before) / max(polls, 1), "errors": errors, "polls": polls}


def start_all(directory, page) -> list:
    """Start what is to be compared."""
    servers = []
    port = free_port()
    place = directory / "agent"
    place.mkdir()
    shutil.copy(AGENT, place)
    (place / "agent.json").write_text(
        json.dumps(
            {"port": port, "limits": {"publishers": 100, "band-in": 10**6, "cpu": 101}, "statistics": {"port": page.port}, "websocket": {"port": page.port}}
        )
    )
    main = f"import sys; sys.path.insert(0, {str(place)!r}); import wcs_agent; sys.exit(wcs_agent.main(sys.argv[1:]))"
    command = [PYTHON, "-I", "-S", "-c", main]
    subprocess.run([*command, "validate", str(place / "agent.json")], check=True)  # as its unit does: leaves the compiled program
    environment = {f"{name}_DIRECTORY": str(place) for name in ("CONFIGURATION", "STATE", "RUNTIME")}
    servers.append(Server("this agent", [*command, "serve"], port, environment=environment))
    port = free_port()
    servers.append(Server("accept loop in C, constant reply", [compiled(directory, "agent_server.c"), str(port)], port))
    for name, source in (("blocking loop in Python, constant reply", BLOCKING), ("asyncio, constant reply", ASYNCIO)):
        port = free_port()
        servers.append(Server(name, [PYTHON, "-I", "-S", "-c", source, str(port)], port))
    peer = shutil.which("datawave-haproxy-agent")
    if peer:
        port, config = free_port(), directory / "peer.yml"
        config.write_text(json.dumps({"port": port, "dw_health_poller": {"check_url": f"http://127.0.0.1:{page.port}/health"}}))
        servers.append(Server("datawave-haproxy-agent, a peer in Python", [peer, "--config", str(config)], port))
    if all(shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin") for tool in ("xinetd", "curl", "jq", "bc")):
        port = free_port()
        script, config = directory / "haproxy-agent-check.sh", directory / "xinetd.conf"
        script.write_text(HOWTO.replace("@PAGE@", str(page.port)))
        script.chmod(0o755)
        config.write_text(XINETD.replace("@PORT@", str(port)).replace("@SCRIPT@", str(script)))
        xinetd = shutil.which("xinetd", path=os.environ["PATH"] + ":/usr/sbin")
        servers.append(Server("script after the how-to, under xinetd", [xinetd, "-dontfork", "-f", str(config)], port, forks=True))
    return servers


def compiled(directory, source) -> str:
    target = directory / source.replace(".c", "")
    subprocess.run(["cc", "-O2", "-o", str(target), str(HERE / source)], check=True)
    return str(target)


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio(results, others, key):
    """Compare two servers round by round, since what disturbs a shared machine disturbs neighbours alike."""
    return statistics.median(result[key] / other[key] for result, other in zip(results, others))


def measure(servers, client, options) -> dict:
    """Run all measurements, the servers in turns."""
    rounds, seconds = (2, 0.3) if options.quick else (6, 1)
    for number in range(rounds):
        for server in servers if number % 2 == 0 else servers[::-1]:
            for connections in (1, 50):
                if not server.forks:
                    server.results[connections].append(poll(client, server, connections, seconds))
                elif number % 5 == 0:  # it needs seconds for a single answer
                    server.results[connections].append(poll(client, server, connections, 3 if connections == 1 else 1))
    ours = servers[0]
    steady = poll(client, ours, 10, 4 if options.quick else 60, rate=1000)
    idle = {}
    for server in servers[:1] if options.quick else servers:
        if not server.forks:
            idle[server.name] = idle_connections(client, server, rounds, seconds)
    started, before = time.monotonic(), ours.cpu()
    time.sleep(6 if options.quick else 60)
    idle_cpu = (ours.cpu() - before) * 60000 / (time.monotonic() - started)
    return {"steady": steady, "idle": idle, "idle_cpu": idle_cpu}


def idle_connections(client, server, rounds, seconds) -> dict:
    """Tell what 3,000 connections that nobody uses add."""
    without, with_them, resident = [], [], server.resident()
    for _round in range(max(2, rounds // 2)):
        without.append(poll(client, server, 1, seconds)["p50"])
        with_them.append(poll(client, server, 1, seconds, idle=3000)["p50"])
    return {"resident": 100 * (server.resident() / resident - 1), "p50": 100 * (statistics.median(one / other for one, other in zip(with_them, without)) - 1)}


def summary(servers, measured) -> dict:
    """Return the ratios that are compared."""
    by_name = {server.name: server.results for server in servers}
    ours = by_name["this agent"]
    plain_c = by_name["accept loop in C, constant reply"]
    howto = by_name.get("script after the how-to, under xinetd")
    return {
        "cpu_per_check_vs_howto": median(ours[1], "cpu") / median(howto[1], "cpu") if howto else None,
        "cpu_per_check_vs_c": ratio(ours[1], plain_c[1], "cpu"),
        "rate_vs_c_at_50": ratio(ours[50], plain_c[50], "rate"),
        "rss_mb": round(servers[0].resident(), 2),
        "idle_cpu_ms_per_min": measured["idle_cpu"],
        "errors": int(sum(result["errors"] for results in ours.values() for result in results) + measured["steady"]["errors"]),
        "steady_checks": int(measured["steady"]["polls"]),
        "steady_errors": int(measured["steady"]["errors"]),
        "idle_connections_rss_percent": measured["idle"]["this agent"]["resident"],
        "idle_connections_p50_percent": measured["idle"]["this agent"]["p50"],
    }


def table(servers, measured, ratios) -> str:
    """Return the results as Markdown."""
    lines = [
        "| Server | checks/s, 1 at once | p50 | p99 | checks/s, 50 at once | p50 | p99 | CPU for each check | RSS |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for server in servers:
        one, many = server.results[1], server.results[50]
        cells = [
            server.name,
            f"{median(one, 'rate'):.0f}",
            f"{median(one, 'p50') / 1000:.2f} ms",
            f"{median(one, 'p99') / 1000:.2f} ms",
            f"{median(many, 'rate'):.0f}",
            f"{median(many, 'p50') / 1000:.1f} ms",
            f"{median(many, 'p99') / 1000:.1f} ms",
            f"{median(one, 'cpu') * 1000:.3f} ms",
            f"{server.resident():.1f} MB",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    howto = ratios["cpu_per_check_vs_howto"]
    beside = f"1/{1 / howto:.0f} of the script" if howto else "no script to compare with"
    lines += [
        "",
        f"- CPU for each check: {beside}, {ratios['cpu_per_check_vs_c']:.2f} of the loop in C",
        f"- checks a second at 50 connections: {ratios['rate_vs_c_at_50']:.2f} of the loop in C",
        f"- at 1,000 checks a second: {ratios['steady_checks']} checks, {ratios['steady_errors']} errors",
        f"- without polls, measuring once a second: {ratios['idle_cpu_ms_per_min']:.0f} ms CPU a minute, {ratios['rss_mb']:.1f} MB",
        "",
        "3,000 connections that are opened and left alone add:",
        "",
        "| Server | RSS | p50 |",
        "|---|---|---|",
        *(f"| {name} | {idle['resident']:+.1f} % | {idle['p50']:+.0f} % |" for name, idle in measured["idle"].items()),
    ]
    return "\n".join(lines) + "\n"


def move_to_own_network() -> None:
    """Start over in a network namespace: where connections are tracked, as on most hosts with containers, these would fill the host's table."""
    if os.environ.get("BENCHMARK_NETWORK") != "own":
        rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        start = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv]
        os.execvpe("unshare", ["unshare", "--net", *rights, *start], {**os.environ, "BENCHMARK_NETWORK": "own"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less than a minute, short rounds")
    parser.add_argument("--json", metavar="PATH", help="write the ratios there")
    parser.add_argument("--table", metavar="PATH", help="write the table there, as a page")
    options = parser.parse_args()
    move_to_own_network()
    signal.signal(signal.SIGTERM, lambda *_caught: sys.exit("ended"))  # so that what was started is stopped
    servers = []
    with tempfile.TemporaryDirectory() as directory:
        client = compiled(Path(directory), "agent_client.c")
        try:
            servers = start_all(Path(directory), Page())
            measured = measure(servers, client, options)
            ratios = summary(servers, measured)
            text = table(servers, measured, ratios)
        finally:
            for server in servers:
                server.stop()
    print(text)
    if options.json:
        Path(options.json).write_text(json.dumps(ratios, indent=2) + "\n", encoding="utf-8")
    if options.table:
        Path(options.table).write_text(
            "<!--\nCopyright (c) 2026 webcallserver.balancer contributors\nSPDX-License-Identifier: GPL-3.0-or-later\n-->\n\n# The agent, measured\n\n"
            f"Written by `benchmarks/agent.py{' --quick' if options.quick else ''}`: all servers in turns on one machine "
            f"({os.cpu_count()} CPUs), over the loopback. "
            "Absolute figures are the machine's, the ratios hold elsewhere.\n\n" + text,
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
