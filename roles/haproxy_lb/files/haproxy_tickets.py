# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look after the keys of TLS session tickets, in KEYS and in the haproxy that answers on SOCKET. One call for each:

    check KEYS SOCKET     say what is wrong with the file, and nothing where it will do
    mend KEYS SOCKET      make keys where there are none, or none that haproxy could start with
    rotate KEYS SOCKET    exchange the oldest for a new one
    tell KEYS SOCKET      give a running haproxy what the file has and it has not

haproxy encrypts with the last but one and decrypts with all three, so a key is known to it before it is used and after.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import socket
import stat
import sys

SIZES = (48, 80)
COUNT = 3
LARGEST = 65536


def say(text: str) -> None:
    """Say something in one line that cannot steer a terminal."""
    print(text.encode("unicode_escape").decode("ascii"), flush=True)


def size_of(key: str) -> int:
    """Return the bytes in a key, 0 when it is none."""
    try:
        return len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        return 0


def usable(keys: list[str]) -> bool:
    """Whether haproxy starts with these: three or more, different and of one size."""
    sizes = {size_of(key) for key in keys}
    return len(keys) >= COUNT and len(set(keys)) == len(keys) and len(sizes) == 1 and sizes <= set(SIZES)


def read(path: str) -> tuple[list[str], str]:
    """Return the keys in a file and why it will not do, or nothing when it will."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            return [], "no plain file"
        if found.st_size > LARGEST:
            return [], "too large"
        # A line ends where haproxy ends it: at a newline, and a carriage return before that
        with open(path, encoding="ascii", newline="\n") as file:
            keys = file.read(LARGEST).split("\n")
    except FileNotFoundError:
        return [], "missing"
    except (OSError, ValueError):
        return [], "not readable"
    keys = [key[:-1] if key.endswith("\r") else key for key in (keys[:-1] if keys[-1] == "" else keys)]
    if not usable(keys):
        return [], "not three keys"
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o600:
        return keys, "open to others"
    return keys, ""


def write(path: str, keys: list[str]) -> None:
    """Replace the file in one step that outlives a power cut; a link in its place is replaced as well."""
    new = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write("\n".join(keys) + "\n")
            file.flush()
            os.fchmod(file.fileno(), 0o600)
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


def ask(admin: str, command: str) -> str:
    """Ask the running haproxy."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(admin)
        connection.sendall(command.encode() + b"\n")
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")


def loaded(admin: str, path: str) -> list[str]:
    """Return the keys that the running haproxy has, oldest first; none when it does not run or has none from that file."""
    with contextlib.suppress(OSError):
        return re.findall(r"(?m)^[0-9]+\.[0-9]+ (\S+)$", ask(admin, f"show tls-keys {path}"))
    return []


def new(size: int = SIZES[-1]) -> str:
    """Make a key."""
    return base64.b64encode(os.urandom(size)).decode()


def missing(has: list[str], wanted: list[str]) -> list[str]:
    """Return the keys to add to the first list, of which the oldest goes each time, so that it ends as the second."""
    wanted = wanted[-COUNT:]
    return next(wanted[common:] for common in range(COUNT, -1, -1) if has[len(has) - common :] == wanted[:common])


def mend(path: str, admin: str) -> list[str]:
    """Make the file one that haproxy starts with, from the keys of the running one where there is one; return the keys."""
    keys, problem = read(path)
    if problem:
        running = loaded(admin, path)
        keys = keys or (running if usable(running) else [new() for _turn in range(COUNT)])
        write(path, keys)
        say(f"{path} was {problem}; it was written anew")
    return keys


def tell(path: str, admin: str, keys: list[str]) -> None:
    """Give the running haproxy the keys that it has not; one that does not run reads the file when it starts."""
    has = loaded(admin, path)
    if not has:
        say("haproxy does not use the keys now, and takes them when it starts")
        return
    for key in missing(has, keys):
        ask(admin, f"set ssl tls-key {path} {key}")
    if loaded(admin, path) != keys[-COUNT:]:
        say(f"haproxy has not taken the keys in {path}")
        sys.exit(1)
    say("haproxy has the keys")


def main(arguments: list[str]) -> None:
    """Do what is asked for."""
    os.umask(0o077)
    action, path, admin = arguments
    try:
        if action == "check":
            problem = read(path)[1]
            if problem:
                say(f"{path} is {problem}")
            return
        keys = mend(path, admin)
        if action == "rotate":
            keys = [*keys[1 - COUNT :], new(size_of(keys[-1]))]
            write(path, keys)
        if action != "mend":
            tell(path, admin, keys)
    except OSError as error:
        say(f"{action}: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
