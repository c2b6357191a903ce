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
  - Certificate and host name are verified.
requirements:
  - aiohttp
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
import ssl
import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import aiohttp
except ImportError:
    AIOHTTP_ERROR = traceback.format_exc()
else:
    AIOHTTP_ERROR = None

CLIENT = {"appKey": "defaultApp", "mediaProviders": ["WebRTC"], "clientVersion": "2.0", "clientOSVersion": "", "clientBrowserVersion": "", "clientInfo": {}}


class ProbeError(Exception):
    """The balancer did not do what its users need."""


def doors(pools, domain, port):
    """Return (path, host, port) of every way in: the plain one, and one for each pool that takes something by itself."""
    found = [("/", domain, port)]
    for pool in pools:
        said = [(pool.get(key) or [None])[0] for key in ("paths", "hosts", "ports")]
        if any(said):
            found.append((said[0] or "/", said[1] or domain, said[2] or port))
    return found


async def establish(websocket):
    """Introduce ourselves as the WebSDK does, and return address and first answer of the session."""
    await websocket.send_json({"message": "connection", "data": [CLIENT]})
    answer = await websocket.receive_json(timeout=10)
    while answer["message"] == "ping":
        await websocket.send_json({"message": "pong", "data": [None]})
        answer = await websocket.receive_json(timeout=10)
    host, port = websocket.get_extra_info("sockname")[:2]
    return {"address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "answer": answer["message"]}


async def visit(domain, address, port, ca_path, page, sessions, pools, hold, headers):
    """Load the page, open the WebSockets, hold them; return what was seen."""
    host = address or domain
    base = f"https://[{host}]" if ":" in host else f"https://{host}"
    context = ssl.create_default_context(cafile=ca_path)
    # Each session is a new client's: what makes one come back is not kept
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), cookie_jar=jar) as client:
        step = f"GET {base}:{port}{page}"
        try:
            async with client.get(f"{base}:{port}{page}", ssl=context, server_hostname=domain, headers={"Host": domain}) as response:
                seen = {"status": response.status, "size": len(await response.read())}
            websockets = []
            established = []
            for path, name, door in doors(pools, domain, port):
                for number in range(1, sessions + 1):
                    step = f"WebSocket {number} to {base}:{door}{path}"
                    websocket = await client.ws_connect(f"{base}:{door}{path}", ssl=context, server_hostname=domain, headers={**headers, "Host": name})
                    websockets.append(websocket)
                    established.append(await establish(websocket))
        except (aiohttp.ClientError, OSError, TypeError, ValueError, asyncio.TimeoutError) as exc:
            raise ProbeError(f"{step}: {exc or type(exc).__name__}") from exc
        await asyncio.sleep(hold)
        return {"page": seen, "sessions": established}


def main():
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
        },
        supports_check_mode=True,
    )
    if AIOHTTP_ERROR:
        module.fail_json(msg=missing_required_lib("aiohttp"), exception=AIOHTTP_ERROR)
    try:
        result = asyncio.run(visit(**module.params))
    except (ProbeError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
