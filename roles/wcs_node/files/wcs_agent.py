# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy agent of a Web Call Server node: measure -> decide -> reply.

The main thread measures once a second and publishes the reply. Serving threads send it to whoever connects, after a look at its age, and never wait
for a client. Everything comes from /proc, the cgroup files and one bounded HTTP request, so the standard library is enough; what would cost memory or
start-up time in it (argparse, datetime, http.client, logging) is left out or imported by the command that needs it.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import select
import signal
import socket
import sys
import threading
import time
from collections import namedtuple

SETTINGS = os.environ.get("CONFIGURATION_DIRECTORY", "/etc/wcs-agent") + "/agent.json"
STATE_DIRECTORY = os.environ.get("STATE_DIRECTORY", "/var/lib/wcs-agent")
STATUS_SOCKET = os.environ.get("RUNTIME_DIRECTORY", "/run/wcs-agent") + "/status.sock"

INTERVAL = 1.0  # seconds from one measurement to the next
STALE_SECONDS = 3.0  # a reply older than this is not sent any more
SMOOTHING_SECONDS = 5.0  # time constant for rates; counts are never smoothed
RISE = 10  # a graded weight climbs by so many points a sample at most, and falls at once
PAGE_BYTES = 256 * 1024
HEAD_BYTES = 8 * 1024
REASON_CHARS = 100  # HAProxy cuts the whole description at about 127
ADDRESSES = 256  # how many polling addresses are remembered


# --- The statistics page -------------------------------------------------------------------------------------------------------------------------


class StatisticsError(Exception):
    """The statistics page cannot be read; the text says why."""


_HEADER = re.compile(r"-+\s*([A-Za-z]+)")
_INTEGER = re.compile(r"-?[0-9]{1,15}\Z")
_DECIMAL = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,9}\Z")
_PER_STREAM = re.compile(r"([^\s;,]+)/(-?[0-9]{1,15})(?![0-9])")
_PER_STREAM_KEYS = frozenset({"streams_viewers", "streams_synchronization"})


def parse_statistics(text: str) -> dict:
    """Return the page as {section: {key: int | float | str | {stream: int}}}; what does not look like statistics is left out."""
    sections: dict = {}
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("-"):
            header = _HEADER.match(line)
            section = header.group(1).lower() if header else ""
            continue
        key, equals, value = line.partition("=")
        key = key.strip()
        if equals and key.isidentifier():
            sections.setdefault(section, {})[key] = _typed(key, value)
    return sections


def _typed(key: str, value: str):
    if key in _PER_STREAM_KEYS:
        return {stream: int(number) for stream, number in _PER_STREAM.findall(value)}
    first = (value.split(None, 1) or [""])[0]
    if _INTEGER.match(first):
        return int(first)
    if _DECIMAL.match(first):
        return float(first)
    return value.strip()


def number(statistics: dict, key: str):
    """Return a counter of the page from whatever section it is in; None when it is absent, not a number, or negative."""
    for section in statistics.values():
        value = section.get(key)
        if isinstance(value, (int, float)) and value >= 0:
            return value
    return None


def total(statistics: dict, keys):
    """Return the sum of the counters that are there, None when none is."""
    known = [value for value in (number(statistics, key) for key in keys) if value is not None]
    return sum(known) if known else None


def fetch(address: str, port: int, path: str, timeout: float) -> str:
    """Return the body of an HTTP page, in at most `timeout` seconds and PAGE_BYTES."""
    deadline = time.monotonic() + timeout
    host = f"[{address}]" if ":" in address else address
    request = f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode("ascii")
    received = bytearray()
    body, length, chunked = -1, None, False
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as connection:
            connection.settimeout(timeout)
            connection.connect((address, port))
            connection.sendall(request)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise StatisticsError("timed out")
                connection.settimeout(left)
                data = connection.recv(65536)
                received += data
                if body < 0:
                    end = received.find(b"\r\n\r\n")
                    if end >= 0:
                        body = end + 4
                        length, chunked = _read_head(bytes(received[:end]))
                    elif len(received) > HEAD_BYTES:
                        raise StatisticsError("not HTTP")
                if len(received) > PAGE_BYTES:
                    raise StatisticsError(f"larger than {PAGE_BYTES // 1024} KiB")
                # A server may keep the connection open whatever it is asked, so its length counts, not the end of the connection.
                if not data or (body >= 0 and ((length is not None and len(received) - body >= length) or (chunked and received.endswith(b"0\r\n\r\n")))):
                    break
    except socket.timeout:
        raise StatisticsError("timed out") from None
    except ConnectionRefusedError:
        raise StatisticsError("connection refused") from None
    except OSError as error:
        raise StatisticsError((error.strerror or "connection failed").lower()) from None
    if body < 0:
        raise StatisticsError("no answer" if not received else "not HTTP")
    page = bytes(received[body:])
    if length is not None and len(page) < length:
        raise StatisticsError("cut short")
    return (_joined(page) if chunked else page).decode("utf-8", "replace")


def _read_head(head: bytes):
    lines = head.split(b"\r\n")
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3})", lines[0])
    if not status:
        raise StatisticsError("not HTTP")
    if status.group(1) != b"200":
        raise StatisticsError(f"HTTP status {status.group(1).decode('ascii')}")
    fields = {name.strip().lower(): value.strip().lower() for name, _colon, value in (line.partition(b":") for line in lines[1:])}
    length = fields.get(b"content-length", b"")
    return int(length) if re.match(rb"[0-9]{1,9}\Z", length) else None, fields.get(b"transfer-encoding") == b"chunked"


def _joined(chunks: bytes) -> bytes:
    page, position = bytearray(), 0
    while True:
        end = chunks.find(b"\r\n", position)
        size = chunks[position : max(end, position)].split(b";")[0].strip()
        if not re.match(rb"[0-9A-Fa-f]{1,6}\Z", size):
            raise StatisticsError("cut short")
        if int(size, 16) == 0:
            return bytes(page)
        page += chunks[end + 2 : end + 2 + int(size, 16)]
        position = end + 2 + int(size, 16) + 2


# --- Settings ------------------------------------------------------------------------------------------------------------------------------------


class SettingsError(Exception):
    """The settings cannot be used; the text names the setting and what it may be."""


UNITS = {"cpu": "%", "publishers": "", "subscribers": "", "hls": "", "band-in": " Mbps", "band-out": " Mbps", "media-ports-free": ""}
DEFAULT_MARKS = {"cpu": 90, "publishers": 100, "subscribers": 100, "hls": 100, "band-in": 100, "band-out": 100, "media-ports-free": 10}
LOW_WATER = frozenset({"media-ports-free"})  # reached from above

Limits = namedtuple("Limits", "marks margin hold misses graded", defaults=(DEFAULT_MARKS, 2, 5, 2, False))
Settings = namedtuple(
    "Settings", "port bind networks limits cpu interface address http_port path timeout key_in key_out mbps websocket_viewers unit ready_seconds raw"
)

_DEFAULTS = {
    "port": 9707,
    "bind": "",
    "networks": [],
    "limits": DEFAULT_MARKS,
    "hysteresis": {"margin": 2, "hold": 5},
    "graded": False,
    "cpu": "usage",
    "interface": "",
    "statistics": {"address": "127.0.0.1", "port": 8081, "path": "/?action=stat", "timeout": 0.8, "misses": 2},
    "bandwidth": {"in": "", "out": "", "mbps": 1},
    "websocket_viewers": False,
    "unit": "webcallserver",
    "ready_seconds": 6,
}


def make_settings(raw) -> Settings:
    """Check a mapping as the settings file holds it; what it leaves out has its default."""
    _check(isinstance(raw, dict), "the settings", "a mapping")
    given = _merged("", _DEFAULTS, raw)
    statistics = _merged("statistics.", _DEFAULTS["statistics"], given["statistics"])
    bandwidth = _merged("bandwidth.", _DEFAULTS["bandwidth"], given["bandwidth"])
    hysteresis = _merged("hysteresis.", _DEFAULTS["hysteresis"], given["hysteresis"])
    _check(isinstance(given["limits"], dict), "limits", "a mapping")
    for name, mark in given["limits"].items():
        _check(name in UNITS, f"limits.{name}", "one of " + ", ".join(UNITS))
        _check(_within(mark, 0, 1e9) and (mark > 0 or name in LOW_WATER), f"limits.{name}", "a number above 0")
    _check(_whole(given["port"], 1, 65535), "port", "a port number")
    _check(given["bind"] == "" or _family(given["bind"]), "bind", "an IP address, or empty for every address")
    _check(isinstance(given["networks"], list), "networks", "a list")
    _check(given["cpu"] in ("usage", "load"), "cpu", "usage or load")
    _check(_word(given["interface"], r"[^\s/]{0,15}"), "interface", "the name of a network interface, or empty for the one with the default route")
    _check(isinstance(given["graded"], bool), "graded", "true or false")
    _check(isinstance(given["websocket_viewers"], bool), "websocket_viewers", "true or false")
    _check(_word(given["unit"], r"[\w@:.-]{0,200}"), "unit", "the name of a systemd service")
    _check(_within(given["ready_seconds"], 0, 3600), "ready_seconds", "0 to 3600")
    _check(_family(statistics["address"]), "statistics.address", "an IP address")
    _check(_whole(statistics["port"], 1, 65535), "statistics.port", "a port number")
    _check(_word(statistics["path"], r"/[!-~]{0,500}"), "statistics.path", "a path that begins with /")
    _check(_within(statistics["timeout"], 0.05, 2), "statistics.timeout", "0.05 to 2 seconds")
    _check(_whole(statistics["misses"], 1, 60), "statistics.misses", "a whole number, 1 to 60")
    for way in ("in", "out"):
        _check(_word(bandwidth[way], r"([A-Za-z_]\w*)?"), f"bandwidth.{way}", "a key of the statistics page, or empty to measure the interface")
    _check(_within(bandwidth["mbps"], 1e-12, 1e6), "bandwidth.mbps", "the number that turns the key's unit into Mbps")
    _check(_within(hysteresis["margin"], 0, 50), "hysteresis.margin", "0 to 50 percent")
    _check(_within(hysteresis["hold"], 0, 3600), "hysteresis.hold", "0 to 3600 seconds")
    limits = Limits(dict(given["limits"]), hysteresis["margin"], hysteresis["hold"], statistics["misses"], given["graded"])
    return Settings(
        given["port"],
        given["bind"],
        tuple(parse_network(text) for text in given["networks"]),
        limits,
        given["cpu"],
        given["interface"],
        statistics["address"],
        statistics["port"],
        statistics["path"],
        statistics["timeout"],
        bandwidth["in"],
        bandwidth["out"],
        bandwidth["mbps"],
        given["websocket_viewers"],
        given["unit"],
        given["ready_seconds"],
        raw,
    )


def load_settings(path: str) -> Settings:
    """Read the settings file."""
    try:
        with open(path, encoding="utf-8") as file:
            return make_settings(json.load(file))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not JSON: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def parse_network(text) -> tuple:
    """Return (address family, network number, host bits) of `192.0.2.0/24`, `2001:db8::/32` or a single address."""
    address, slash, prefix = text.partition("/") if isinstance(text, str) else ("", "", "")
    family = _family(address)
    _check(family and (not slash or re.match(r"[0-9]{1,3}\Z", prefix)), f"networks: {text!r}", "an IPv4 or IPv6 address or network")
    size = 32 if family == socket.AF_INET else 128
    bits = size - (int(prefix) if slash else size)
    _check(bits >= 0, f"networks: {text!r}", f"a network with a prefix of at most {size}")
    return family, _value(family, address) >> bits, bits


def in_networks(networks, address: str) -> bool:
    """Say whether an IP address is in one of the parsed networks."""
    family = _family(address)
    if not family:
        return False
    value = _value(family, address)
    return any(family == of and value >> bits == network for of, network, bits in networks)


def _family(address):
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
            return family
        except (OSError, TypeError, ValueError):
            continue
    return None


def _value(family, address: str) -> int:
    return int.from_bytes(socket.inet_pton(family, address), "big")


def _merged(prefix: str, defaults: dict, given) -> dict:
    _check(isinstance(given, dict), prefix.rstrip(".") or "the settings", "a mapping")
    for name in given:
        _check(name in defaults, f"{prefix}{name}", "one of " + ", ".join(defaults))
    return {**defaults, **given}


def _check(good, name: str, wanted: str) -> None:
    if not good:
        raise SettingsError(f"{name} must be {wanted}")


def _within(value, low, high) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _whole(value, low, high) -> bool:
    return isinstance(value, int) and _within(value, low, high)


def _word(value, pattern: str) -> bool:
    return isinstance(value, str) and re.match(pattern + r"\Z", value) is not None


LOOPBACK = (parse_network("127.0.0.0/8"), parse_network("::1"))  # always allowed: the operator's own look at the port


# --- Measurement ---------------------------------------------------------------------------------------------------------------------------------

Reading = namedtuple("Reading", "values at error", defaults=("",))  # values: name -> number or None; error: why the statistics page is unreadable

PUBLISHERS = ("streams_webrtc_in", "streams_rtmp_in", "streams_rtsp_in", "streams_rtmfp_in")
SUBSCRIBERS = ("streams_webrtc_out", "streams_rtmp_out", "streams_rtsp_out", "streams_rtmfp_out")
MEDIA_PORTS = ("ports_media_free", "ports_media_busy", "ports_media_quarantine")


def count(statistics: dict, websocket_viewers: bool = False) -> dict:
    """Return what the statistics page says about the limits; None for what it does not say."""
    viewers = ("streams_websocket_out",) if websocket_viewers else ()
    counts = {"publishers": total(statistics, PUBLISHERS), "subscribers": total(statistics, SUBSCRIBERS + viewers), "hls": number(statistics, "streams_hls")}
    if all(value is None for value in counts.values()):
        raise StatisticsError("no stream counters in it")
    counts["media-ports-free"] = number(statistics, MEDIA_PORTS[0])
    counts["media-ports"] = total(statistics, MEDIA_PORTS)
    return counts


def parse_cpu(text: str) -> tuple:
    """Return (busy, total) jiffies of the machine from /proc/stat. Guest time is in user time already; stolen time is not ours to use, so it is busy."""
    fields = [int(field) for field in text.split("\n", 1)[0].split()[1:9]]
    return sum(fields) - sum(fields[3:5]), sum(fields)


def parse_devices(text: str, interface: str):
    """Return (received, sent) bytes of one interface from /proc/net/dev, None when it is not there."""
    for line in text.splitlines():
        name, _colon, fields = line.partition(":")
        if name.strip() == interface:
            fields = fields.split()
            return int(fields[0]), int(fields[8])
    return None


def default_interface(routes: str, routes6: str) -> str:
    """Return the interface of the best default route (IPv4's, otherwise IPv6's) from /proc/net/route and /proc/net/ipv6_route; empty without one."""
    found = []
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and int(fields[3], 16) & 1:
            found.append((int(fields[6]), fields[0]))
    if not found:
        for line in routes6.splitlines():
            fields = line.split()
            if len(fields) > 9 and fields[0] == "0" * 32 and fields[1] == "00" and fields[9] != "lo" and int(fields[8], 16) & 1:
                found.append((int(fields[5], 16), fields[9]))
    return min(found)[1] if found else ""


def _read(path: str) -> str:
    """Return the text of a kernel file, or as much of it as is of interest; empty when it cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    text = b""
    try:
        while len(text) < PAGE_BYTES:
            part = os.read(file, 65536)  # the kernel hands out a page or so at a time
            if not part:
                break
            text += part
    except OSError:
        return ""
    finally:
        os.close(file)
    return text.decode("ascii", "replace")


def cpu_limit(group: str, machine: int):
    """Return (CPUs a control group may use, file with its use, seconds per unit of it), None when it may use the whole machine."""
    cpus, usage, unit = float(machine), "", 0.0
    quota = _read(f"/sys/fs/cgroup{group}/cpu.max").split()
    if quota:
        usage, unit = f"/sys/fs/cgroup{group}/cpu.stat", 1e-6
    else:
        quota = [_read(f"/sys/fs/cgroup/cpu{group}/cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        usage, unit = f"/sys/fs/cgroup/cpuacct{group}/cpuacct.usage", 1e-9
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():
        cpus = min(cpus, int(quota[0]) / int(quota[1]))
    pinned = _read(f"/sys/fs/cgroup{group}/cpuset.cpus.effective") or _read(f"/sys/fs/cgroup/cpuset{group}/cpuset.effective_cpus")
    cpus = min(cpus, count_cpus(pinned) or cpus)
    return (cpus, usage, unit) if 0 < cpus < machine else None


def count_cpus(ranges: str) -> int:
    """Return how many CPUs a list like `0-3,7` names."""
    bounds = [part.split("-") for part in ranges.strip().split(",") if part]
    return sum(int(bound[-1]) - int(bound[0]) + 1 for bound in bounds)


class Meter:
    """Measures. `memory` holds what one measurement leaves for the next, in plain values."""

    REFRESH_SECONDS = 30  # routes and limits of control groups are looked up so often

    def __init__(self, settings: Settings, memory=None):
        self.settings = settings
        self.memory = memory if memory is not None else {}
        self.statistics: dict = {}
        self.problems: list = []
        self.interface = ""
        self.groups: list = []
        self._looked_up = None

    def read(self) -> Reading:
        """Take one measurement."""
        now = time.monotonic()
        self.problems = []
        if self._looked_up is None or now - self._looked_up >= self.REFRESH_SECONDS:
            self._look_up()
            self._looked_up = now
        values, error = {}, ""
        values["cpu"] = self._load() if self.settings.cpu == "load" else self._usage(now)
        values["band-in"], values["band-out"] = self._traffic(now)
        try:
            self.statistics = parse_statistics(fetch(self.settings.address, self.settings.http_port, self.settings.path, self.settings.timeout))
            values.update(count(self.statistics, self.settings.websocket_viewers))
        except StatisticsError as problem:
            self.statistics, error = {}, str(problem)
        for name, key in (("band-in", self.settings.key_in), ("band-out", self.settings.key_out)):
            if key and error:
                values[name] = None
            elif key:
                self._reported(values, name, key)
        for name in self.settings.limits.marks:
            if values.get(name) is None and not error and (name not in RATES or self.memory.get("at") is not None):
                self.problems.append(f"{name} is not known, so its limit is not watched")
        self.memory["at"] = now
        return Reading(values, time.monotonic(), error)

    def prime(self) -> None:
        """Lay the ground for rates: without a measurement before, the first one has none."""
        self._look_up()
        now = time.monotonic()
        self._usage(now)
        self._traffic(now)
        self.memory["smooth cpu"] = [min(100.0, self._load()), now]  # the first fraction of a second alone would be noise

    def _look_up(self) -> None:
        machine = os.cpu_count() or 1
        unit = self.settings.unit
        names = ["", "/system.slice"] + ([f"/system.slice/{unit if '.' in unit else unit + '.service'}"] if unit else [])
        limits = [(name, cpu_limit(name, machine)) for name in names]
        self.groups = [(name, *limit) for name, limit in limits if limit]
        self.interface = self.settings.interface or default_interface(_read("/proc/net/route"), _read("/proc/net/ipv6_route"))

    def _load(self):
        cpus = min([os.cpu_count() or 1] + [group[1] for group in self.groups])
        return 100 * os.getloadavg()[0] / cpus

    def _usage(self, now: float):
        """Return the CPU use in percent of the machine or of what a control group may use, whichever is nearer to its end."""
        busy, jiffies = parse_cpu(_read("/proc/stat") or "cpu 0 0 0 0 0 0 0 0")
        shares = [self._rate("machine", busy, jiffies)]
        for name, cpus, usage, unit in self.groups:
            text = _read(usage)
            used = text.split()[1] if text.startswith("usage_usec") else text.strip()
            if used.isdigit():
                shares.append(self._rate(f"group {name}", int(used) * unit, now * cpus))
        known = [100 * share for share in shares if share is not None]
        return self._smooth("cpu", min(100.0, max(known)), now) if known else None

    def _traffic(self, now: float) -> tuple:
        """Return the Mbps received and sent by the interface."""
        counters = parse_devices(_read("/proc/net/dev"), self.interface)
        if counters is None:
            return None, None
        rates = []
        for way, counter in zip(("in", "out"), counters):
            rate = self._rate(f"{self.interface} {way}", counter, now)
            rates.append(None if rate is None else self._smooth(f"band-{way}", rate * 8 / 1e6, now))
        return rates[0], rates[1]

    def _reported(self, values: dict, name: str, key: str) -> None:
        value = number(self.statistics, key)
        if value is None:
            self.problems.append(f"the statistics page has no number {key}, so {name} is that of the interface {self.interface or '(none)'}")
        else:
            values[name] = value * self.settings.mbps

    def _rate(self, name: str, value: float, clock: float):
        """Return the change of a counter per unit of its clock since the last measurement; None on the first one and when a counter began anew."""
        before = self.memory.get(name)
        self.memory[name] = [value, clock]
        if before is None or clock <= before[1] or value < before[0]:
            return None
        return (value - before[0]) / (clock - before[1])

    def _smooth(self, name: str, value: float, now: float) -> float:
        before = self.memory.get(f"smooth {name}")
        if before is not None and now > before[1]:
            value = before[0] + (value - before[0]) * -math.expm1((before[1] - now) / SMOOTHING_SECONDS)
        self.memory[f"smooth {name}"] = [value, now]
        return value


RATES = frozenset({"cpu", "band-in", "band-out"})


# --- Decision ------------------------------------------------------------------------------------------------------------------------------------

# hits: limit -> since when it is reached; misses: unreadable statistics pages in a row; readable: whether they are few enough to go on
Verdict = namedtuple("Verdict", "state weight reasons since hits misses readable")


def decide(limits: Limits, reading: Reading, previous=None) -> Verdict:
    """Judge one reading. A limit is reached at its mark, and left below it by the margin once it was held for the minimum time."""
    misses = 0
    if reading.error:  # at the start nothing good is known that an unreadable page could be forgiven for
        misses = previous.misses + 1 if previous else limits.misses
    readable = misses < limits.misses
    reasons = [] if readable else [f"statistics unreadable: {reading.error}"]
    hits = {}
    for name, mark in limits.marks.items():
        since = previous.hits.get(name) if previous else None
        reason = _judge(limits, name, mark, reading, since)
        if reason:
            hits[name] = reading.at if since is None else since
            reasons.append(reason)
    state = "down" if reasons else "up"
    since = previous.since if previous and previous.state == state else reading.at
    return Verdict(state, _weigh(limits, reading, state, previous), tuple(reasons), since, hits, misses, readable)


def _judge(limits: Limits, name: str, mark, reading: Reading, since) -> str:
    """Return why a limit counts as reached, empty when it does not."""
    value = reading.values.get(name)
    low = name in LOW_WATER
    if value is None:
        return f"{name} was reached" if since is not None and reading.error else ""
    if value <= mark if low else value >= mark:
        return f"{name} {_brief(value)}{'<=' if low else '>='}{_brief(mark)}"
    if since is None:
        return ""
    leave = leave_at(limits, name, mark)
    if value <= leave if low else value >= leave:
        return f"{name} {_brief(value)} not yet {'>' if low else '<'}{_brief(leave)}"
    return f"{name} {_brief(value)} held" if reading.at - since < limits.hold else ""


def leave_at(limits: Limits, name: str, mark):
    """Return the value beyond which a reached limit may be left."""
    return mark * (1 + limits.margin / 100 if name in LOW_WATER else 1 - limits.margin / 100)


def _weigh(limits: Limits, reading: Reading, state: str, previous):
    """Return the weight in percent: the least headroom of all limits, 0 when down; None when weights are not graded."""
    if not limits.graded:
        return None
    if state == "down":
        return 0
    headrooms = [1.0]
    for name, mark in limits.marks.items():
        value = reading.values.get(name)
        if value is None:
            continue
        if name in LOW_WATER:
            ports = reading.values.get("media-ports") or value
            headrooms.append((value - mark) / (ports - mark) if ports > mark else 1.0)
        else:
            headrooms.append(1 - value / mark)
    weight = max(1, min(100, round(100 * min(headrooms))))
    if previous and previous.weight is not None:
        weight = min(weight, previous.weight + (0 if reading.error else RISE))
    return max(1, weight)


def _brief(value) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def reply(verdict: Verdict, drain=None, ready: bool = False) -> bytes:
    """Return the line for HAProxy. It is always the complete state: health, weight, and a word for the drain or its end."""
    # Load never overrides a drain, and sticky clients are served during it; only a node that cannot serve them is down as well.
    state = ("up" if verdict.readable else "down") if drain is not None else verdict.state
    words = [state]
    if drain is not None:
        words.append("drain")
    elif ready:
        words.append("ready")
    reasons = list(verdict.reasons)
    if state == "up":
        words.append(f"{100 if verdict.weight is None else verdict.weight or 1}%")
    elif verdict.weight is not None:
        words.append("0%")
    if drain is not None:
        reasons = [f"drained: {drain}" if drain else "drained"] + reasons
    if reasons:
        words.append("#" + describe(", ".join(reasons)))  # the blank before the # matters: HAProxy takes no state from `down#reason`
    return " ".join(words).encode("ascii") + b"\n"


def describe(text: str) -> str:
    """Return a text as HAProxy can show it: one line of plain ASCII, not too long."""
    plain = " ".join("".join(char if " " <= char <= "~" and char not in '"#\\' else " " for char in text).split())
    return plain if len(plain) <= REASON_CHARS else plain[: REASON_CHARS - 3].rstrip() + "..."


# --- The agent -----------------------------------------------------------------------------------------------------------------------------------


class Agent:
    """What one process knows: measures and publishes on `tick`, and answers polls from what was published.

    `tick` runs in one thread, `answer` in others. They share whole objects that are replaced in one assignment, and dictionaries changed one key at a time.
    """

    def __init__(self, settings: Settings, directory: str = STATE_DIRECTORY, log=None):
        self.settings = settings
        self.directory = directory
        self.meter = Meter(settings)
        self.reading = Reading({}, time.monotonic(), "not measured yet")
        self.verdict = None
        self.drain = None  # the operator's order: {"reason", "since", "until"}
        self.saw: dict = {}  # address that saw our drain -> [first `ready` sent to it, how many]
        self.polls: dict = {}  # address -> [how many, when last]
        self.refused: dict = {}  # the same for addresses outside the allowed networks
        self.problems: list = []
        self._log = log or (lambda line: None)
        self._published = None
        self._peers: dict = {}  # address as the socket tells it -> (plain address, whether it may ask)
        self._order_stamp = None
        self._unsaved = False
        self._trouble: dict = {}
        self._logged = (None, [])

    # Measuring side

    def tick(self, fresh_for: float = 0.0) -> None:
        """Measure, decide, publish. A measurement that is younger than `fresh_for` is not taken anew."""
        if self.verdict is None or time.monotonic() - self.reading.at >= fresh_for:
            self.reading = self.meter.read()
            self.verdict = decide(self.settings.limits, self.reading, self.verdict)
        self.drain = self._read_order(time.time())
        self._publish()
        if self._unsaved:
            self._unsaved = False
            self.save()
        self.problems = self.meter.problems + list(self._trouble.values())
        self._report()

    def warm_up(self) -> None:
        """Lay the ground for the first tick, unless an earlier process did."""
        if self.verdict is None:
            self.meter.prime()
            time.sleep(0.2)

    def reload(self, path: str) -> None:
        """Take new settings; bad ones leave the old in force."""
        try:
            settings = load_settings(path)
        except SettingsError as error:
            self._trouble["settings"] = f"the old settings stay in force: {error}"
            return
        self._trouble.pop("settings", None)
        self.adopt(settings)
        self._log("settings reloaded")

    def adopt(self, settings: Settings) -> None:
        """Go on with other settings, keeping what was measured."""
        self.meter = Meter(settings, self.meter.memory)
        self.settings = settings
        self._peers = {}

    def _publish(self) -> None:
        order, verdict = self.drain, self.verdict
        reason = None if order is None else order["reason"]
        stale = "down" + (" drain" if order else "") + (" 0%" if self.settings.limits.graded else "") + " #stale: nothing measured for "
        self._published = (time.monotonic(), reply(verdict, reason), reply(verdict, reason, ready=True), stale, order is not None)

    def _read_order(self, now: float):
        """Return the operator's drain order when there is one; it is read again only when its file changes."""
        path = os.path.join(self.directory, "drain.json")
        try:
            status = os.stat(path)
        except FileNotFoundError:
            self._trouble.pop("drain", None)
            self._order_stamp = None
            return None
        except OSError as error:
            self._trouble["drain"] = f"{path} cannot be looked at: {error.strerror}"
            return self.drain
        order = self.drain
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp != self._order_stamp:
            self._order_stamp = stamp
            order = parse_order(_read_text(path))
        if order is not None and order["until"] is not None and now >= order["until"]:
            try:
                os.unlink(path)  # a clock that is set back must not bring an ended drain back
            except OSError as error:
                self._trouble["drain"] = f"{path} has ended and cannot be removed: {error.strerror}"
            return None
        return order

    def _report(self) -> None:
        state, problems = self._logged
        now = "drained" if self.drain is not None else self.verdict.state
        if now != state:
            self._log(f"{now}: {self.line()}")
        for problem in self.problems:
            if problem not in problems:
                self._log(f"problem: {problem}")
        self._logged = (now, self.problems)

    # Answering side

    def answer(self, peer: str, now: float):
        """Return the bytes for one poll, None for an address that may not ask."""
        address, allowed = self._peers.get(peer) or self._introduce(peer)
        entry = (self.polls if allowed else self.refused).setdefault(address, [0, now])
        entry[0] += 1
        entry[1] = now
        if not allowed:
            return None
        at, normal, ready, stale, drained = self._published
        if now - at > STALE_SECONDS:
            return f"{stale}{now - at:.0f} s\n".encode("ascii")
        if drained:
            if self.saw.get(address) != [None, 0]:
                if len(self.saw) >= ADDRESSES:
                    self.saw.pop(next(iter(self.saw)), None)
                self.saw[address] = [None, 0]
                self._unsaved = True
        elif address in self.saw:
            return ready if self._undoing(address, now) else normal
        return normal

    def _introduce(self, peer: str) -> tuple:
        """Return the address of a peer and whether it may ask, and remember that for its next poll."""
        address = plain_address(peer)
        allowed = in_networks(LOOPBACK, address) or in_networks(self.settings.networks, address)
        for table in (self._peers, self.polls, self.refused):
            if len(table) >= ADDRESSES:
                table.pop(next(iter(table)), None)
        self._peers[peer] = address, allowed
        return address, allowed

    def _undoing(self, address: str, now: float) -> bool:
        """Say whether an address that saw the drain is still to hear `ready`.

        A balancer may poll from several server lines, each with a state of its own that only its own `ready` ends, and an answer may be lost. So the word
        is sent at least twice and for as long as the settings say.
        """
        entry = self.saw[address]
        if entry[0] is None:
            entry[0] = now
        elif entry[1] >= 2 and now - entry[0] >= self.settings.ready_seconds:
            self.saw.pop(address, None)
            self._unsaved = True
            return False
        entry[1] += 1
        return True

    def line(self) -> str:
        """Return the reply as a person reads it."""
        return self._published[1].decode("ascii").rstrip("\n")

    # What outlives the process

    def load(self, announced: bool = False) -> None:
        """Take up what an earlier process left. After a reboot only who saw the drain still counts.

        `announced` says that what it logged need not be logged again.
        """
        now = time.monotonic()
        try:
            state = json.loads(_read_text(os.path.join(self.directory, "state.json")) or "{}")
            same_boot = state.get("boot") == boot_id()
            self.saw = {str(address): [first, int(times)] if same_boot else [None, 0] for address, (first, times) in state.get("saw", {}).items()}
            if same_boot and 0 <= now - state["at"] <= 60:
                self.polls = {str(address): [int(times), float(last)] for address, (times, last) in state["polls"].items()}
                self.meter.memory = dict(state["memory"])
                self.verdict = Verdict(**state["verdict"]) if state["verdict"] else None
                if announced:
                    self._logged = (state["logged"], list(state["problems"]))
                self.reading = Reading(state["values"], state["at"], state["error"])
                self.meter.statistics = state["statistics"]
        except (ValueError, KeyError, TypeError, AttributeError):
            self._trouble["state"] = "the saved state is damaged and was left out"

    def save(self) -> None:
        """Leave what the next process needs."""
        path = os.path.join(self.directory, "state.json")
        state = {
            "boot": boot_id(),
            "at": self.reading.at,
            "saw": dict(self.saw),
            "polls": dict(self.polls),
            "memory": self.meter.memory,
            "verdict": self.verdict._asdict() if self.verdict else None,
            "values": self.reading.values,
            "error": self.reading.error,
            "statistics": self.meter.statistics,
            "logged": self._logged[0],
            "problems": self._logged[1],
            "settings": self.settings.raw,
        }
        try:
            replace_file(path, json.dumps(state))
            self._trouble.pop("save", None)
            self._trouble.pop("state", None)
        except OSError as error:
            self._unsaved = True  # the next tick tries again
            self._trouble["save"] = f"{path} cannot be written: {error.strerror}"

    def status(self) -> dict:
        """Return all there is to know, in plain values."""
        now, clock = time.monotonic(), time.time()
        limits, verdict, reading = self.settings.limits, self.verdict, self.reading

        def moment(at):
            return None if at is None else utc(clock - (now - at))

        def seen(table):
            return {address: {"polls": times, "last": moment(last)} for address, (times, last) in sorted(dict(table).items())}

        return {
            "state": "drained" if self.drain is not None else verdict.state,
            "reply": self.line(),
            "since": moment(verdict.since),
            "age": round(now - self._published[0], 3),
            "weight": verdict.weight,
            "reasons": list(verdict.reasons),
            "limits": {
                name: {
                    "limit": mark,
                    "value": _rounded(reading.values.get(name)),
                    "unit": UNITS[name].strip(),
                    "leave": _rounded(leave_at(limits, name, mark)),
                    "reached": name in verdict.hits,
                    "since": moment(verdict.hits.get(name)),
                }
                for name, mark in limits.marks.items()
            },
            "margin": limits.margin,
            "hold": limits.hold,
            "graded": limits.graded,
            "drain": None if self.drain is None else {"reason": self.drain["reason"], "since": utc(self.drain["since"]), "until": utc(self.drain["until"])},
            "ready_for": [] if self.drain is not None else sorted(dict(self.saw)),
            "saw_drain": sorted(dict(self.saw)) if self.drain is not None else [],
            "polls": seen(self.polls),
            "refused": seen(self.refused),
            "interface": self.meter.interface,
            "values": {name: _rounded(value) for name, value in reading.values.items()},
            "problems": list(self.problems),
            "statistics_error": reading.error,
            "statistics": self.meter.statistics,
        }


def parse_order(text: str) -> dict:
    """Return a drain order. One that cannot be read still drains: the file is there because somebody wanted it."""
    try:
        order = json.loads(text or "{}")
        reason, since, until = order.get("reason") or "", order.get("since"), order.get("until")
        times = [moment for moment in (since, until) if moment is not None]
        if isinstance(reason, str) and all(_within(moment, 0, 1e11) for moment in times):
            return {"reason": reason, "since": since, "until": until}
    except (ValueError, AttributeError):
        pass
    return {"reason": "order unreadable", "since": None, "until": None}


def plain_address(peer: str) -> str:
    """Return a peer's address without its scope, and IPv4 in its own form."""
    address = peer.partition("%")[0]
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id").strip()


def utc(moment):
    """Return seconds since the epoch as ISO 8601, None for none."""
    return None if moment is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def replace_file(path: str, text: str, mode: int = 0o644, durable: bool = False) -> None:
    """Write a file so that readers see the old or the new one, whole."""
    temporary = f"{path}.{os.getpid()}.{time.time_ns()}"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if durable:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(PAGE_BYTES)
    except OSError:
        return ""


def _rounded(value):
    return round(value, 2) if isinstance(value, float) else value


# --- Serving -------------------------------------------------------------------------------------------------------------------------------------


def listen(bind: str, port: int) -> socket.socket:
    """Return a listening socket; an empty address means every one of both families."""
    if bind:
        return _bound(_family(bind), bind, port)
    try:
        return _bound(socket.AF_INET6, "::", port)
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        return _bound(socket.AF_INET, "0.0.0.0", port)  # a kernel without IPv6


def _bound(family, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # A reload that changes the address opens the new socket while the old one still listens.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
        listener.bind((address, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def send(descriptor: int, answer) -> None:
    """Send a reply, which always fits the buffer of a new socket, and close; a client is never waited for."""
    try:
        if answer:
            os.write(descriptor, answer)
    except OSError:
        pass  # the client has gone
    finally:
        os.close(descriptor)


def serve(listener: socket.socket, agent: Agent) -> None:
    """Answer polls until the listener is shut down."""
    accept, answer, clock = listener._accept, agent.answer, time.monotonic  # descriptors will do: a socket object for each poll would double what a poll costs
    while True:
        try:
            descriptor, peer = accept()
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EBADF):
                return
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                time.sleep(0.05)
            continue
        send(descriptor, answer(peer[0], clock()))


def serve_status(listener: socket.socket, agent: Agent) -> None:
    """Tell whoever asks on this host."""
    while True:
        connection, _peer = listener.accept()
        with connection:
            connection.settimeout(1)
            try:
                connection.sendall(json.dumps(agent.status()).encode("ascii"))
            except OSError:
                continue


def notify(text: str) -> None:
    """Tell the service manager, when there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            try:
                manager.sendto(text.encode("utf-8"), socket.MSG_DONTWAIT, "\0" + address[1:] if address.startswith("@") else address)
            except OSError:
                return


class Daemon:
    """The agent as a service: the main thread measures, one thread for each socket answers, one waits for signals."""

    SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)

    def __init__(self):
        self.agent = Agent(load_settings(SETTINGS), STATE_DIRECTORY, self._log)
        self.listener = self.thread = self.bound = None
        self.signals, self.signalled = os.pipe()
        self.told = None  # when the watchdog was last told, and how often it wants to be
        self.telling = int(os.environ.get("WATCHDOG_USEC") or 0) / 3e6

    def run(self) -> None:
        """Serve until SIGTERM."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)  # inherited by the threads: a signal never interrupts an answer
        self._thread(self._take_signals)
        self.agent.load()
        self.agent.warm_up()
        self.agent.tick()  # before listening, so that the first answer is a measured one
        self._listen()
        with self._status_listener() as status:
            self._thread(serve_status, status, self.agent)
            notify("READY=1")
            self._loop()
            notify("STOPPING=1")
        self.listener.shutdown(socket.SHUT_RDWR)
        self.agent.save()

    def _loop(self) -> None:
        deadline = time.monotonic() + INTERVAL
        while True:
            # not a queue or a lock with a timeout: before Python 3.11 those wait by the wall clock, and would stand still when it is set back
            if not select.select([self.signals], [], [], max(0, deadline - time.monotonic()))[0]:
                deadline = max(deadline, time.monotonic()) + INTERVAL
                self.agent.tick()
                if not self.thread.is_alive():
                    raise RuntimeError("the serving thread has ended")
                self._tell_watchdog()
            elif os.read(self.signals, 1)[0] == signal.SIGHUP:
                self._reload()
            else:
                return

    def _take_signals(self) -> None:
        while True:
            # not sigtimedwait(), which in CPython may return rubbish after its process was stopped and continued
            os.write(self.signalled, bytes([signal.sigwait(self.SIGNALS)]))

    def _tell_watchdog(self) -> None:
        now = time.monotonic()
        if self.telling and (self.told is None or now - self.told >= self.telling):
            self.told = now
            notify("WATCHDOG=1")

    def _reload(self) -> None:
        self.agent.reload(SETTINGS)
        if self.bound != (self.agent.settings.bind, self.agent.settings.port):
            old = self.listener
            try:
                self._listen()
            except OSError as error:
                self._log(f"problem: cannot listen on the new address, the old one stays: {error.strerror}")
                return
            old.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        settings = self.agent.settings
        self.listener = listen(settings.bind, settings.port)
        self.bound = settings.bind, settings.port
        self.thread = self._thread(serve, self.listener, self.agent)

    @staticmethod
    def _thread(target, *arguments) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        return thread

    def _status_listener(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.exists(STATUS_SOCKET):
            os.unlink(STATUS_SOCKET)  # an agent that was killed leaves it
        listener.bind(STATUS_SOCKET)
        os.chmod(STATUS_SOCKET, 0o666)  # it only tells
        listener.listen(8)
        return listener

    @staticmethod
    def _log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        notify(f"STATUS={line}")


def answer_inetd() -> None:
    """Answer the one connection that xinetd has accepted and put on the standard streams.

    The processes of successive polls share one state file under a lock: the first poll in a second measures, with rates since the poll before, and the
    others answer from that. Nothing may reach the balancer but the reply, so the standard streams are closed to it and the log goes to syslog.
    """
    import syslog

    syslog.openlog("wcs-agent", syslog.LOG_PID, syslog.LOG_DAEMON)
    with socket.socket(fileno=os.dup(0)) as connection:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        try:
            peer = connection.getpeername()[0]
        except OSError:
            return  # gone already
        try:
            settings = load_settings(SETTINGS)
        except SettingsError as error:
            syslog.syslog(syslog.LOG_ERR, f"problem: {error}")
            settings = last_settings(STATE_DIRECTORY)
        if settings is None:
            send(connection.detach(), b"\n")  # nothing is known: an empty line changes nothing in HAProxy
            return
        with locked(STATE_DIRECTORY):
            agent = Agent(settings, STATE_DIRECTORY, syslog.syslog)
            agent.load(announced=True)
            agent.warm_up()
            agent.tick(fresh_for=INTERVAL)
            line = agent.answer(peer, time.monotonic())
            agent.save()
        send(connection.detach(), line)


class locked:
    """Hold the lock of the state directory; without one that can be written everybody is on his own."""

    def __init__(self, directory: str):
        self.path = os.path.join(directory, "lock")
        self.file = None

    def __enter__(self):
        import fcntl

        try:
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self.file, fcntl.LOCK_EX)  # a holder keeps it for one measurement at most, which is bounded
        except OSError:
            return

    def __exit__(self, *_exception):
        if self.file is not None:
            os.close(self.file)


def last_settings(directory: str):
    """Return the settings that were last in force, None when nobody knows."""
    try:
        return make_settings(json.loads(_read_text(os.path.join(directory, "state.json")))["settings"])
    except (ValueError, KeyError, TypeError, SettingsError):
        return None


# --- The command ---------------------------------------------------------------------------------------------------------------------------------


class UsageError(Exception):
    """The command cannot do what it was asked; the text says why."""


def main(arguments) -> int:
    """Run the command and return its exit status."""
    try:
        if arguments in (["serve"], ["serve", "--inetd"]):  # these need no parser, which would stay in memory or cost time at every poll
            return command_serve("--inetd" in arguments)
        options = _parser().parse_args(arguments)
        return options.command(options)
    except (UsageError, SettingsError) as error:
        print(f"wcs-agent: {error}", file=sys.stderr)
        return 2


def _parser():
    import argparse

    parser = argparse.ArgumentParser(prog="wcs-agent", description="HAProxy agent of a Web Call Server node.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text):
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=function)
        return added

    serving = command("serve", lambda options: command_serve(options.inetd), "answer balancers until told to stop")
    serving.add_argument("--inetd", action="store_true", help="answer the one connection on standard input, as xinetd hands it over")
    command("status", command_status, "tell state, limits, drain and who polled when").add_argument("--json", action="store_true")
    check = command("check", command_check, "measure once and print the reply; exit status 0 for up, 1 for down")
    check.add_argument("limits", nargs="*", metavar="LIMIT VALUE", help="such as: cpu 70 publishers 50 (default: the limits of the settings file)")
    drain = command("drain", command_drain, "keep new sessions away from this node until undrain; survives restart and reboot")
    drain.add_argument("--reason", default="", help="shown in HAProxy's statistics and in the status")
    drain.add_argument("--until", type=str, help="when the drain ends by itself: 90s, 30m, 2h, 1d, or 2026-12-31T23:00 (local time)")
    command("undrain", command_undrain, "end the drain")
    command("validate", command_validate, "check a settings file").add_argument("file")
    return parser


def command_serve(inetd: bool) -> int:
    if inetd:
        answer_inetd()
        return 0
    try:
        Daemon().run()
    except OSError as error:
        print(f"wcs-agent: {error}", file=sys.stderr)
        return 1
    return 0


def command_status(options) -> int:
    status = _ask(STATUS_SOCKET)
    if status is None:
        agent = Agent(_settings(), STATE_DIRECTORY)
        agent.load()
        agent.warm_up()
        agent.tick(fresh_for=INTERVAL)
        status = {"running": False, **agent.status()}
    print(json.dumps(status, indent=2) if options.json else as_text(status))
    return 0


def _ask(path: str):
    """Return the status of the running agent, None when none runs."""
    answer = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        try:
            connection.connect(path)
            while True:
                data = connection.recv(65536)
                if not data:
                    break
                answer += data
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise UsageError(f"the agent does not tell its status: {error}") from error
    return {"running": True, **json.loads(answer.decode("ascii"))}


def as_text(status: dict) -> str:
    """Return a status for people."""
    lines = [
        f"reply    {status['reply']}",
        f"state    {status['state']} since {status['since']}" + ("" if status["running"] else " (measured now: no agent is running as a service)"),
    ]
    drain = status["drain"]
    if drain:
        until = drain["until"] or "undrain"
        lines.append(f"drain    {drain['reason'] or 'no reason given'}; since {drain['since'] or 'unknown'}, until {until}")
    if status["ready_for"]:
        lines.append("ready    still to be told the end of the drain: " + ", ".join(status["ready_for"]))
    lines += ["", f"{'limit':<17}{'value':>10} {'of':>10}   {'leave at':>8}  reached since"]
    for name, limit in status["limits"].items():
        value = "unknown" if limit["value"] is None else limit["value"]
        lines.append(f"{name:<17}{value:>10} {limit['limit']:>10}   {limit['leave']:>8}  {limit['since'] or '-'} {limit['unit']}".rstrip())
    lines += ["", f"{'polled by':<42}{'polls':>8}  last"]
    lines += [f"{address:<42}{poll['polls']:>8}  {poll['last']}" for address, poll in status["polls"].items()]
    lines += [f"{address:<42}{poll['polls']:>8}  {poll['last']}  refused: not in the allowed networks" for address, poll in status["refused"].items()]
    if status["statistics_error"]:
        lines += ["", f"statistics unreadable: {status['statistics_error']}"]
    lines += [f"problem: {problem}" for problem in status["problems"]]
    return "\n".join(lines)


def command_check(options) -> int:
    settings = _settings()
    marks = _pairs(options.limits) if options.limits else settings.limits.marks
    settings = settings._replace(limits=settings.limits._replace(marks=marks, graded=False))
    meter = Meter(settings)
    meter.prime()
    time.sleep(0.5)
    reading = meter.read()
    verdict = decide(settings.limits, reading)
    for problem in meter.problems:
        print(f"problem: {problem}", file=sys.stderr)
    print(reply(verdict).decode("ascii"), end="")
    return 0 if verdict.state == "up" else 1


def _pairs(words) -> dict:
    """Return the limits of a command line such as `cpu 70 publishers 50`."""
    try:
        marks = {name: float(value) if "." in value else int(value) for name, value in zip(words[::2], words[1::2])}
    except ValueError:
        raise UsageError("a limit's value must be a number") from None
    if len(words) % 2:
        raise UsageError(f"{words[-1]} has no value")
    return make_settings({"limits": marks}).limits.marks


def command_drain(options) -> int:
    now = time.time()
    order = {"reason": describe(options.reason), "since": now, "until": None if options.until is None else parse_until(options.until, now)}
    path = os.path.join(STATE_DIRECTORY, "drain.json")
    try:
        replace_file(path, json.dumps(order), durable=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    print("drained" + (f" until {utc(order['until'])}" if order["until"] else ""))
    return 0


def command_undrain(_options) -> int:
    path = os.path.join(STATE_DIRECTORY, "drain.json")
    try:
        os.unlink(path)
    except FileNotFoundError:
        print("not drained")
        return 0
    except OSError as error:
        raise UsageError(f"{path} cannot be removed: {error.strerror}") from error
    print("drain ended")
    return 0


def command_validate(options) -> int:
    load_settings(options.file)
    return 0


def parse_until(text: str, now: float) -> float:
    """Return the moment that `90s`, `30m`, `2h`, `1d` or an ISO 8601 date and time means."""
    span = re.match(r"([0-9]{1,9})([smhd])\Z", text)
    if span:
        return now + int(span.group(1)) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[span.group(2)]
    import datetime

    try:
        moment = datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(f"--until {text} must be like 90s, 30m, 2h, 1d or 2026-12-31T23:00") from None
    if moment <= now:
        raise UsageError(f"--until {text} is in the past")
    return moment


def _settings() -> Settings:
    return load_settings(SETTINGS) if os.path.exists(SETTINGS) else make_settings({})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
