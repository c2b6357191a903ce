# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy agent of a Web Call Server node: measure -> decide -> reply.

The main thread measures once a second and publishes the reply. Serving threads send it to whoever connects, after a look at its age, and never wait
for a client. The machine is measured with psutil, control groups from their files, WCS by two bounded requests. What would cost memory or start-up time
in the standard library (argparse, datetime, http.client, logging, typing) is left out or imported by the command that needs it.
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
import stat
import sys
import threading
import time
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType
    from typing import Any, NamedTuple
else:

    class _Fields(type):
        def __new__(cls, name, bases, body):
            fields = body["__annotations__"]
            return namedtuple(name, fields, defaults=[body[field] for field in fields if field in body])

    NamedTuple = type.__new__(_Fields, "NamedTuple", (), {})  # as typing's, which would be half a megabyte


SETTINGS = os.environ.get("CONFIGURATION_DIRECTORY", "/etc/wcs-agent") + "/agent.json"
STATE_DIRECTORY = os.environ.get("STATE_DIRECTORY", "/var/lib/wcs-agent")
RUNTIME_DIRECTORY = os.environ.get("RUNTIME_DIRECTORY", "/run/wcs-agent")
STATUS_SOCKET = RUNTIME_DIRECTORY + "/status.sock"  # for everybody on this host
ADMIN_SOCKET = RUNTIME_DIRECTORY + "/admin.sock"  # for root, who is told however many ask at the other
IN_FORCE = RUNTIME_DIRECTORY + "/in-force"
LOADED = (os.path.abspath(__file__), "/usr/local/bin/wcs-agent", "/etc/systemd/system/wcs-agent.service")

INTERVAL = 1.0  # seconds from one measurement to the next
STALE_SECONDS = 3.0  # a reply older than this is not sent any more
SMOOTHING_SECONDS = 5.0  # time constant for rates; counts are never smoothed
RISE = 10  # a graded weight climbs by so many points a sample at most, and falls at once
WEBSOCKET_SECONDS = 3.0  # a WebSocket is tried so often, and at every sample once one has failed
WEBSOCKET_MISSES = 2  # so many in a row take the node out
HEAD_BYTES = 8 * 1024  # of an HTTP answer
KEPT_BYTES = 64 * 1024  # of the statistics page, at its beginning and at its end
PAGE_BYTES = 16 * 1024 * 1024  # what stands behind them is not read
CHUNKS = 8192  # lines about pieces, two for each
STATUS_BYTES = 128 * 1024  # fits the buffer of a socket, so that nobody is waited for
FILE_BYTES = 256 * 1024
REASON_CHARS = 100  # HAProxy cuts the whole description at about 127
ADDRESSES = 256  # how many polling addresses are remembered


# --- The statistics page -------------------------------------------------------------------------------------------------------------------------


class StatisticsError(Exception):
    """WCS does not answer as it should; the text says how."""


class Page(NamedTuple):
    """A statistics page: its beginning and its end. `whole` says that they are all of it; otherwise the end begins with a new line."""

    beginning: bytes
    end: bytes = b""
    whole: bool = True


PUBLISHERS = ("streams_webrtc_in", "streams_rtmp_in", "streams_rtsp_in", "streams_rtmfp_in")
SUBSCRIBERS = ("streams_webrtc_out", "streams_rtmp_out", "streams_rtsp_out", "streams_rtmfp_out")
WEBSOCKET_VIEWERS = ("streams_websocket_out",)
HLS = ("streams_hls",)
MEDIA_PORTS = ("ports_media_free", "ports_media_busy", "ports_media_quarantine")
COUNTERS = frozenset(PUBLISHERS + SUBSCRIBERS + WEBSOCKET_VIEWERS + HLS + MEDIA_PORTS)
_COUNTERS = frozenset(key.encode("ascii") for key in COUNTERS)
# Of the counters these stand behind the names of streams, all others before them
BEHIND_NAMES = frozenset({"streams_rtsp_in", "streams_rtsp_out"})
NAMES = re.compile(rb"^[ \t]*streams_(?:viewers|synchronization)[ \t]*=", re.MULTILINE)
_LINE = re.compile(rb"^[ \t]*(?:-+[ \t]*([A-Za-z]{0,40})[^\n]*|([A-Za-z_][A-Za-z0-9_]{0,99})[ \t]*=[ \t]*([^ \t\n]{0,60}))", re.MULTILINE)
_INTEGER = re.compile(r"-?[0-9]{1,19}\Z", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,30})?(?:E[+-]?[0-9]{1,3})?\Z", re.ASCII)


def java_number(text: str) -> float | None:
    """Return a number as Java prints it, such as 12, 0.5, 7.5E-4; None for any other text, and for NaN and Infinity, which count nothing."""
    if _INTEGER.match(text):
        return int(text)
    value = float(text) if _DECIMAL.match(text) else math.inf
    return value if math.isfinite(value) else None


def read_counters(page: Page, keys: Sequence[str] = ()) -> dict[str, float]:
    """Return the counters of the page and those of `keys`, which may be in any section; what is negative or no number is left out.

    A client chooses the names of streams, which may hold any character, a new line included. So what stands before the names is taken where it comes
    first and in its own section, and what stands behind them where it comes last; what has its place before them does not count behind them.
    """
    names = NAMES.search(page.beginning)
    trusted = page.beginning[: names.start()] if names else page.beginning
    found: dict[str, float | None] = {}
    section = b""
    for header, name, value in _LINE.findall(trusted):
        if not name:
            section = header.lower()
        elif name in _COUNTERS or name.decode("ascii") in keys:
            key = name.decode("ascii")
            if key in keys or section in (b"", b"port" if key in MEDIA_PORTS else b"stream"):
                found.setdefault(key, _as_number(value))
    documented = any(key in found for key in PUBLISHERS + SUBSCRIBERS + HLS)
    behind = sorted({*keys, *(BEHIND_NAMES if documented else COUNTERS)}.difference(found))
    rest = page.beginning[len(trusted) :] + page.end if page.whole else page.end
    pattern = r"^[ \t]*({})[ \t]*=[ \t]*([^ \t\n]{{0,60}})".format("|".join(behind))
    last = dict(re.findall(pattern.encode("ascii"), rest, re.MULTILINE)) if behind else {}
    found.update((name.decode("ascii"), _as_number(value)) for name, value in last.items())
    return {key: value for key, value in found.items() if value is not None and value >= 0}


def _as_number(word: bytes) -> float | None:
    return java_number((word[:-1] if word.endswith(b"\r") else word).decode("latin-1"))


def count(counters: dict[str, float], websocket_viewers: bool = False) -> dict[str, float | None]:
    """Return what the statistics page says about the limits; None for what it does not say."""

    def total(keys: Iterable[str]) -> float | None:
        known = [counters[key] for key in keys if key in counters]
        return sum(known) if known else None

    counts = {
        "publishers": total(PUBLISHERS),
        "subscribers": total(SUBSCRIBERS + (WEBSOCKET_VIEWERS if websocket_viewers else ())),
        "hls": total(HLS),
    }
    if all(value is None for value in counts.values()):
        raise StatisticsError("no stream counters in it")
    return {**counts, "media-ports-free": total(MEDIA_PORTS[:1]), "media-ports": total(MEDIA_PORTS)}


SHOWN_LINES, SHOWN_STREAMS, SHOWN_CHARS = 500, 200, 200


def parse_statistics(text: str) -> dict[str, dict[str, Any]]:
    """Return the page as {section: {key: int | float | str | {stream: int}}}, for people; what does not look like statistics is left out.

    Nothing is decided by it: it is made when somebody asks, of a bounded number of lines.
    """
    sections: dict[str, dict[str, Any]] = {}
    section = ""
    for line in text.split("\n", SHOWN_LINES)[:SHOWN_LINES]:
        line = line.strip(" \t\r")
        if line.startswith("-"):
            header = re.match(r"-+[ \t]*([A-Za-z]{0,40})", line)
            section = header.group(1).lower() if header else ""
            continue
        key, equals, value = line.partition("=")
        key = key.rstrip(" \t")
        if equals and key.isidentifier() and len(key) < SHOWN_CHARS:
            sections.setdefault(section, {}).setdefault(key, _typed(key, value.lstrip(" \t")))
    return sections


def _typed(key: str, value: str) -> Any:
    if key in ("streams_viewers", "streams_synchronization"):
        viewed = (stream.rpartition("/") for stream in re.split("[;,]", value[:KEPT_BYTES], maxsplit=SHOWN_STREAMS)[:SHOWN_STREAMS])
        numbers = ((name.strip(" \t"), number.split(" ", 1)[0]) for name, _slash, number in viewed)
        return {name[:SHOWN_CHARS]: int(number) for name, number in numbers if name and _INTEGER.match(number)}
    number = java_number(re.split("[ \t]", value, maxsplit=1)[0])
    return value[:SHOWN_CHARS] if number is None else number


# --- Asking WCS ----------------------------------------------------------------------------------------------------------------------------------


class Answer:
    """An HTTP answer, taken as it arrives: linear in its length, and bounded in what is kept of it."""

    def __init__(self) -> None:
        self.status = ""  # the three digits, once the head is complete
        self.complete = False
        self._head = bytearray()
        self._beginning = bytearray()
        self._end = bytearray()
        self._size = 0
        self._gap = False
        self._left: int | None = None  # bytes to come, of the body or of the chunk; None when the end of the connection is the end
        self._chunked = False
        self._chunks = 0
        self._line = bytearray()  # of a chunk's size

    @property
    def long(self) -> bool:
        """Whether more of the body has come than its beginning."""
        return self._gap or len(self._beginning) == KEPT_BYTES

    def page(self) -> Page:
        """Return what was kept of the body."""
        end = bytes(self._end[-KEPT_BYTES:])
        if not self._gap and len(self._end) <= KEPT_BYTES:
            return Page(bytes(self._beginning), end)
        return Page(bytes(self._beginning), end[end.find(b"\n") + 1 :], whole=False)

    def feed(self, data: bytes) -> None:
        """Take the next part of the answer; it is complete when `complete` says so, and its body never longer than PAGE_BYTES."""
        if not self.status:
            searched = max(0, len(self._head) - 3)
            self._head += data
            end = self._head.find(b"\r\n\r\n", searched)
            if end < 0 or end > HEAD_BYTES:
                if len(self._head) > HEAD_BYTES:
                    raise StatisticsError("not HTTP")
                return
            data = bytes(self._head[end + 4 :])
            self.status, self._left, self._chunked = read_head(bytes(self._head[:end]))
            if self._chunked:
                self._left = 0
        if self._chunked:
            self._take_chunks(data)
        elif self._left is None:
            self._keep(data)
        else:
            self._keep(data[: self._left])
            self._left -= min(self._left, len(data))
            self.complete = self._left == 0

    def end(self) -> None:
        """Say that the connection has ended; refuses what was cut short."""
        if not self.status:
            raise StatisticsError("not HTTP" if self._head else "no answer")
        if not self.complete and (self._chunked or self._left is not None):
            raise StatisticsError("cut short")
        self.complete = True

    def _take_chunks(self, data: bytes) -> None:
        position = 0
        while position < len(data) and not self.complete:
            if self._left:
                part = data[position : position + self._left]
                self._keep(part)
                self._left -= len(part)
                position += len(part)
                continue
            end = data.find(b"\n", position)
            self._line += data[position : end + 1 if end >= 0 else len(data)]
            if len(self._line) > HEAD_BYTES:
                raise StatisticsError("cut short")
            if end < 0:
                return
            position = end + 1
            size = bytes(self._line).split(b";", 1)[0].strip()
            self._line.clear()
            self._chunks += 1
            if self._chunks > CHUNKS:
                raise StatisticsError("in too many pieces")
            if not size and self._chunks > 1:
                continue  # the end of the chunk before
            if not re.match(rb"[0-9A-Fa-f]{1,8}\Z", size):
                raise StatisticsError("cut short")
            self._left = int(size, 16)
            self.complete = self._left == 0

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        room = KEPT_BYTES - len(self._beginning)
        self._beginning += data[:room]
        self._end += data[room:]
        if len(self._end) > 4 * KEPT_BYTES:
            del self._end[:-KEPT_BYTES]
            self._gap = True
        if self._size > PAGE_BYTES:  # its end, if it has one, is not waited for
            self._end.clear()
            self._gap = self.complete = True


def read_head(head: bytes) -> tuple[str, int | None, bool]:
    """Return the status, the length of the body (None when the head does not tell) and whether it comes in chunks."""
    lines = head.split(b"\r\n")
    status = re.match(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?![0-9])", lines[0])
    if not status:
        raise StatisticsError("not HTTP")
    length: int | None = None
    chunked = False
    for name, _colon, value in (line.partition(b":") for line in lines[1:]):
        if name.lower() == b"content-length":
            digits = value.strip(b" \t")
            if not re.match(rb"[0-9]{1,18}\Z", digits) or length not in (None, int(digits)):
                raise StatisticsError("not HTTP")
            length = int(digits)
        elif name.lower() == b"transfer-encoding":
            chunked = value.strip(b" \t").lower() == b"chunked"
    return status.group(1).decode("ascii"), length, chunked


class Line:
    """A connection to WCS, all of whose waits have one end."""

    def __init__(self, address: str, port: int, timeout: float):
        self._deadline = time.monotonic() + timeout
        self._reads = 0
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._socket.setblocking(False)
        try:
            begun = self._socket.connect_ex((address, port))
        except OSError as error:
            begun = error.errno or errno.EIO
        self._failed = 0 if begun in (0, errno.EINPROGRESS) else begun
        self.host = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()

    def connected(self) -> bool:
        """Say whether data can be sent without a wait."""
        if self._failed or not self._poll(select.POLLOUT, 0):
            return False
        self._failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return not self._failed

    def send(self, data: bytes) -> None:
        """Send a request, which is short; waits for the connection."""
        self._wait(select.POLLOUT)
        failed = self._failed or self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        try:
            if failed:
                raise OSError(failed, os.strerror(failed))
            self._socket.send(data)
        except OSError as error:
            raise StatisticsError(_why(error)) from None

    def receive(self) -> bytes:
        """Return what has arrived, empty at the end."""
        self._wait(select.POLLIN)
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return self.receive()
        except OSError as error:
            raise StatisticsError(_why(error)) from None
        self._reads += 1
        if self._reads > 16 and 0 < len(data) < 4096:
            time.sleep(0.002)  # who sends byte by byte is not read byte by byte
        return data

    def _wait(self, event: int) -> None:
        if self._failed:
            return
        left = self._deadline - time.monotonic()
        if left <= 0 or not self._poll(event, math.ceil(left * 1000)):
            raise StatisticsError("timed out")

    def _poll(self, event: int, milliseconds: int) -> list[tuple[int, int]]:
        poll = select.poll()
        poll.register(self._socket, event)
        return poll.poll(milliseconds)


def _why(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "connection failed"


def fetch(address: str, port: int, path: str, timeout: float) -> Page:
    """Return the body of an HTTP page, in at most `timeout` seconds.

    A long one, and only its streams' names can make it that, is judged by its beginning when it has not ended in time.
    """
    answer = Answer()
    with Line(address, port, timeout) as line:
        line.send(f"GET {path} HTTP/1.0\r\nHost: {line.host}\r\nConnection: close\r\n\r\n".encode("ascii"))
        try:
            # A server may keep the connection open whatever it is asked, so its length counts, not the end of the connection.
            while not answer.complete:
                data = line.receive()
                if data:
                    answer.feed(data)
                else:
                    answer.end()
                if answer.status not in ("", "200"):
                    raise StatisticsError(f"HTTP status {answer.status}")
        except StatisticsError as error:
            if not answer.long or str(error) not in ("timed out", "in too many pieces"):
                raise
            return answer.page()._replace(end=b"", whole=False)
    return answer.page()


class Handshake:
    """A WebSocket as a client opens it, and closed again at once. Begun first and looked at later, so that nothing waits for it alone."""

    def __init__(self, address: str, port: int, timeout: float):
        self._port = port
        self._line: Line | None = None
        self._asked = False
        self._problem = ""
        try:
            self._line = Line(address, port, timeout)
            if self._line.connected():  # as on this host; otherwise when it is looked at
                self._ask(self._line)
        except OSError as error:
            self._problem = _why(error)
        except StatisticsError as error:
            self._problem = str(error)

    def outcome(self) -> str:
        """Return why nobody can be served there, empty when WCS answers: a client that it refuses (4xx) has been answered too."""
        status = ""
        if self._line:
            with self._line as line:
                try:
                    status = "" if self._problem else self._answer(line)
                except StatisticsError as error:
                    self._problem = str(error)
        if self._problem:
            return f"port {self._port}: {self._problem}"
        return f"port {self._port}: HTTP status {status}" if status and status != "101" and not status.startswith("4") else ""

    def _ask(self, line: Line) -> None:
        import binascii

        key = binascii.b2a_base64(os.urandom(16), newline=False).decode("ascii")
        self._asked = True
        line.send(
            (
                f"GET / HTTP/1.1\r\nHost: {line.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: wcs-agent\r\n\r\n"
            ).encode("ascii")
        )

    def _answer(self, line: Line) -> str:
        if not self._asked:
            self._ask(line)
        answer = Answer()
        while not answer.status:
            data = line.receive()
            if data:
                answer.feed(data)
            else:
                answer.end()
        if answer.status == "101":
            line.send(b"\x88\x82" + b"\0\0\0\0" + b"\x03\xe8")  # close, normally
        return answer.status


# --- Files ---------------------------------------------------------------------------------------------------------------------------------------


def read_file(path: str, size: int = FILE_BYTES) -> bytes:
    """Return a plain file that only root, this user or the owner of its directory can have written; no link is followed, no FIFO waited for."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    with os.fdopen(file, "rb") as stream:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "Not a plain file")
        if status.st_uid not in (0, os.geteuid()) and status.st_uid != os.stat(os.path.dirname(path) or ".").st_uid:
            raise OSError(errno.EPERM, "Owned by somebody else")
        data = stream.read(size + 1)
    if len(data) > size:
        raise OSError(errno.EFBIG, f"Larger than {size // 1024} KiB")
    return data


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


def parse_json(text: str) -> Any:
    """Return what a JSON text says; raises ValueError for every other text."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def sha256sum(*paths: str, data: bytes | None = None) -> list[str]:
    """Return the lines of sha256sum, one for each file that is there; its own program, since hashlib brings all of OpenSSL into memory."""
    import subprocess

    done = subprocess.run(["sha256sum", "--", *paths], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.decode("ascii", "replace").split("\n")[:-1]


def shown(text: str) -> str:
    """Return a text as one line that moves no cursor: what cannot be printed is spelt out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


# --- Settings ------------------------------------------------------------------------------------------------------------------------------------


class SettingsError(Exception):
    """The settings cannot be used; the text names the setting and what it may be."""


UNITS = {"cpu": "%", "memory": "%", "publishers": "", "subscribers": "", "hls": "", "band-in": " Mbps", "band-out": " Mbps", "media-ports-free": ""}
DEFAULT_MARKS: dict[str, float] = {"cpu": 90, "publishers": 100, "subscribers": 100, "hls": 100, "band-in": 100, "band-out": 100, "media-ports-free": 10}
LOW_WATER = frozenset({"media-ports-free"})  # reached from above


class Limits(NamedTuple):
    """What a reading is judged by."""

    marks: dict[str, float] = DEFAULT_MARKS
    margin: float = 2
    hold: float = 5
    misses: int = 2
    graded: bool = False


class Network(NamedTuple):
    """An IP network: its number without the bits of the hosts, and how many these are."""

    family: int
    number: int
    bits: int


class Source(NamedTuple):
    """Where WCS tells its statistics."""

    address: str
    port: int
    path: str
    timeout: float


class Bandwidth(NamedTuple):
    """The keys with which WCS tells its bandwidth, empty where the interface is measured, and what makes Mbps of them."""

    key_in: str
    key_out: str
    mbps: float


class Settings(NamedTuple):
    """The settings file, checked; `raw` is what it held."""

    port: int
    bind: str
    networks: tuple[Network, ...]
    limits: Limits
    cpu: str
    interface: str
    statistics: Source
    bandwidth: Bandwidth
    websocket: int  # the port that is tried, 0 for none
    websocket_viewers: bool
    unit: str
    ready_seconds: float
    raw: dict[str, Any]


_DEFAULTS: dict[str, Any] = {
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
    "websocket": {"port": 0},
    "websocket_viewers": False,
    "unit": "webcallserver",
    "ready_seconds": 6,
}


def _within(value: object, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and _within(value, low, high)


def _word(value: object, pattern: str) -> bool:
    return isinstance(value, str) and re.match(pattern + r"\Z", value, re.ASCII) is not None


_A_KEY = (lambda value: _word(value, r"([A-Za-z_]\w{0,99})?"), "a key of the statistics page, or empty to measure the interface")
_RULES: dict[str, tuple[Callable[[Any], object], str]] = {
    "port": (lambda value: _whole(value, 1, 65535), "a port number"),
    "bind": (lambda value: value == "" or _family(value), "an IP address, or empty for every address"),
    "networks": (lambda value: isinstance(value, list), "a list"),
    "cpu": (lambda value: value in ("usage", "load"), "usage or load"),
    "interface": (lambda value: _word(value, r"[^\s/]{0,15}"), "the name of a network interface, or empty for the one with the default route"),
    "graded": (lambda value: isinstance(value, bool), "true or false"),
    "websocket_viewers": (lambda value: isinstance(value, bool), "true or false"),
    "unit": (lambda value: _word(value, r"[\w@:.-]{0,200}"), "the name of a systemd service"),
    "ready_seconds": (lambda value: _within(value, 0, 3600), "0 to 3600"),
    "statistics.address": (lambda value: bool(_family(value)), "an IP address"),
    "statistics.port": (lambda value: _whole(value, 1, 65535), "a port number"),
    "statistics.path": (lambda value: _word(value, r"/[!-~]{0,500}"), "a path that begins with /"),
    "statistics.timeout": (lambda value: _within(value, 0.05, 2), "0.05 to 2 seconds"),
    "statistics.misses": (lambda value: _whole(value, 1, 60), "a whole number, 1 to 60"),
    "bandwidth.in": _A_KEY,
    "bandwidth.out": _A_KEY,
    "bandwidth.mbps": (lambda value: _within(value, 1e-12, 1e6), "the number that turns the key's unit into Mbps"),
    "websocket.port": (lambda value: _whole(value, 0, 65535), "a port number, or 0 to try none"),
    "hysteresis.margin": (lambda value: _within(value, 0, 50), "0 to 50 percent"),
    "hysteresis.hold": (lambda value: _within(value, 0, 3600), "0 to 3600 seconds"),
}


def make_settings(raw: Any) -> Settings:
    """Check a mapping as the settings file holds it; what it leaves out has its default."""
    given = _merged("", _DEFAULTS, raw)
    parts = {name: _merged(f"{name}.", _DEFAULTS[name], given[name]) for name in ("statistics", "bandwidth", "websocket", "hysteresis")}
    _check(isinstance(given["limits"], dict), "limits", "a mapping")
    for name, mark in given["limits"].items():
        _check(name in UNITS, f"limits.{name}", "one of " + ", ".join(UNITS))
        _check(_within(mark, 0, 1e9) and (mark > 0 or name in LOW_WATER), f"limits.{name}", "a number above 0")
    for name, (good, wanted) in _RULES.items():
        part, dot, key = name.partition(".")
        _check(good(parts[part][key] if dot else given[name]), name, wanted)
    statistics, bandwidth, hysteresis = parts["statistics"], parts["bandwidth"], parts["hysteresis"]
    return Settings(
        port=given["port"],
        bind=given["bind"],
        networks=tuple(parse_network(text) for text in given["networks"]),
        limits=Limits(marks=dict(given["limits"]), margin=hysteresis["margin"], hold=hysteresis["hold"], misses=statistics["misses"], graded=given["graded"]),
        cpu=given["cpu"],
        interface=given["interface"],
        statistics=Source(address=statistics["address"], port=statistics["port"], path=statistics["path"], timeout=statistics["timeout"]),
        bandwidth=Bandwidth(key_in=bandwidth["in"], key_out=bandwidth["out"], mbps=bandwidth["mbps"]),
        websocket=parts["websocket"]["port"],
        websocket_viewers=given["websocket_viewers"],
        unit=given["unit"],
        ready_seconds=given["ready_seconds"],
        raw=raw,
    )


def load_settings(path: str) -> tuple[Settings, bytes]:
    """Return what the settings file says, and its bytes."""
    try:
        data = read_file(path)
        return make_settings(parse_json(data.decode("utf-8"))), data
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not JSON: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def parse_network(text: Any) -> Network:
    """Return the network that `192.0.2.0/24`, `2001:db8::/32` or a single address names."""
    address, slash, prefix = text.partition("/") if isinstance(text, str) else ("", "", "")
    family = _family(address)
    _check(family and (not slash or re.match(r"[0-9]{1,3}\Z", prefix)), f"networks: {text!r}", "an IPv4 or IPv6 address or network")
    size = 32 if family == socket.AF_INET else 128
    bits = size - (int(prefix) if slash else size)
    _check(bits >= 0, f"networks: {text!r}", f"a network with a prefix of at most {size}")
    return Network(family, _value(family, address) >> bits, bits)


def in_networks(networks: Iterable[Network], address: str) -> bool:
    """Say whether an IP address is in one of the networks."""
    family = _family(address)
    if not family:
        return False
    value = _value(family, address)
    return any(family == of and value >> bits == number for of, number, bits in networks)


def _family(address: Any) -> int:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
            return int(family)
        except (OSError, TypeError, ValueError):
            continue
    return 0


def _value(family: int, address: str) -> int:
    return int.from_bytes(socket.inet_pton(family, address), "big")


def _merged(prefix: str, defaults: dict[str, Any], given: Any) -> dict[str, Any]:
    _check(isinstance(given, dict), prefix.rstrip(".") or "the settings", "a mapping")
    for name in given:
        _check(name in defaults, f"{prefix}{name}", "one of " + ", ".join(defaults))
    return {**defaults, **given}


def _check(good: object, name: str, wanted: str) -> None:
    if not good:
        raise SettingsError(f"{name} must be {wanted}")


LOOPBACK = (parse_network("127.0.0.0/8"), parse_network("::1"))  # always allowed: the operator's own look at the port


# --- Measurement ---------------------------------------------------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """One measurement."""

    values: dict[str, float | None]  # by the name of the limit; None for what is not known
    at: float
    error: str = ""  # why the statistics page is unreadable
    websocket: str | None = ""  # why no WebSocket can be had, None when none was tried this time
    blind: str = ""  # why the machine cannot be measured


class MeasureError(Exception):
    """The machine cannot be measured; the text says what to do."""


def distribution_packages() -> tuple[str, ...]:
    """Return where the distribution's own packages for Python lie: Debian's family, RedHat's."""
    return "/usr/lib/python3/dist-packages", "/usr/lib64/python{}.{}/site-packages".format(*sys.version_info)


PSUTIL_FROM = distribution_packages()


def load_psutil() -> ModuleType:
    """Return psutil as the distribution installed it. The agent runs without anybody's packages in its path, and psutil alone is let in."""
    if "psutil" in sys.modules:
        return sys.modules["psutil"]
    missing = "psutil is missing: install python3-psutil"
    # shutil, which subprocess or psutil may ask for, does without them, and 0.3 MB less
    unwanted = {name: None for name in ("bz2", "lzma") if name not in sys.modules}
    sys.path += PSUTIL_FROM
    sys.modules.update(unwanted)  # type: ignore[arg-type]
    try:
        import psutil
    except ModuleNotFoundError as error:
        raise MeasureError(missing if error.name == "psutil" else f"psutil lacks {error.name}") from error
    except Exception as error:  # whatever it meets: a package of another Python, a file that is damaged
        raise MeasureError(f"psutil cannot be used, install python3-psutil anew: {error}") from error
    finally:
        del sys.path[-len(PSUTIL_FROM) :]
        for name in unwanted:
            del sys.modules[name]
    if not hasattr(psutil, "cpu_times"):  # an empty directory
        del sys.modules["psutil"]
        raise MeasureError(missing)
    found: ModuleType = psutil
    return found


def default_interface(routes: str, routes6: str) -> str:
    """Return the interface of the best default route (IPv4's, otherwise IPv6's) from /proc/net/route and /proc/net/ipv6_route; empty without one."""
    found = []
    for line in routes.split("\n")[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and int(fields[3], 16) & 1:
            found.append((int(fields[6]), fields[0]))
    if not found:
        for line in routes6.split("\n"):
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
        while len(text) < FILE_BYTES:
            part = os.read(file, 65536)  # the kernel hands out a page or so at a time
            if not part:
                break
            text += part
    except OSError:
        return ""
    finally:
        os.close(file)
    return text.decode("ascii", "replace")


class Group(NamedTuple):
    """A control group that may not use the whole machine."""

    name: str
    cpus: float
    usage: str  # the file with its use
    unit: float  # seconds for each unit of it


def cpu_limit(name: str, machine: int) -> Group | None:
    """Return what a control group may use, which psutil does not know; None when that is the whole machine."""
    cpus, usage, unit = float(machine), "", 0.0
    quota = _read(f"/sys/fs/cgroup{name}/cpu.max").split()
    if quota:
        usage, unit = f"/sys/fs/cgroup{name}/cpu.stat", 1e-6
    else:
        quota = [_read(f"/sys/fs/cgroup/cpu{name}/cpu.cfs_{part}_us").strip() for part in ("quota", "period")]
        usage, unit = f"/sys/fs/cgroup/cpuacct{name}/cpuacct.usage", 1e-9
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():
        cpus = min(cpus, int(quota[0]) / int(quota[1]))
    pinned = _read(f"/sys/fs/cgroup{name}/cpuset.cpus.effective") or _read(f"/sys/fs/cgroup/cpuset{name}/cpuset.effective_cpus")
    cpus = min(cpus, count_cpus(pinned) or cpus)
    return Group(name, cpus, usage, unit) if 0 < cpus < machine else None


def count_cpus(ranges: str) -> int:
    """Return how many CPUs a list like `0-3,7` names."""
    bounds = [part.split("-") for part in ranges.strip().split(",") if part]
    return sum(int(bound[-1]) - int(bound[0]) + 1 for bound in bounds)


class Meter:
    """Measures. `memory` holds what one measurement leaves for the next: pairs of numbers, the second mostly a clock."""

    REFRESH_SECONDS = 30  # routes and limits of control groups are looked up so often

    def __init__(self, settings: Settings, memory: dict[str, list[float]] | None = None):
        self.settings = settings
        self.memory = memory if memory is not None else {}
        self.page = Page(b"")
        self.problems: list[str] = []
        self.interface = ""
        self.groups: list[Group] = []
        self._psutil: ModuleType | None = None
        self._cpus = 1
        self._looked_up: float | None = None

    def read(self) -> Reading:
        """Take one measurement."""
        now = time.monotonic()
        self.problems = []
        handshake = self._begin_handshake(now)
        values: dict[str, float | None] = {}
        counters: dict[str, float] = {}
        source, keys = self.settings.statistics, self.settings.bandwidth
        error = blind = ""
        try:
            self._measure(values, now)
        except MeasureError as problem:
            blind = str(problem)
        try:
            self.page = fetch(*source)
            counters = read_counters(self.page, [key for key in (keys.key_in, keys.key_out) if key])
            values.update(count(counters, self.settings.websocket_viewers))
            if not self.page.whole and not self.page.end:
                self.problems.append("the statistics page is too long, so what stands behind the names of the streams is not known")
        except StatisticsError as problem:
            self.page = Page(b"")
            error = str(problem)
        for name, key in (("band-in", keys.key_in), ("band-out", keys.key_out)):
            if key and error:
                values[name] = None
            elif key in counters:
                values[name] = counters[key] * keys.mbps
            elif key:
                self.problems.append(f"the statistics page has no number {key}, so {name} is that of the interface {self.interface or '(none)'}")
        for name in self.settings.limits.marks:
            if values.get(name) is None and not error and not blind and (name not in RATES or "at" in self.memory):
                self.problems.append(f"{name} is not known, so its limit is not watched")
        self.memory["at"] = [now, 0]
        return Reading(values, time.monotonic(), error, self._end_handshake(handshake, now), blind)

    def prime(self) -> None:
        """Lay the ground for rates: without a measurement before, the first one has none."""
        now = time.monotonic()
        try:
            self._measure({}, now)
        except MeasureError:
            return  # the measurement itself will say so
        load = self._load()
        if load is not None:
            self.memory["smooth cpu"] = [min(100.0, load), now]  # the first fraction of a second alone would be noise

    def statistics(self) -> dict[str, dict[str, Any]]:
        """Return the statistics page of the last measurement, for people."""
        return parse_statistics(self.page.beginning.decode("utf-8", "replace"))

    def _begin_handshake(self, now: float) -> Handshake | None:
        port, source = self.settings.websocket, self.settings.statistics
        if not port:
            self.memory.pop("websocket", None)
            return None
        tried, failed = self.memory.get("websocket", [-math.inf, 0])
        return Handshake(source.address, port, source.timeout) if failed or now - tried >= WEBSOCKET_SECONDS - INTERVAL / 2 else None

    def _end_handshake(self, handshake: Handshake | None, now: float) -> str | None:
        if handshake is None:
            return None if self.settings.websocket else ""
        problem = handshake.outcome()
        self.memory["websocket"] = [now, 1 if problem else 0]
        return problem

    def _look_up(self) -> None:
        self._psutil = load_psutil()
        self._cpus = self._ask("cpu_count") or 1
        unit = self.settings.unit
        names = ["", "/system.slice"] + ([f"/system.slice/{unit if '.' in unit else unit + '.service'}"] if unit else [])
        limits = [cpu_limit(name, self._cpus) for name in names]
        self.groups = [limit for limit in limits if limit]
        self.interface = self.settings.interface or default_interface(_read("/proc/net/route"), _read("/proc/net/ipv6_route"))

    def _measure(self, values: dict[str, float | None], now: float) -> None:
        if self._looked_up is None or now - self._looked_up >= self.REFRESH_SECONDS:
            self._look_up()
            self._looked_up = now
        values["cpu"] = self._load() if self.settings.cpu == "load" else self._usage(now)
        values["band-in"], values["band-out"] = self._traffic(now)
        if "memory" in self.settings.limits.marks:
            memory = self._ask("virtual_memory")
            values["memory"] = None if memory is None else memory.percent

    def _ask(self, question: str, **how: Any) -> Any:
        """Return what psutil says, None when it cannot say."""
        try:
            return getattr(self._psutil, question)(**how)
        except Exception:  # whatever it meets in a /proc that it does not know, the rest is still known
            return None

    def _load(self) -> float | None:
        averages = self._ask("getloadavg")
        cpus = min([self._cpus, *(group.cpus for group in self.groups)])
        return 100 * averages[0] / cpus if averages else None

    def _usage(self, now: float) -> float | None:
        """Return the CPU use in percent of the machine or of what a control group may use, whichever is nearer to its end."""
        shares = []
        times = self._ask("cpu_times")
        if times:
            # Guest time is in user time already; stolen time is not ours to use, so it is busy.
            total = sum(times[:8])
            shares.append(self._rate("machine", total - times.idle - times.iowait, total))
        for name, cpus, usage, unit in self.groups:
            text = _read(usage)
            used = text.split()[1] if text.startswith("usage_usec") else text.strip()
            if used.isdigit():
                shares.append(self._rate(f"group {name}", int(used) * unit, now * cpus))
        known = [100 * share for share in shares if share is not None]
        return self._smooth("cpu", min(100.0, max(known)), now) if known else None

    def _traffic(self, now: float) -> tuple[float | None, float | None]:
        """Return the Mbps received and sent by the interface."""
        counters = (self._ask("net_io_counters", pernic=True, nowrap=False) or {}).get(self.interface)
        if counters is None:
            return None, None
        return self._mbps("in", counters.bytes_recv, now), self._mbps("out", counters.bytes_sent, now)

    def _mbps(self, way: str, counter: float, now: float) -> float | None:
        rate = self._rate(f"{self.interface} {way}", counter, now)
        return None if rate is None else self._smooth(f"band-{way}", rate * 8 / 1e6, now)

    def _rate(self, name: str, value: float, clock: float) -> float | None:
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


class Verdict(NamedTuple):
    """What is made of a reading and of the verdict before it."""

    state: str
    weight: int | None
    reasons: tuple[str, ...]
    since: float
    hits: dict[str, float]  # limit -> since when it is reached
    misses: int  # unreadable readings in a row
    serves: bool  # whether WCS answers
    silent: int = 0  # WebSockets in a row that could not be had


def decide(limits: Limits, reading: Reading, previous: Verdict | None = None) -> Verdict:
    """Judge one reading. A limit is reached at its mark, and left below it by the margin once it was held for the minimum time."""
    misses = silent = 0
    if reading.error:  # at the start nothing good is known that an unreadable page could be forgiven for
        misses = previous.misses + 1 if previous else limits.misses
    if reading.websocket is None:  # tried no more often than is needed
        silent = previous.silent if previous else 0
    elif reading.websocket:
        silent = previous.silent + 1 if previous else WEBSOCKET_MISSES
    reasons = []
    if silent >= WEBSOCKET_MISSES:
        reasons.append(f"ws {reading.websocket}" if reading.websocket else "ws")
    if misses >= limits.misses:
        reasons.append(f"statistics unreadable: {reading.error}")
    serves = not reasons
    if reading.blind:
        reasons.append(reading.blind)
    hits = {}
    for name, mark in limits.marks.items():
        since = previous.hits.get(name) if previous else None
        reason = _judge(limits, name, mark, reading, since)
        if reason:
            hits[name] = reading.at if since is None else since
            reasons.append(reason)
    state = "down" if reasons else "up"
    since = previous.since if previous and previous.state == state else reading.at
    return Verdict(state, _weigh(limits, reading, state, previous), tuple(reasons), since, hits, misses, serves, silent)


def _judge(limits: Limits, name: str, mark: float, reading: Reading, since: float | None) -> str:
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


def leave_at(limits: Limits, name: str, mark: float) -> float:
    """Return the value beyond which a reached limit may be left."""
    return mark * (1 + limits.margin / 100 if name in LOW_WATER else 1 - limits.margin / 100)


def _weigh(limits: Limits, reading: Reading, state: str, previous: Verdict | None) -> int | None:
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


def _brief(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def reply(verdict: Verdict, drain: str | None = None, ready: bool = False) -> bytes:
    """Return the line for HAProxy. It is always the complete state: health, weight, and a word for the drain or its end."""
    # Load never overrides a drain, and sticky clients are served during it; only a node that cannot serve them is down as well.
    state = ("up" if verdict.serves else "down") if drain is not None else verdict.state
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


class Order(NamedTuple):
    """The operator's drain."""

    reason: str
    since: float | None
    until: float | None


class Polls:
    """How often an address has asked, and when last."""

    __slots__ = ("last", "times")

    def __init__(self, times: int, last: float):
        self.times, self.last = times, last


class Published(NamedTuple):
    """What polls are answered with."""

    at: float
    normal: bytes
    ready: bytes  # for those who are still to be told the end of a drain
    stale: str  # the beginning of what is said when all this is too old
    drained: bool


class Agent:
    """What one process knows: measures and publishes on `tick`, and answers polls from what was published.

    `tick` runs in one thread, `answer` in others. They share whole objects that are replaced in one assignment, and dictionaries changed one key at a time.
    """

    def __init__(self, settings: Settings, directory: str = STATE_DIRECTORY, log: Callable[[str], object] | None = None):
        self.settings = settings
        self.directory = directory
        self.meter = Meter(settings)
        self.reading = Reading({}, time.monotonic(), "not measured yet")
        self.verdict: Verdict | None = None
        self.drain: Order | None = None
        self.saw: dict[str, tuple[float | None, int]] = {}  # address that saw our drain -> first `ready` sent to it, how many
        self.polls: dict[str, Polls] = {}
        self.refused: dict[str, Polls] = {}  # addresses outside the allowed networks
        self.problems: list[str] = []
        self._log = log or (lambda line: None)
        self._published = Published(-math.inf, b"", b"", "", False)
        self._peers: dict[str, tuple[str, bool]] = {}  # address as the socket tells it -> plain address, whether it may ask
        self._order_stamp: tuple[int, ...] | None = None
        self._unsaved = False
        self._trouble: dict[str, str] = {}
        self._logged: tuple[str | None, list[str]] = (None, [])

    # Measuring side

    def tick(self, fresh_for: float = 0.0) -> None:
        """Measure, decide, publish. A measurement that is younger than `fresh_for` is not taken anew."""
        if self.verdict is None or time.monotonic() - self.reading.at >= fresh_for:
            self.reading = self.meter.read()
            self.verdict = decide(self.settings.limits, self.reading, self.verdict)
        self.drain = self._read_order(time.time())
        self._publish(self.verdict)
        if self._unsaved:
            self._unsaved = False
            self.save()
        self.problems = self.meter.problems + list(self._trouble.values())
        self._report(self.verdict)

    def warm_up(self) -> None:
        """Lay the ground for the first tick, unless an earlier process did."""
        if self.verdict is None:
            self.meter.prime()
            time.sleep(0.2)

    def reload(self, path: str) -> bytes | None:
        """Take new settings and return their bytes; bad ones leave the old in force."""
        try:
            settings, data = load_settings(path)
        except SettingsError as error:
            self._trouble["settings"] = f"the old settings stay in force: {error}"
            return None
        self._trouble.pop("settings", None)
        self.adopt(settings)
        self._log("settings reloaded")
        return data

    def adopt(self, settings: Settings) -> None:
        """Go on with other settings, keeping what was measured."""
        self.meter = Meter(settings, self.meter.memory)
        self.settings = settings
        self._peers = {}

    def _publish(self, verdict: Verdict) -> None:
        order = self.drain
        reason = None if order is None else order.reason
        stale = "down" + (" drain" if order else "") + (" 0%" if self.settings.limits.graded else "") + " #stale: nothing measured for "
        self._published = Published(time.monotonic(), reply(verdict, reason), reply(verdict, reason, ready=True), stale, order is not None)

    def _read_order(self, now: float) -> Order | None:
        """Return the operator's drain order when there is one; it is read again only when its file changes."""
        path = os.path.join(self.directory, "drain.json")
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            self._trouble.pop("drain", None)
            self._order_stamp = None
            return None
        except OSError as error:
            self._trouble["drain"] = f"{path} cannot be looked at: {error.strerror}"
            return self.drain
        order = self.drain
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp != self._order_stamp or order is None:
            self._order_stamp = stamp
            order = parse_order(_read_text(path), status.st_mtime)
        if order.until is not None and now >= order.until:
            try:
                os.unlink(path)  # a clock that is set back must not bring an ended drain back
            except OSError as error:
                self._trouble["drain"] = f"{path} has ended and cannot be removed: {error.strerror}"
            return None
        return order

    def _report(self, verdict: Verdict) -> None:
        state, problems = self._logged
        now = "drained" if self.drain is not None else verdict.state
        if now != state:
            self._log(f"{now}: {self.line()}")
        for problem in self.problems:
            if problem not in problems:
                self._log(f"problem: {problem}")
        self._logged = (now, self.problems)

    # Answering side

    def answer(self, peer: str, now: float) -> bytes | None:
        """Return the bytes for one poll, None for an address that may not ask."""
        address, allowed = self._peers.get(peer) or self._introduce(peer)
        table = self.polls if allowed else self.refused
        polls = table.get(address)
        if polls is None:
            polls = table[address] = Polls(0, now)
        polls.times += 1
        polls.last = now
        if not allowed:
            return None
        at, normal, ready, stale, drained = self._published
        if now - at > STALE_SECONDS:
            return f"{stale}{now - at:.0f} s\n".encode("ascii")
        if drained:
            if self.saw.get(address) != (None, 0):
                if len(self.saw) >= ADDRESSES:
                    self.saw.pop(next(iter(self.saw)), None)
                self.saw[address] = (None, 0)
                self._unsaved = True
        elif address in self.saw:
            return ready if self._undoing(address, now) else normal
        return normal

    def _introduce(self, peer: str) -> tuple[str, bool]:
        """Return the address of a peer and whether it may ask, and remember that for its next poll."""
        address = plain_address(peer)
        allowed = in_networks(LOOPBACK, address) or in_networks(self.settings.networks, address)
        tables: tuple[dict[str, Any], ...] = (self._peers, self.polls, self.refused)
        for table in tables:
            if len(table) >= ADDRESSES:
                table.pop(next(iter(table)), None)
        self._peers[peer] = address, allowed
        return address, allowed

    def _undoing(self, address: str, now: float) -> bool:
        """Say whether an address that saw the drain is still to hear `ready`.

        A balancer may poll from several server lines, each with a state of its own that only its own `ready` ends, and an answer may be lost. So the word
        is sent at least twice and for as long as the settings say.
        """
        first, times = self.saw[address]
        if first is None:
            first = now
        elif times >= 2 and now - first >= self.settings.ready_seconds:
            self.saw.pop(address, None)
            self._unsaved = True
            return False
        self.saw[address] = (first, times + 1)
        return True

    def line(self) -> str:
        """Return the reply as a person reads it."""
        return self._published.normal.decode("ascii").rstrip("\n")

    # What outlives the process

    def load(self, announced: bool = False) -> None:
        """Take up what an earlier process left. After a reboot only who saw the drain still counts.

        `announced` says that what it logged need not be logged again.
        """
        now = time.monotonic()
        path = os.path.join(self.directory, "state.json")
        try:
            state = parse_json(read_file(path).decode("utf-8"))
            same_boot = state.get("boot") == boot_id()
            saw = {_text(address): (_number_or_none(first), int(_number(times))) for address, (first, times) in state["saw"].items()}
            self.saw = saw if same_boot else dict.fromkeys(saw, (None, 0))
            if same_boot and 0 <= now - _number(state["at"]) <= 60:
                self._take_up(state, announced)
        except FileNotFoundError:
            return
        except OSError as error:
            self._trouble["state"] = f"{path} cannot be read: {error.strerror}"
        except (ValueError, KeyError, TypeError, AttributeError):
            self._trouble["state"] = "the saved state is damaged and was left out"

    def _take_up(self, state: dict[str, Any], announced: bool) -> None:
        polls = {_text(address): Polls(int(_number(times)), _number(last)) for address, (times, last) in state["polls"].items()}
        memory = {_text(name): [_number(value), _number(clock)] for name, (value, clock) in state["memory"].items()}
        verdict = None if state["verdict"] is None else restore_verdict(state["verdict"])
        values = {_text(name): _number_or_none(value) for name, value in state["values"].items()}
        logged = None if state["logged"] is None else _text(state["logged"]), [_text(problem) for problem in state["problems"]]
        self.reading = Reading(values, _number(state["at"]), _text(state["error"]), None, _text(state["blind"]))
        self.polls, self.meter.memory, self.verdict = polls, memory, verdict
        if announced:
            self._logged = logged

    def save(self) -> None:
        """Leave what the next process needs."""
        path = os.path.join(self.directory, "state.json")
        state = {
            "boot": boot_id(),
            "at": self.reading.at,
            "saw": dict(self.saw),
            "polls": {address: (polls.times, polls.last) for address, polls in list(self.polls.items())},
            "memory": self.meter.memory,
            "verdict": self.verdict._asdict() if self.verdict else None,
            "values": self.reading.values,
            "error": self.reading.error,
            "blind": self.reading.blind,
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

    def status(self) -> dict[str, Any]:
        """Return all there is to know, in plain values."""
        assert self.verdict is not None, "a tick comes first"
        now, clock = time.monotonic(), time.time()
        limits, verdict, reading, order = self.settings.limits, self.verdict, self.reading, self.drain

        def moment(at: float | None) -> str | None:
            return None if at is None else utc(clock - (now - at))

        def seen(table: dict[str, Polls]) -> dict[str, dict[str, object]]:
            return {address: {"polls": polls.times, "last": moment(polls.last)} for address, polls in sorted(table.copy().items())}

        return {
            "state": verdict.state if order is None else "drained",
            "reply": self.line(),
            "since": moment(verdict.since) if order is None else utc(order.since),
            "age": round(now - self._published.at, 3),
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
            "drain": None if order is None else {"reason": order.reason, "since": utc(order.since), "until": utc(order.until)},
            "ready_for": [] if order is not None else sorted(dict(self.saw)),
            "saw_drain": sorted(dict(self.saw)) if order is not None else [],
            "polls": seen(self.polls),
            "refused": seen(self.refused),
            "interface": self.meter.interface,
            "values": {name: _rounded(value) for name, value in reading.values.items()},
            "problems": list(self.problems),
            "statistics_error": reading.error,
            "statistics": self.meter.statistics(),
        }


def status_text(agent: Agent) -> str:
    """Return the status as JSON that fits the buffer of a socket."""
    status = agent.status()
    text = json.dumps(status)
    if len(text) > STATUS_BYTES:
        status["statistics"] = {}
        status["problems"].append("the statistics page is too long to be shown")
        text = json.dumps(status)
    return text


def restore_verdict(saved: dict[str, Any]) -> Verdict:
    """Return a verdict that was saved; raises ValueError, KeyError, TypeError or AttributeError for anything else."""
    weight = _number_or_none(saved["weight"])
    if saved["state"] not in ("up", "down"):
        raise ValueError("no such state")
    return Verdict(
        state=saved["state"],
        weight=None if weight is None else int(weight),
        reasons=tuple(_text(reason) for reason in saved["reasons"]),
        since=_number(saved["since"]),
        hits={_text(name): _number(since) for name, since in saved["hits"].items()},
        misses=int(_number(saved["misses"])),
        serves=bool(saved["serves"]),
        silent=int(_number(saved["silent"])),
    )


def _number(value: Any) -> float:
    if not _within(value, -1e18, 1e18):
        raise ValueError("not a number")
    number: float = value
    return number


def _number_or_none(value: Any) -> float | None:
    return None if value is None else _number(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def parse_order(text: str, written: float | None = None) -> Order:
    """Return a drain order. One that cannot be read still drains: the file is there because somebody wanted it."""
    try:
        order = parse_json(text or "{}")
        reason, since, until = order.get("reason") or "", order.get("since"), order.get("until")
        if isinstance(reason, str) and all(moment is None or _within(moment, 0, 1e11) for moment in (since, until)):
            return Order(reason, written if since is None else since, until)
    except (ValueError, AttributeError):
        pass
    return Order("order unreadable", written, None)


def _read_text(path: str) -> str:
    """Return the text of a small plain file; of anything else a text that says nothing."""
    try:
        return read_file(path).decode("utf-8", "replace")
    except OSError:
        return "unreadable"


def plain_address(peer: str) -> str:
    """Return a peer's address without its scope, and IPv4 in its own form."""
    address = peer.partition("%")[0]
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def boot_id() -> str:
    """Return what names this boot of the machine."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def utc(moment: float | None) -> str | None:
    """Return seconds since the epoch as ISO 8601, None for none, and for what no clock shows."""
    return None if moment is None or abs(moment) > 1e11 else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _rounded(value: float | None) -> float | None:
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


def _bound(family: int, address: str, port: int) -> socket.socket:
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


def send(descriptor: int, answer: bytes | None) -> None:
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
    accept, answer, clock = listener._accept, agent.answer, time.monotonic  # type: ignore[attr-defined]
    # descriptors will do: a socket object for each poll would double what a poll costs
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


def serve_status(admin: socket.socket, public: socket.socket, agent: Agent) -> None:
    """Tell whoever asks on this host. Root comes first, nobody is waited for, and the others cannot keep the agent busy."""
    poll = select.poll()
    for listener in (admin, public):
        listener.setblocking(False)
        poll.register(listener, select.POLLIN)
    text, made = b"", -math.inf
    while True:
        ready = [descriptor for descriptor, _event in poll.poll()]
        first = admin if admin.fileno() in ready else public
        try:
            connection, _peer = first.accept()
        except OSError:
            time.sleep(0.05)
            continue
        with connection:
            if time.monotonic() - made > 0.1:
                text, made = status_text(agent).encode("ascii"), time.monotonic()
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * STATUS_BYTES)
                connection.send(text, socket.MSG_DONTWAIT)
            except OSError:
                continue
        if first is public:
            time.sleep(0.002)


def notify(text: str) -> None:
    """Tell the service manager, when there is one; a line is one message, whatever is in it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            try:
                manager.sendto(shown(text).encode("utf-8"), socket.MSG_DONTWAIT, "\0" + address[1:] if address.startswith("@") else address)
            except OSError:
                return


class Daemon:
    """The agent as a service: the main thread measures, one thread for each socket answers, one waits for signals."""

    SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.loaded = sha256sum(*LOADED)  # before anything else: what this process runs on
        settings, self.settings_data = load_settings(SETTINGS)
        self.agent = Agent(settings, STATE_DIRECTORY, self._log)
        self.signals, self.signalled = os.pipe()
        self.told: float | None = None  # when the watchdog was last told, and how often it wants to be
        self.telling = int(os.environ.get("WATCHDOG_USEC") or 0) / 3e6

    def run(self) -> None:
        """Serve until SIGTERM."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)  # inherited by the threads: a signal never interrupts an answer
        self._thread(self._take_signals)
        self.agent.load()
        self.agent.warm_up()
        self.agent.tick()  # before listening, so that the first answer is a measured one
        self._listen()
        with self._status_listener(ADMIN_SOCKET, 0o600) as admin, self._status_listener(STATUS_SOCKET, 0o666) as public:
            self._thread(serve_status, admin, public, self.agent)
            self._keep_record()
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
        data = self.agent.reload(SETTINGS)
        if data is None:
            return
        if self.bound != (self.agent.settings.bind, self.agent.settings.port):
            old = self.listener
            try:
                self._listen()
            except OSError as error:
                self._log(f"problem: cannot listen on the new address, the old one stays: {error.strerror}")
                return
            old.shutdown(socket.SHUT_RDWR)
        self.settings_data = data
        self._keep_record()

    def _keep_record(self) -> None:
        """Leave which files this process runs on, as sha256sum writes them, behind the invocation of its unit."""
        digest = sha256sum(data=self.settings_data)
        lines = [f"# {os.environ.get('INVOCATION_ID', '')}", *self.loaded, *(f"{line.split()[0]}  {SETTINGS}" for line in digest)]
        try:
            replace_file(IN_FORCE, "\n".join(lines) + "\n")
        except OSError as error:
            self._log(f"problem: {IN_FORCE} cannot be written: {error.strerror}")

    def _listen(self) -> None:
        settings = self.agent.settings
        self.listener = listen(settings.bind, settings.port)
        self.bound = settings.bind, settings.port
        self.thread = self._thread(serve, self.listener, self.agent)

    @staticmethod
    def _thread(target: Callable[..., object], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        return thread

    @staticmethod
    def _status_listener(path: str, mode: int) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.lexists(path):
            os.unlink(path)  # an agent that was killed leaves it
        listener.bind(path)
        os.chmod(path, mode)
        listener.listen(64)
        return listener

    @staticmethod
    def _log(line: str) -> None:
        print(shown(line), file=sys.stderr, flush=True)
        notify(f"STATUS={line}")


def answer_inetd() -> None:
    """Answer the one connection that xinetd has accepted and put on the standard streams.

    The processes of successive polls share one state file under a lock: the first poll in a second measures, with rates since the poll before, and the
    others answer from that. Nothing may reach the balancer but the reply, so the standard streams are closed to it and the log goes to syslog.
    """
    import syslog

    def log(line: str) -> None:
        syslog.syslog(shown(line))

    syslog.openlog("wcs-agent", syslog.LOG_PID, syslog.LOG_DAEMON)
    with socket.socket(fileno=os.dup(0)) as connection:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        try:
            peer = connection.getpeername()[0]
        except OSError:
            return  # gone already
        settings = None
        try:
            settings, _data = load_settings(SETTINGS)
        except SettingsError as error:
            log(f"problem: {error}")
            settings = last_settings(STATE_DIRECTORY)
        if settings is None:
            send(connection.detach(), b"\n")  # nothing is known: an empty line changes nothing in HAProxy
            return
        with Locked(STATE_DIRECTORY, settings.statistics.timeout + 2) as alone:
            agent = Agent(settings, STATE_DIRECTORY, log)
            agent.load(announced=True)
            agent.warm_up()
            agent.tick(fresh_for=INTERVAL if alone else STALE_SECONDS)
            line = agent.answer(peer, time.monotonic())
            if alone:
                agent.save()
        send(connection.detach(), line)


class Locked:
    """Hold the lock of the state directory; true in a `with` when it is held. Who cannot have it in time is on his own."""

    def __init__(self, directory: str, seconds: float):
        self.path = os.path.join(directory, "lock")
        self.seconds = seconds
        self.file: int | None = None

    def __enter__(self) -> bool:
        import fcntl

        try:
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
            status = os.fstat(self.file)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                return False
            os.fchmod(self.file, 0o600)  # who can open it can hold it
        except OSError:
            return False
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.01)

    def __exit__(self, *_exception: object) -> None:
        if self.file is not None:
            os.close(self.file)


def last_settings(directory: str) -> Settings | None:
    """Return the settings that were last in force, None when nobody knows."""
    try:
        return make_settings(parse_json(read_file(os.path.join(directory, "state.json")).decode("utf-8"))["settings"])
    except (OSError, ValueError, KeyError, TypeError, SettingsError):
        return None


# --- The command ---------------------------------------------------------------------------------------------------------------------------------


class UsageError(Exception):
    """The command cannot do what it was asked; the text says why."""


def main(arguments: list[str]) -> int:
    """Run the command and return its exit status."""
    os.umask(0o022)
    try:
        if arguments in (["serve"], ["serve", "--inetd"]):  # these need no parser, which would stay in memory or cost time at every poll
            return command_serve("--inetd" in arguments)
        options = _parser().parse_args(arguments)
        return int(options.command(options))
    except (UsageError, SettingsError) as error:
        print(shown(f"wcs-agent: {error}"), file=sys.stderr)
        return 2


def _parser() -> Any:
    import argparse

    parser = argparse.ArgumentParser(prog="wcs-agent", description="HAProxy agent of a Web Call Server node.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[Any], int], text: str) -> argparse.ArgumentParser:
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
        print(shown(f"wcs-agent: {error}"), file=sys.stderr)
        return 1
    return 0


def command_status(options: Any) -> int:
    status = _ask(ADMIN_SOCKET) or _ask(STATUS_SOCKET)
    if status is None:
        agent = Agent(_settings(), STATE_DIRECTORY)
        agent.load()
        agent.warm_up()
        agent.tick()
        status = {"running": False, **agent.status()}
    print(json.dumps(status, indent=2) if options.json else as_text(status))
    return 0


def _ask(path: str) -> dict[str, Any] | None:
    """Return the status of the running agent, None when none runs or this is the other door."""
    deadline = time.monotonic() + 5
    answer = bytearray()
    while True:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            try:
                connection.connect(path)
                for data in iter(lambda: connection.recv(65536), b""):
                    answer += data
                return {"running": True, **parse_json(answer.decode("ascii"))}
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            except (OSError, ValueError) as error:
                if path == ADMIN_SOCKET and isinstance(error, PermissionError):
                    return None
                if time.monotonic() > deadline:
                    raise UsageError(f"the agent does not tell its status: {error}") from error
                answer.clear()
        time.sleep(0.01)  # many ask at once


def as_text(status: dict[str, Any]) -> str:
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
    return "\n".join(map(shown, lines))


def command_check(options: Any) -> int:
    settings = _settings()
    marks = _pairs(options.limits) if options.limits else settings.limits.marks
    settings = settings._replace(limits=settings.limits._replace(marks=marks, graded=False))
    meter = Meter(settings)
    meter.prime()
    time.sleep(0.5)
    reading = meter.read()
    verdict = decide(settings.limits, reading)
    for problem in meter.problems:
        print(shown(f"problem: {problem}"), file=sys.stderr)
    print(reply(verdict).decode("ascii"), end="")
    return 0 if verdict.state == "up" else 1


def _pairs(words: list[str]) -> dict[str, float]:
    """Return the limits of a command line such as `cpu 70 publishers 50`."""
    try:
        marks = {name: float(value) if "." in value else int(value) for name, value in zip(words[::2], words[1::2])}
    except ValueError:
        raise UsageError("a limit's value must be a number") from None
    if len(words) % 2:
        raise UsageError(f"{words[-1]} has no value")
    return make_settings({"limits": marks}).limits.marks


def command_drain(options: Any) -> int:
    now = time.time()
    until = None if options.until is None else parse_until(options.until, now)
    order = {"reason": describe(options.reason), "since": now, "until": until}
    path = os.path.join(STATE_DIRECTORY, "drain.json")
    try:
        replace_file(path, json.dumps(order), durable=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    print("drained" + (f" until {utc(until)}" if until else ""))
    return 0


def command_undrain(_options: Any) -> int:
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


def command_validate(options: Any) -> int:
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
    return load_settings(SETTINGS)[0] if os.path.lexists(SETTINGS) else make_settings({})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
