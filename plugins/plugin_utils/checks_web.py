# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What the role websdk_nginx refuses: its options and what is known of the host in, one sentence for each problem out."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

from ..module_utils._release import origin
from .addresses import Endpoint, address, endpoint, port

FAMILIES = ("Debian", "RedHat")
SCHEMES = ("http", "https", "ws", "wss")
# What nginx writes into an answer itself, or the role does
TAKEN = {
    *("cache-control", "connection", "content-encoding", "content-length", "content-type", "date", "etag", "keep-alive"),
    *("last-modified", "location", "server", "trailer", "transfer-encoding", "vary"),
}
# nginx takes no word of 4,096 bytes, and HAProxy no head of an answer of 16,384
LONGEST_VALUE = 3500
LONGEST_HEADERS = 10000
LONGEST_INDEX = 1000
LONGEST_RELEASE_NAME = 100
LONGEST_SOCKET = 107
SHOWN = 200


class Host(t.NamedTuple):
    """What is known of a host."""

    family: str
    source: str  # where the bundle is: local, remote, url, or release when it is not looked at
    found: str  # the SHA-256 of a local bundle, '' for none
    look: tuple[str, ...]  # what web_look.sh printed
    balancer: str  # where the balancer on the same host expects the pages, '' without one


def shown(value: object) -> str:
    """A value for a sentence, on one line and without what a terminal would obey."""
    text = str(value)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return text if text.isprintable() else ascii(text)


def problems(options: t.Mapping[str, t.Any], host: Host) -> list[str]:
    """All that is wrong, a sentence each."""
    return [sentence for check in CHECKS for sentence in check(options, host)]


def _family(_options: t.Mapping[str, t.Any], host: Host) -> t.Iterator[str]:
    if host.family not in FAMILIES:
        yield f"This role knows the families {' and '.join(FAMILIES)}, this host's is {shown(host.family)}."


def _site(options: t.Mapping[str, t.Any], host: Host) -> t.Iterator[str]:
    own = next((line.partition(" ")[2] for line in host.look if line.startswith("own ")), "")
    if own and options["mask_default_site"] and host.family == "Debian":
        yield (
            f"{own} is a site of somebody's own, which would go out of force: give it another name there, "
            "or leave it alone with websdk_nginx_mask_default_site set to false."
        )


def _bundle(options: t.Mapping[str, t.Any], host: Host) -> t.Iterator[str]:
    bundle = options["bundle"]
    if host.source == "release":
        return
    if not bundle:
        yield (
            "websdk_nginx_bundle is empty: name the WebSDK's archive, a path on the controller or an https:// address;"
            " for pages of your own leave this role out."
        )
    elif host.source == "url":
        yield from _url(bundle)
        if options["bundle_remote"]:
            yield "websdk_nginx_bundle is an address and websdk_nginx_bundle_remote says that it is a path: unset one of them."
    elif "\0" in bundle or "\n" in bundle or len(bundle) > 4000:
        yield f"websdk_nginx_bundle is {shown(bundle)}: no file has such a name."
    elif host.source == "remote" and not bundle.startswith("/"):
        yield f"websdk_nginx_bundle is {shown(bundle)}: a path on the host has to be absolute."
    elif host.source == "remote" and bundle.endswith("/"):
        yield f"websdk_nginx_bundle is {shown(bundle)}: name the archive, and not a directory."
    elif host.source == "local" and not host.found:
        yield (
            f"websdk_nginx_bundle is {shown(bundle)}, and there is no such file on the controller:"
            " correct the path, or set websdk_nginx_bundle_remote to true when it is one on the host."
        )


def _url(bundle: str) -> t.Iterator[str]:
    try:
        parts = urlsplit(bundle)
        named = bool(parts.hostname and parts.path.strip("/")) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not re.match("https?://", bundle, re.IGNORECASE):
        yield f"websdk_nginx_bundle is {origin(bundle)}: of addresses only https:// and http:// can be used."
    elif not named or not re.fullmatch("[!-~]+", bundle):
        yield f"websdk_nginx_bundle is {origin(bundle)}: that is no address of a file, write it as https://example.com/websdk.tgz."


def _checksum(options: t.Mapping[str, t.Any], host: Host) -> t.Iterator[str]:
    sha256, found = options["bundle_sha256"], host.found
    if not sha256 and not options["bundle_unverified"] and host.source != "release":
        yield "websdk_nginx_bundle_sha256 is empty: give the archive's SHA-256, or set websdk_nginx_bundle_unverified to true to take whatever comes."
    elif sha256 and not re.fullmatch("[0-9A-Fa-f]{64}", sha256):
        yield f"websdk_nginx_bundle_sha256 is {shown(sha256)}: a SHA-256 has 64 hexadecimal digits."
    elif sha256 and found and sha256.lower() != found:
        yield (
            f"websdk_nginx_bundle is {shown(options['bundle'])}, whose SHA-256 is {found} and not websdk_nginx_bundle_sha256:"
            " get the archive anew, or correct the checksum when it is the right one."
        )


def _releases(options: t.Mapping[str, t.Any], _host: Host) -> t.Iterator[str]:
    release, root = options["release"], options["root"]
    if not re.fullmatch(r"(?!\.)[0-9A-Za-z.+_-]*", release) or len(release) > LONGEST_RELEASE_NAME:
        yield f"websdk_nginx_release is {shown(release)}: give the name of a directory in {shown(root)}/releases."
    if options["keep_releases"] < 1:
        yield f"websdk_nginx_keep_releases is {options['keep_releases']}: at least 1, the release that is served, is kept."
    if not re.fullmatch(r"(/[0-9A-Za-z+_-][0-9A-Za-z.+_-]*)+/?", root) or len(root) > LONGEST_INDEX:
        yield f"websdk_nginx_root is {shown(root)}: give an absolute path of letters, digits and . + _ -."


def listened(text: str) -> Endpoint | str:
    """Read what follows nginx's directive listen: an address and a port, a port, or a socket's path."""
    if text.startswith("unix:"):
        path = text[len("unix:") :]
        if not re.fullmatch(r"(/[0-9A-Za-z_-][0-9A-Za-z._-]*)+", path) or len(path) > LONGEST_SOCKET:
            raise ValueError(f"{shown(text)!r} is no unix:/path of letters, digits and . _ -, at most {LONGEST_SOCKET} of them")
        return path
    if re.fullmatch(r"[0-9]+", text):
        return Endpoint("0.0.0.0", port(text))
    found = endpoint(f"0.0.0.0{text[1:]}" if text.startswith("*:") else text)
    # A name that does not resolve at the wrong moment would keep nginx from starting
    return Endpoint(str(address(found.host)), found.port)


def _listen(options: t.Mapping[str, t.Any], host: Host) -> t.Iterator[str]:
    named = options["listen"]
    if not named:
        yield "websdk_nginx_listen is empty: give at least one address:port, port or unix:/path."
    seen: dict[Endpoint | str, str] = {}
    for text in named:
        try:
            where = listened(text)
        except ValueError as refusal:
            yield f"websdk_nginx_listen: {refusal}; give an address:port, a port or unix:/path."
            continue
        if where in seen:
            yield f"websdk_nginx_listen has {shown(seen[where])} and {shown(text)}, which are the same to nginx: leave one of them out."
        seen[where] = text
        if isinstance(where, Endpoint) and ":" in where.host and "family ipv6" not in host.look:
            yield f"websdk_nginx_listen has {shown(text)}, and this host has no IPv6: leave it out, or switch IPv6 on."
    yield from _balancer(host.balancer, seen)


def _balancer(expected: str, seen: t.Mapping[Endpoint | str, str]) -> t.Iterator[str]:
    """A balancer on this host asks nginx: where one expects the other, both have to say."""
    try:
        wanted = endpoint(expected)
        hosts = {"127.0.0.1", "::1"} if wanted.host == "localhost" else {wanted.host}
        here = any(address(host).is_loopback for host in hosts) or any(isinstance(where, Endpoint) and where.host in hosts for where in seen)
    except ValueError:
        # Not ours to judge, and a name may be that of another host
        return
    answers = {Endpoint(host, wanted.port) for host in hosts} | {Endpoint("::" if ":" in host else "0.0.0.0", wanted.port) for host in hosts}
    if here and seen and answers.isdisjoint(seen):
        yield (
            f"haproxy_lb_web_address is {shown(expected)}, where nginx does not listen (websdk_nginx_listen is {', '.join(map(shown, seen.values()))}):"
            " name the same address in both."
        )


def _server_ports(options: t.Mapping[str, t.Any], _host: Host) -> t.Iterator[str]:
    ports = options["server_ports"]
    try:
        good = all(scheme in SCHEMES and port(number) for scheme, number in ports.items())
    except ValueError:
        good = False
    if not good:
        yield f"websdk_nginx_server_ports is {shown(ports)}: give ports from 1 to 65535 for http, https, ws or wss."


def _index(options: t.Mapping[str, t.Any], _host: Host) -> t.Iterator[str]:
    index = options["index"]
    # Two slashes would lead to another host
    if not re.fullmatch(r"/(?!/)[0-9A-Za-z._~/?&=%+#,:@!-]*", index) or len(index) > LONGEST_INDEX:
        yield f"websdk_nginx_index is {shown(index)}: give a path that begins with /."


def _headers(options: t.Mapping[str, t.Any], _host: Host) -> t.Iterator[str]:
    headers = options["headers"]
    form = "names are letters, digits and -, values are one line of ASCII without a $"
    names: set[str] = set()
    for name, value in headers.items():
        if not re.fullmatch("[0-9A-Za-z-]{1,100}", str(name)) or not re.fullmatch(r"[ -#%-~]*", str(value)):
            yield f"websdk_nginx_headers has a name or a value that no header can have, in {shown(name)}: {form}."
        elif len(str(value)) + len(re.findall(r'[\\"]', str(value))) > LONGEST_VALUE:
            yield f"websdk_nginx_headers has more than {LONGEST_VALUE} characters for {name}: nginx takes no longer value."
        elif name.lower() in TAKEN:
            yield f"websdk_nginx_headers has {name}, which nginx sets itself: leave it out."
        elif name.lower() in names:
            yield f"websdk_nginx_headers has {name} twice, in another case: leave one of them out."
        names.add(str(name).lower())
    if sum(len(str(name)) + len(str(value)) + 4 for name, value in headers.items()) > LONGEST_HEADERS:
        yield f"websdk_nginx_headers has more than {LONGEST_HEADERS} characters in all: a balancer takes no longer answer."


CHECKS = (_family, _site, _bundle, _checksum, _releases, _listen, _server_ports, _index, _headers)
