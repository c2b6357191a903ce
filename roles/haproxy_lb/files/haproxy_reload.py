# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit of haproxy does before and after haproxy itself does something. One call for each:

    prepare CONFIG DIRECTORY          before a start
    started CONFIG DIRECTORY          after it
    reload CONFIG DIRECTORY MASTER [SECONDS]    for a reload, where MASTER is the process of haproxy, and a worker has so many seconds
    stop CONFIG DIRECTORY             before a stop

A new worker starts from the state of the servers that the one before it had, so that a server that its agent holds down, or that
somebody drained, gets nothing. The configuration counts where it differs: haproxy itself would go on using the ports in
the state, and would take a new server for a sound one until its first checks are back. Where there is no state, the agents are asked.

A worker that cannot start leaves the old one in charge and the master silent; here it is an error. A port that somebody else has is
found out first, since haproxy makes the old worker refuse connections while it tries.

DIRECTORY/in-force says what the worker was loaded from: the invocation of the unit, then a line a file as sha256sum writes them. It is
there only while that is certain. A configuration that a worker came up on is kept as CONFIG.last-good.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import sys
import threading
import time
from typing import NamedTuple

# Seconds until a worker has to be up, until a busy master is told again, and in which an agent has to answer
PATIENCE = 30.0
AGAIN = 5.0
AGENT = 1.0
LINE = 4096
# A state from a stop is believed for so many seconds
YOUNG = 60.0
# Commands in one line, and what may stand in one: headers are what clients send
AT_ONCE = 100
KEY = re.compile(r"[A-Za-z0-9._~+/=@:%-]{1,64}")
ADDRESS = re.compile(r"(\*|[0-9.]*|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]*):([0-9]{1,5})")

RUNNING = "2"
# Down, with a check that has begun: from "unknown" haproxy never raises a server
UNHEARD = {"srv_op_state": "0", "srv_admin_state": "0", "srv_check_status": "1", "srv_check_result": "0", "srv_check_health": "0"}
# A server that no worker has known yet, in the columns that every release reads
COLUMNS = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status "
    "srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord"
)
UNKNOWN = dict.fromkeys(COLUMNS.split(), "0") | {"srv_check_state": "6", "srv_agent_state": "22", "srv_fqdn": "-", "srvrecord": "-"}

Row = dict[str, str]


class Server(NamedTuple):
    """What a server line says."""

    address: str
    port: str
    agent_port: int


class Configuration(NamedTuple):
    """What matters here of haproxy.cfg."""

    data: bytes
    socket: str
    state_file: str
    servers: dict[tuple[str, str], Server]
    binds: list[str]
    files: list[str]


def say(text: str) -> None:
    """Say something in one line, in which names and answers cannot steer a terminal."""
    print(text.encode("unicode_escape").decode("ascii"), flush=True)


def fail(text: str) -> None:
    """End with what keeps haproxy as it is."""
    say("[ALERT] " + text)
    sys.exit(1)


def write(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step that outlives a power cut; a link in its place is replaced as well."""
    new = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        os.unlink(new)
        raise
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def remove(path: str) -> None:
    """Remove a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


# ---- the configuration ----


def value_after(words: list[str], name: str) -> str:
    """Return the word that follows this one, or nothing."""
    return words[words.index(name) + 1] if name in words[:-1] else ""


def parse_server(words: list[str]) -> Server:
    """Read the words of a server line."""
    address, _colon, port = words[2].rpartition(":")
    agent = value_after(words, "agent-port")
    return Server(address.strip("[]"), port, int(agent) if agent.isdigit() and "agent-check" in words else 0)


SECTIONS = {
    *("global", "defaults", "frontend", "backend", "listen"),
    *("acme", "cache", "crt-store", "fcgi-app", "http-errors", "log-forward", "log-profile", "mailers", "peers", "program", "resolvers", "ring", "traces"),
    "userlist",
}


def parse(data: bytes) -> Configuration:
    """Read haproxy.cfg as far as it matters here; lines that are not understood are haproxy's affair."""
    found = Configuration(data, "", "", {}, [], [])
    backend = ""
    known: set[str] = set()
    for line in data.decode("utf-8", "replace").split("\n"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in SECTIONS:
            backend = words[1] if words[0] in ("backend", "listen") and len(words) > 1 else ""
        elif words[:2] == ["stats", "socket"] and len(words) > 2 and words[2].startswith("/"):
            found = found._replace(socket=found.socket or words[2])
        elif words[0] == "server-state-file" and len(words) > 1:
            found = found._replace(state_file=words[1])
        elif words[0] == "parse-resolv-conf":
            known.add("/etc/resolv.conf")
        elif words[0] == "server" and backend and len(words) > 2:
            found.servers[backend, words[1]] = parse_server(words)
            # It is read when haproxy starts, and never again
            if value_after(words, "init-addr").startswith("libc"):
                known.add("/etc/hosts")
        elif words[0] == "bind" and len(words) > 1:
            found.binds.extend(address for address in words[1].split(",") if "transparent" not in words)
            found.files.extend(after for before, after in zip(words, words[1:]) if before == "crt" and after.startswith("/"))
    found.files.extend(sorted(known))
    return found


def taken(binds: list[str]) -> list[str]:
    """Return the bind addresses whose port is somebody else's. haproxy shares its own with whoever asks likewise."""
    found = []
    for bind in binds:
        match = ADDRESS.fullmatch(bind)
        if match is None:
            continue
        address = match[1].strip("[]*")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((address, int(match[2])))
            except (OSError, OverflowError) as error:
                found.append(f"{bind}: {getattr(error, 'strerror', error)}")
    return found


# ---- what is in force ----


def digest(path: str) -> str:
    """Return the SHA-256 of a file, or nothing where there is none."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
    return ""


def record(path: str, configuration: Configuration) -> bytes:
    """Return what to leave about a worker that is loaded from these files as they are now."""
    digests = {path: hashlib.sha256(configuration.data).hexdigest()} | {file: digest(file) for file in configuration.files}
    lines = [f"{digest}  {file}\n" for file, digest in digests.items() if digest]
    return f"# {os.environ.get('INVOCATION_ID', '')}\n{''.join(lines)}".encode()


def keep(path: str, directory: str) -> None:
    """Leave word of what the worker that came up was loaded from, unless that has changed meanwhile."""
    with open(f"{directory}/in-force.taken", "rb") as file:
        before = file.read()
    configuration = load(path)
    if record(path, configuration) != before:
        say("The files have changed while haproxy read them; what it runs on is not certain")
        return
    last_good = path + ".last-good"
    if digest(last_good) != hashlib.sha256(configuration.data).hexdigest() or os.path.islink(last_good):
        write(last_good, configuration.data, 0o644)
    os.replace(f"{directory}/in-force.taken", f"{directory}/in-force")


def load(path: str) -> Configuration:
    """Read the configuration."""
    with open(path, "rb") as file:
        return parse(file.read())


# ---- the state of the servers ----


def ask(path: str, command: str) -> str:
    """Ask the running haproxy; the answer ends when it closes the connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(path)
        connection.sendall(command.encode() + b"\n")
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")


def worker(path: str) -> str:
    """Return the process that serves now, or nothing when nobody can be asked."""
    with contextlib.suppress(OSError):
        return next((line.split()[1] for line in ask(path, "show info").split("\n") if re.match(r"Pid: \d", line)), "")
    return ""


def began(pid: str) -> float:
    """Return when a process began, in seconds since the machine did."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")


def serves_anew(path: str, before: str, since: float) -> bool:
    """Whether another worker serves, one that began after this and so has read the files of now."""
    now = worker(path)
    with contextlib.suppress(OSError):
        # The clock of processes ticks a hundred times a second
        return now not in ("", before) and began(now) > since - 0.02
    return False


def state_of(path: str) -> str:
    """Ask the running haproxy for the state of its servers."""
    state = ask(path, "show servers state")
    if not state.startswith("1\n# "):
        raise OSError(f"haproxy gave no state of its servers: {state[:200]}")
    return state


def rows_of(state: str) -> list[Row]:
    """Return the servers in the state, each by the names of the columns."""
    _version, header, *lines = state.split("\n")
    names = header.lstrip("# ").split()
    return [dict(zip(names, line.split())) for line in lines if len(line.split()) == len(names)]


def written(columns: list[str], rows: list[Row]) -> str:
    """Return the state as haproxy reads it."""
    return "\n".join(["1", "# " + " ".join(columns), *(" ".join(row[name] for name in columns) for row in rows), ""])


def merged(state: str, servers: dict[tuple[str, str], Server]) -> str:
    """Return the state for these servers: known ones with the configured ports, new ones as down until they are heard."""
    known = {(row["be_name"], row["srv_name"]): row for row in rows_of(state)}
    rows = []
    for (backend, name), server in servers.items():
        row = known.get((backend, name))
        if row is None:
            # Without a sound neighbour, a new server may as well be tried at once
            sound = [other for (of, _name), other in known.items() if of == backend and other["srv_op_state"] == RUNNING and (of, _name) in servers]
            if not sound:
                continue
            row = dict(sound[0], srv_name=name, srv_id="0", srv_addr=server.address, srv_fqdn="-", srv_uweight="0", srv_iweight="0", **UNHEARD)
        # A check on its own port is configured, and no port here leaves it at that
        rows.append(dict(row, srv_port=server.port, **{key: "0" for key in ("srv_check_port", "srv_agent_port") if key in row}))
    return written(state.split("\n")[1].lstrip("# ").split(), rows)


def hear(server: Server) -> str:
    """Return the first line of a server's agent, or nothing."""
    with contextlib.suppress(OSError, OverflowError), socket.create_connection((server.address, server.agent_port), AGENT) as connection:
        connection.settimeout(AGENT)
        line = b""
        while b"\n" not in line and len(line) < LINE and (more := connection.recv(LINE)):
            line += more
        return line.partition(b"\n")[0].decode("utf-8", "replace")
    return ""


def hear_all(servers: dict[tuple[str, str], Server]) -> dict[tuple[str, str], str]:
    """Ask the agents, many at a time and none for long: a name may take longer to resolve than anybody wants to wait."""
    answers: dict[tuple[str, str], str] = {}
    waiting = list(servers.items())

    def listen() -> None:
        with contextlib.suppress(IndexError):
            while True:
                names, server = waiting.pop()
                answers[names] = hear(server)

    threads = [threading.Thread(target=listen, daemon=True) for _server in waiting[:100]]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 3 * AGENT
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {names: answers.get(names, "") for names in servers}


def sound(answer: str) -> bool:
    """Whether an agent that says this lets new sessions in."""
    words = re.split(r"[\s,]+", answer.partition("#")[0].lower().strip())
    return bool(set(words) & {"up", "ready"}) and not set(words) & {"down", "drain", "maint", "stopped", "fail", "failed", "0%"}


def heard(servers: dict[tuple[str, str], Server]) -> str:
    """Return a state in which every server is down until haproxy hears it, but for those whose agent lets sessions in now.

    Where none does and some cannot be reached, these may as well be tried at once, and so may servers without an agent.
    """
    asked = {names: server for names, server in servers.items() if server.agent_port}
    answers = hear_all(asked)
    served = {backend for (backend, _name), answer in answers.items() if sound(answer)}
    rows = [
        dict(UNKNOWN, be_name=backend, srv_name=name, srv_addr=asked[backend, name].address, srv_port=asked[backend, name].port, **UNHEARD)
        for (backend, name), answer in answers.items()
        if not sound(answer) and (answer or backend in served)
    ]
    return written(COLUMNS.split(), rows)


def clients(state: str, configuration: Configuration) -> list[str]:
    """Return the commands that tell a worker whose node is which, for the pools that keep a table of that.

    haproxy numbers the servers of a backend as they come. Its own way of handing tables over does not work in every release.
    """
    counts: dict[str, int] = {}
    numbers = {}
    for backend, name in configuration.servers:
        counts[backend] = counts.get(backend, 0) + 1
        numbers[backend, name] = counts[backend]
    names = {(row["be_name"], row["srv_id"]): row["srv_name"] for row in rows_of(state)}
    commands = []
    for backend in counts:
        for line in ask(configuration.socket, "show table " + backend).split("\n"):
            # What follows the last of these is haproxy's own; the key is what a client sent
            front, _use, data = line.rpartition(" use=")
            key = front.partition(" key=")[2]
            server = next((word[10:] for word in data.split() if word.startswith("server_id=")), "")
            number = numbers.get((backend, names.get((backend, server), "")))
            if number and KEY.fullmatch(key):
                commands.append(f"set table {backend} key {key} data.server_id {number}")
    return commands


# ---- what the unit calls ----


def prepare(path: str, directory: str) -> None:
    """Make what the first worker starts from, and note which files it will read."""
    remove(f"{directory}/in-force")
    configuration = load(path)
    write(f"{directory}/in-force.taken", record(path, configuration))
    if not configuration.state_file:
        return
    remove(configuration.state_file)
    stopped = f"{directory}/at-stop"
    try:
        young = abs(time.time() - os.stat(stopped).st_mtime) < YOUNG
        with open(stopped, encoding="utf-8") as file:
            state = file.read()
        os.unlink(stopped)
    except OSError:
        young = False
    write(configuration.state_file, (merged(state, configuration.servers) if young else heard(configuration.servers)).encode())


def started(path: str, directory: str) -> None:
    """Wait for the first worker, and leave word of it."""
    admin = load(path).socket
    end = time.monotonic() + PATIENCE / 3
    while admin and time.monotonic() < end:
        if worker(admin):
            keep(path, directory)
            return
        time.sleep(0.05)


def reload(path: str, directory: str, master: int, patience: float = PATIENCE) -> None:
    """Save what haproxy knows of its servers and clients, tell the master, and wait for the new worker."""
    configuration = load(path)
    conflicts = taken(configuration.binds)
    if conflicts:
        fail("haproxy cannot listen on " + ", ".join(conflicts))
    known: list[str] = []
    try:
        state = state_of(configuration.socket)
        known = clients(state, configuration)
        text = merged(state, configuration.servers)
    except OSError as error:
        say(f"haproxy cannot be asked for the state of its servers ({error}); their agents are asked instead")
        text = heard(configuration.servers)
    try:
        write(f"{directory}/in-force.taken", record(path, configuration))
        if configuration.state_file:
            remove(configuration.state_file)
            write(configuration.state_file, text.encode())
    except OSError as error:
        fail(f"The state of the servers cannot be saved in {directory} ({error.strerror}); nothing is reloaded")
    before = worker(configuration.socket)
    # From here on it is not certain what haproxy runs on
    remove(f"{directory}/in-force")
    start, since = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
    told = 0
    while True:
        passed = time.monotonic() - start
        # A master that is still busy with the reload before may miss the signal
        if passed >= told * AGAIN:
            os.kill(master, signal.SIGUSR2)
            told += 1
        time.sleep(0.05)
        if serves_anew(configuration.socket, before, since):
            break
        if passed > patience:
            fail(f"No worker came up on the configuration within {patience:.0f} seconds; the one from before goes on")
    for first in range(0, len(known), AT_ONCE):
        ask(configuration.socket, ";".join(known[first : first + AT_ONCE]))
    keep(path, directory)


def stop(path: str, directory: str) -> None:
    """Save the state of the servers for a start that follows at once."""
    configuration = load(path)
    if configuration.socket:
        write(f"{directory}/at-stop", state_of(configuration.socket).encode())


def main(arguments: list[str]) -> None:
    """Do what the unit calls for."""
    os.umask(0o077)
    action, path, directory, *more = arguments
    try:
        if action == "reload":
            reload(path, directory, *(int(number) for number in more))
        else:
            {"prepare": prepare, "started": started, "stop": stop}[action](path, directory)
    except OSError as error:
        fail(f"{action}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
