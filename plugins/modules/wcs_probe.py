#!/usr/bin/python
# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wcs_probe
short_description: Visit a balancer as the browsers of its users do
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Loads a page over TLS, then opens WebSockets and says the first words of the WebSDK on each, until the node behind it has
    answered that the session is established. No stream is published.
  - Certificate and host name are verified, and how long the certificate lives is returned.
  - What the balancer and the nodes send is read up to a bound, and within a time.
requirements:
  - aiohttp 3.7 or later
extends_documentation_fragment:
  - webcallserver.balancer._attributes.info
options:
  domain:
    description: Domain name of the balancer, as its certificate has it.
    type: str
    required: true
  address:
    description: Where to connect, for a domain that does not lead to this balancer yet. Without it, the domain is resolved.
    type: str
  port:
    description: Port of the balancer.
    type: int
    default: 443
  ca_path:
    description: File with the authorities that are trusted. Without it, those of the system.
    type: path
  page:
    description: Page to load.
    type: str
    default: /
  sessions:
    description: How many WebSockets to open, and as many to each of the O(pools).
    type: int
    default: 2
  pools:
    description:
      - Pools of the balancer besides its default one, as in C(haproxy_lb_pools). Of each, the first of its C(paths), C(hosts) and C(ports) is visited.
    type: list
    elements: dict
    default: []
  hold:
    description: How many seconds to hold them, for others to look at.
    type: int
    default: 0
  headers:
    description: Headers to send with each WebSocket, for example one that a balancer must not believe.
    type: dict
    default: {}
  closed:
    description: Ports that are closed to strangers, as this host is one. Those that take a connection all the same are returned.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: What the host is called.
        type: str
        required: true
      name:
        description: What the port is called.
        type: str
        required: true
      address:
        description: The host's address.
        type: str
        required: true
      port:
        description: The port.
        type: int
        required: true
      known:
        description: Networks that may connect. When this host is in one of them, the port is not tried.
        type: list
        elements: str
        default: []
  ready:
    description:
      - File to make when there is nothing more to open and the sessions are held, or when the visit has failed. The sessions are let go when that file
        is removed, O(hold) seconds later at the latest.
    type: path
"""

EXAMPLES = r"""
- name: Visit the balancer from here
  webcallserver.balancer.wcs_probe:
    domain: balancer.example.com
    page: /wcs/examples/demo/streaming/two_way_streaming/two_way_streaming.html
    sessions: 4
  delegate_to: localhost
"""

RETURN = r"""
page:
  description: What the page came with.
  returned: success
  type: dict
  contains:
    status:
      description: HTTP status.
      type: int
      returned: always
    size:
      description: Bytes of the page.
      type: int
      returned: always
  sample: {"status": 200, "size": 6021}
certificate:
  description: The certificate that was served.
  returned: success
  type: dict
  contains:
    sha256:
      description: Its fingerprint.
      type: str
      returned: always
    serial:
      description: Its serial number.
      type: str
      returned: always
    not_after:
      description: Its last day, in UTC.
      type: str
      returned: always
    days_left:
      description: Days until then.
      type: int
      returned: always
    percent_left:
      description: How much of its lifetime that is.
      type: int
      returned: always
  sample: {"sha256": "9f86…", "serial": "04A1", "not_after": "2026-12-31", "days_left": 63, "percent_left": 70}
ports:
  description: What became of each of O(closed), V(closed), V(open), or V(known) for one that was not tried.
  returned: success
  type: list
  elements: dict
  sample: [{"host": "wcs1", "name": "ws", "port": 8080, "state": "closed"}]
sessions:
  description: The sessions that were established.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The client's own address and port.
      type: str
      returned: always
    answer:
      description: Name of the node's first message.
      type: str
      returned: always
  sample: [{"address": "192.0.2.7:49152", "answer": "getUserData"}]
"""

import asyncio
import hashlib
import ipaddress
import os
import socket
import ssl
import time
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

AIOHTTP_ERROR: str | None = None
try:
    import aiohttp
    from aiohttp.abc import AbstractResolver
except ImportError:
    AIOHTTP_ERROR = traceback.format_exc()
    AbstractResolver = object  # type: ignore[assignment,misc]  # nothing is resolved without the library

CLIENT = {"appKey": "defaultApp", "mediaProviders": ["WebRTC"], "clientVersion": "2.0", "clientOSVersion": "", "clientBrowserVersion": "", "clientInfo": {}}
PATIENCE = 10
# For all of it but the time that the sessions are held
LONGEST = 120
LARGEST_PAGE = 16 * 1024 * 1024
LARGEST_MESSAGE = 1024 * 1024
PINGS = 20
DAY = 86400


class ProbeError(Exception):
    """The balancer did not do what its users need."""


class Leads(AbstractResolver):
    """Every name leads to the balancer: the name is what is verified, and the address where one connects."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[t.Any]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.address or host, port, type=socket.SOCK_STREAM)
        return [
            {"hostname": host, "host": place[0], "port": place[1], "family": kind, "proto": proto, "flags": socket.AI_NUMERICHOST}
            for kind, _type, proto, _name, place in found
        ]

    async def close(self) -> None:
        pass


def entry_points(pools: t.Iterable[dict[str, t.Any]], domain: str, port: int) -> list[tuple[str, str, int]]:
    """Return (path, host, port) of every way in: the plain one, and one for each pool that takes something by itself."""
    found = [("/", domain, port)]
    for pool in pools:
        path, host, own = ((pool.get(key) or [None])[0] for key in ("paths", "hosts", "ports"))
        if path or host or own:
            found.append((path or "/", host or domain, int(own or port)))
    return found


def url(scheme: str, host: str, port: int, path: str) -> str:
    """Return an address as one writes it."""
    return f"{scheme}://[{host}]:{port}{path}" if ":" in host else f"{scheme}://{host}:{port}{path}"


def lifetime(found: dict[str, t.Any], now: float) -> dict[str, t.Any]:
    """Return what is left of a certificate, as C(getpeercert) tells of it."""
    begin, end = (ssl.cert_time_to_seconds(found[key]) for key in ("notBefore", "notAfter"))
    left = max(end - now, 0)
    return {
        "serial": found.get("serialNumber", ""),
        "not_after": time.strftime("%Y-%m-%d", time.gmtime(end)),
        "days_left": int(left // DAY),
        "percent_left": int(100 * left / max(end - begin, 1)),
    }


def served(context: ssl.SSLContext, domain: str, address: str, port: int) -> dict[str, t.Any]:
    """Return the certificate that the balancer serves, verified."""
    with socket.create_connection((address, port), PATIENCE) as plain, context.wrap_socket(plain, server_hostname=domain) as connection:
        certificate = connection.getpeercert(True) or b""
        return {"sha256": hashlib.sha256(certificate).hexdigest(), **lifetime(dict(connection.getpeercert() or {}), time.time())}


def as_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return a network, or None for the name of a host, which may be anywhere."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def unrelated(address: str, port: int, known: t.Iterable[str]) -> bool:
    """Whether this host is in none of the networks when it connects there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, port))
        ours = ipaddress.ip_address(probe.getsockname()[0])
    networks = map(as_network, known)
    return not any(network is not None and ours in network for network in networks)


async def knock(door: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what becomes of a connection to a port that is to be closed."""
    row = {key: door[key] for key in ("host", "name", "port")}
    try:
        if not unrelated(door["address"], door["port"], door.get("known") or []):
            return {**row, "state": "known"}
        _reader, writer = await asyncio.wait_for(asyncio.open_connection(door["address"], door["port"]), 3)
        writer.close()
        return {**row, "state": "open"}
    except (OSError, ValueError, asyncio.TimeoutError):
        return {**row, "state": "closed"}


async def read(response: aiohttp.ClientResponse) -> int:
    """Return the size of a page."""
    size = 0
    async for part in response.content.iter_chunked(65536):
        size += len(part)
        if size > LARGEST_PAGE:
            raise ProbeError(f"it is larger than {LARGEST_PAGE // 1024 // 1024} MiB")
    return size


async def answer(websocket: aiohttp.ClientWebSocketResponse) -> str:
    """Return the name of a node's next message."""
    found = await websocket.receive_json(timeout=PATIENCE)
    if not isinstance(found, dict) or not isinstance(found.get("message"), str):
        raise ProbeError("the node's message has no name")
    return str(found["message"][:100])


async def establish(websocket: aiohttp.ClientWebSocketResponse) -> dict[str, str]:
    """Introduce ourselves as the WebSDK does, and return address and first answer of the session."""
    await websocket.send_json({"message": "connection", "data": [CLIENT]})
    first = await answer(websocket)
    for _ping in range(PINGS):
        if first != "ping":
            break
        await websocket.send_json({"message": "pong", "data": [None]})
        first = await answer(websocket)
    host, port = websocket.get_extra_info("sockname")[:2]
    return {"address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "answer": first}


async def keep(websocket: aiohttp.ClientWebSocketResponse) -> None:
    """Answer the node's pings, without which it ends the session; what else it says is let go."""
    async for message in websocket:
        if message.type == aiohttp.WSMsgType.TEXT and '"ping"' in message.data[:100]:
            await websocket.send_json({"message": "pong", "data": [None]})


async def hold_until(ready: str | None, hold: int) -> None:
    """Wait until whoever looks at the sessions has seen enough."""
    end = time.monotonic() + hold
    if ready:
        mark(ready)
    while time.monotonic() < end and (not ready or os.path.exists(ready)):
        await asyncio.sleep(0.2)


def mark(ready: str) -> None:
    """Make the file that others wait for."""
    os.close(os.open(ready, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))


async def open_all(client: aiohttp.ClientSession, kept: list[asyncio.Future[None]], context: ssl.SSLContext, wanted: dict[str, t.Any]) -> dict[str, t.Any]:
    """Load the page and open the WebSockets, whose keepers are added to `kept`; return what was seen."""
    domain, port = wanted["domain"], wanted["port"]
    step = f"GET {url('https', domain, port, wanted['page'])}"
    try:
        async with client.get(url("https", domain, port, wanted["page"]), ssl=context, allow_redirects=False) as response:
            page = {"status": response.status, "size": await read(response)}
        established = []
        for path, name, entry in entry_points(wanted["pools"], domain, port):
            for number in range(1, wanted["sessions"] + 1):
                step = f"WebSocket {number} to {url('wss', name, entry, path)}"
                websocket = await client.ws_connect(url("https", name, entry, path), ssl=context, headers=wanted["headers"], max_msg_size=LARGEST_MESSAGE)
                established.append(await establish(websocket))
                kept.append(asyncio.ensure_future(keep(websocket)))
    except (aiohttp.ClientError, OSError, TypeError, ValueError, RecursionError, ProbeError, asyncio.TimeoutError) as exc:
        raise ProbeError(f"{step}: {exc or type(exc).__name__}") from exc
    return {"page": page, "sessions": established}


async def visit(wanted: dict[str, t.Any]) -> dict[str, t.Any]:
    """Try the ports, look at the certificate, load the page, open the WebSockets, hold them; return what was seen."""
    context = ssl.create_default_context(cafile=wanted["ca_path"])
    address = wanted["address"] or wanted["domain"]
    loop = asyncio.get_running_loop()
    ports = await asyncio.gather(*(knock(door) for door in wanted["closed"]))
    try:
        certificate = await loop.run_in_executor(None, served, context, wanted["domain"], address, wanted["port"])
    except (OSError, ValueError) as exc:
        raise ProbeError(f"TLS to {address}, port {wanted['port']}, as {wanted['domain']}: {exc}") from exc
    # Each session is a new client's: what makes one come back is not kept
    jar = aiohttp.DummyCookieJar()
    connector = aiohttp.TCPConnector(resolver=Leads(wanted["address"]), use_dns_cache=False)
    kept: list[asyncio.Future[None]] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), cookie_jar=jar, connector=connector) as client:
        try:
            seen = await asyncio.wait_for(open_all(client, kept, context, wanted), LONGEST)
            await hold_until(wanted["ready"], wanted["hold"])
        except asyncio.TimeoutError as exc:
            raise ProbeError(f"the visit took longer than {LONGEST} seconds") from exc
        finally:
            for keeper in kept:
                keeper.cancel()
            await asyncio.gather(*kept, return_exceptions=True)
    return {**seen, "certificate": certificate, "ports": ports}


def main() -> None:
    door = {
        "host": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "port": {"type": "int", "required": True},
        "known": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "domain": {"type": "str", "required": True},
            "address": {"type": "str"},
            "port": {"type": "int", "default": 443},
            "ca_path": {"type": "path"},
            "page": {"type": "str", "default": "/"},
            "sessions": {"type": "int", "default": 2},
            "pools": {"type": "list", "elements": "dict", "default": []},
            "hold": {"type": "int", "default": 0},
            "headers": {"type": "dict", "default": {}},
            "closed": {"type": "list", "elements": "dict", "default": [], "options": door},
            "ready": {"type": "path"},
        },
        supports_check_mode=True,
    )
    if AIOHTTP_ERROR:
        module.fail_json(msg=missing_required_lib("aiohttp"), exception=AIOHTTP_ERROR)
    ready = module.params["ready"]
    try:
        result = asyncio.run(visit(module.params))
    except (ProbeError, OSError) as exc:
        if ready:
            mark(ready)
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
