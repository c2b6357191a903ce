# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of nodes as the backends of HAProxy, and the rules that lead to them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: haproxy_pools
short_description: Turn pools of nodes into HAProxy backends
version_added: 1.0.0
author:
  - webcallserver.balancer contributors (@webcallserver)
description:
  - Takes pools as in C(haproxy_lb_pools) and returns what HAProxy's file says of each. The nodes that no pool names make up the default pool.
  - A node is in one pool alone, so that its C(maxconn) is counted once. Whatever is wrong ends in one error that names the variable.
positional: hostvars, groups
options:
  _input:
    description:
      - Pools with C(name), C(group) or C(servers), and maybe C(paths), C(hosts), C(ports), C(balance), C(hash), C(stickiness), C(check), C(check_uri),
        C(maxconn), C(fallback) and C(cdn_role).
    type: list
    elements: dict
    required: true
  hostvars:
    description:
      - The variables of all hosts, as in the magic variable C(hostvars).
    type: dict
    required: true
  groups:
    description:
      - The hosts of all groups, as in the magic variable C(groups).
    type: dict
    required: true
  default:
    description:
      - The default pool, with the same keys. What it says of C(balance), C(hash), C(stickiness), C(check), C(check_uri) and C(maxconn) holds for
        every pool that says nothing else.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show where viewers go
  ansible.builtin.debug:
    msg: "{{ pools | webcallserver.balancer.haproxy_pools(hostvars, groups, default=default) | map(attribute='rules') | flatten }}"
  vars:
    pools:
      - {name: view, servers: [{name: edge1, address: 192.0.2.21}], paths: [/view], fallback: [default]}
    default: {group: wcs_nodes, balance: roundrobin, hash: path, stickiness: none, check: http, check_uri: /, maxconn: 4000}
"""

RETURN = r"""
_value:
  description:
    - One mapping a pool that has servers, the default pool last, with C(name), C(backend), C(ports), C(acls) and C(rules) for the frontend, C(policy), the
      lines of the backend that differ from pool to pool, and C(servers) as P(webcallserver.balancer.haproxy_servers#filter) returns them with their C(line).
  type: list
  elements: dict
"""

import re

from ansible.errors import AnsibleFilterError

from .haproxy_servers import HOST_NAME, haproxy_servers, number

DEFAULT = "default"
NAME = re.compile(r"[A-Za-z0-9_-]+")
PATH = re.compile(r"/[A-Za-z0-9._~:@!&()*+,;=%/-]*")
URI = re.compile(r"/[A-Za-z0-9._~:@!&()*+,;=%/?-]*")

BALANCE = {"roundrobin": "roundrobin", "leastconn": "leastconn", "first": "first", "source": "source", "random": "random(2)"}
HASH = {"path": "uri", "header:NAME": "hdr({})", "parameter:NAME": "url_param {}"}
STICKINESS = ("none", "cookie", "source", "header:NAME")


class _Pool:
    """What was said of a pool, with the default pool's word where nothing was."""

    def __init__(self, said, default):
        self.name = said["name"]
        self.backend = "wcs_back" if self.name == DEFAULT else f"wcs_back_{self.name}"
        self.cookie = "SERVERID" if self.name == DEFAULT else f"SERVERID_{self.name}"
        self.said = default | {key: value for key, value in said.items() if value is not None}
        self.servers = []

    def called(self, key):
        """How the variable is called in an error."""
        return f"haproxy_lb_{key}" if self.name == DEFAULT else f"{key} of pool '{self.name}' in haproxy_lb_pools"

    def form(self, key, forms):
        """Return which of the forms the value has, and the name in it."""
        kind, colon, name = str(self.said[key]).partition(":")
        form = f"{kind}:NAME" if colon else kind
        if form not in forms or colon and not NAME.fullmatch(name):
            raise AnsibleFilterError(f"{self.called(key)}: '{self.said[key]}' is none of {', '.join(forms)}")
        return form, name


def _named(pools, default):
    """Return the pools that were named, checked against each other."""
    inherited = {key: value for key, value in default.items() if key not in ("group", "servers")}
    found = {}
    for position, said in enumerate(pools, start=1):
        name = str(said.get("name") or "")
        if not NAME.fullmatch(name) or name == DEFAULT or name in found:
            raise AnsibleFilterError(
                f"haproxy_lb_pools: pool {position} is called '{name}'; each needs a name of its own, other than '{DEFAULT}', of letters, digits, _ and -"
            )
        if bool(said.get("group")) == bool(said.get("servers")):
            raise AnsibleFilterError(f"haproxy_lb_pools: pool '{name}' needs either a group or servers")
        found[name] = _Pool(said, inherited)
    return found


def _entries(pool, groups, taken=()):
    """Return the servers of a pool, or the hosts of its group that no other pool has."""
    if pool.said.get("servers"):
        return pool.said["servers"]
    return [host for host in groups.get(pool.said["group"], []) if host not in taken]


def _fill(pool, entries, hostvars):
    """Give the pool its servers."""
    maxconn = number("maxconn", pool.said["maxconn"], pool.called("maxconn"))
    pool.servers = haproxy_servers(entries, hostvars, maxconn, pool.called("servers"))
    if not pool.servers and pool.name != DEFAULT:
        raise AnsibleFilterError(f"{pool.called('group')}: the inventory group '{pool.said['group']}' has no hosts; put some into it or take the pool out")
    graded = [server["name"] for server in pool.servers if server["graded"]]
    if pool.said["balance"] == "leastconn" and graded:
        raise AnsibleFilterError(
            f"{pool.called('balance')} is leastconn, but the agents of {', '.join(graded)} grade their weights, and the two together herd: "
            "set wcs_node_agent_graded to false for them in the inventory, or choose roundrobin"
        )


def _same_role(pool, hostvars):
    """The nodes of a pool for origins are origins, and those of one for edges are edges."""
    role = pool.said.get("cdn_role")
    if role and pool.said.get("servers"):
        raise AnsibleFilterError(f"{pool.called('cdn_role')}: roles are known of hosts in the inventory; give the pool a group in place of servers")
    for server in pool.servers if role else ():
        actual = hostvars[server["name"]].get("wcs_node_cdn_role") or "none"
        if actual != role:
            raise AnsibleFilterError(
                f"{pool.called('cdn_role')} is {role}, but wcs_node_cdn_role of host '{server['name']}' is {actual}; "
                "make the two agree, or move the host to another group"
            )


def _in_one_pool(pools):
    """Neither a name nor an address is in two pools: what a node may hold is counted in one place."""
    seen = {}
    for pool in pools:
        for server in pool.servers:
            for what in (server["name"], f"{server['address']}:{server['port']}"):
                other = seen.setdefault(what, pool)
                if other is not pool:
                    raise AnsibleFilterError(
                        f"haproxy_lb_pools: {what} is in the pools '{other.name}' and '{pool.name}', and its maxconn would be counted twice; "
                        "keep it in one, and let the other fall back to that"
                    )


def _acls(pool):
    """Return the acl lines of a pool: those of one name are alternatives."""
    acls = []
    for path in pool.said.get("paths") or ():
        if not PATH.fullmatch(str(path)):
            raise AnsibleFilterError(f"{pool.called('paths')}: '{path}' is no path; begin it with / and leave out blanks, quotes, ? and #")
        whole = str(path).rstrip("/")
        acls += [f"acl {pool.backend}_path path {whole}"] if whole else []
        acls.append(f"acl {pool.backend}_path path_beg {whole}/")
    for host in pool.said.get("hosts") or ():
        if not HOST_NAME.fullmatch(str(host)):
            raise AnsibleFilterError(f"{pool.called('hosts')}: '{host}' is no host name")
        acls.append(f"acl {pool.backend}_host req.fhdr(Host),field(1,:) -i {host}")
    for port in pool.said.get("ports") or ():
        acls.append(f"acl {pool.backend}_port dst_port {port}")
    return acls


def _rules(pool, pools, acls, last):
    """Return the use_backend lines that lead to a pool and to those that stand in for it."""
    condition = " ".join(["if is_websocket"] + ([] if last else list(dict.fromkeys(acl.split()[1] for acl in acls))))
    chain = [pool]
    for name in pool.said.get("fallback") or ():
        if name not in pools or name == pool.name:
            raise AnsibleFilterError(f"{pool.called('fallback')}: '{name}' is no other pool that has servers; there are {', '.join(pools)}")
        chain.append(pools[name])
    if not acls and not last:
        return []
    spare = [f"use_backend {other.backend} {condition} {{ be_conn_free({other.backend}) gt 0 }}" for other in chain]
    return (spare if len(chain) > 1 else []) + [f"use_backend {pool.backend} {condition}"]


def _reachable(pools, rules):
    """Whatever nothing leads to was meant otherwise."""
    led_to = {line.split()[1] for lines in rules.values() for line in lines}
    for pool in pools.values():
        if pool.backend not in led_to:
            raise AnsibleFilterError(
                f"haproxy_lb_pools: nothing leads to pool '{pool.name}'; give it paths, hosts or ports, or name it in the fallback of another pool"
            )


def _balance(pool):
    """Return how new sessions are spread."""
    wanted = pool.said["balance"]
    if wanted == "hash":
        form, name = pool.form("hash", HASH)
        return [f"balance {HASH[form].format(name)}", "hash-type consistent"]
    if wanted not in BALANCE:
        raise AnsibleFilterError(f"{pool.called('balance')}: '{wanted}' is none of {', '.join(BALANCE)}, hash")
    # A static hash would take nothing but 0 and 100 percent from an agent
    return [f"balance {BALANCE[wanted]}"] + (["hash-type consistent"] if wanted == "source" else [])


def _stickiness(pool):
    """Return what brings a client back, and what lets it go elsewhere when its node is full."""
    form, name = pool.form("stickiness", STICKINESS)
    full = [f"{{ srv_conn_free({pool.backend}/{server['name']}) eq 0 }}" for server in pool.servers]
    if form == "none":
        return []
    if form == "cookie":
        return [f'cookie {pool.cookie} insert indirect nocache httponly secure attr "SameSite=None"'] + [
            f"ignore-persist if {{ req.cook({pool.cookie}) {server['name']} }} {is_full}" for server, is_full in zip(pool.servers, full)
        ]
    kind, key = ("ipv6", "src") if form == "source" else ("string len 64", f"req.fhdr({name})")
    # HAProxy numbers the servers of a backend from 1
    return [
        f"stick-table type {kind} size 100k expire 24h",
        *(
            f"http-request set-var(txn.full) bool(true) if {{ {key},table_server_id({pool.backend}) eq {number} }} {is_full}"
            for number, is_full in enumerate(full, start=1)
        ),
        f"stick match {key} unless {{ var(txn.full) -m bool }}",
        f"stick store-request {key} unless {{ var(txn.full) -m bool }}",
    ]


def _check(pool):
    """Return how a node proves itself alive."""
    if pool.said["check"] == "tcp":
        return []
    if not URI.fullmatch(pool.said["check_uri"]):
        raise AnsibleFilterError(f"{pool.called('check_uri')}: '{pool.said['check_uri']}' is no path; begin it with / and leave out blanks, quotes and #")
    return ["option httpchk", f"http-check send meth GET uri {pool.said['check_uri']} ver HTTP/1.1 hdr Host wcs", "http-check expect status 200"]


def _line(pool, server):
    """Return the server line."""
    words = ["server", server["name"], f"{server['address']}:{server['port']}", "weight", server["weight"], "maxconn", server["maxconn"], "check"]
    if pool.said["check"] != "tcp":
        words += ["port", server["check_port"]]
    if server["agent_port"]:
        words += ["agent-check", "agent-port", server["agent_port"]]
    if pool.said["stickiness"] == "cookie":
        words += ["cookie", server["name"]]
    return " ".join(map(str, words))


def haproxy_pools(pools, hostvars, groups, default):
    """Return the backends, in the order in which they are tried."""
    found = _named(pools, default)
    for pool in found.values():
        _fill(pool, _entries(pool, groups), hostvars)
        _same_role(pool, hostvars)
    rest = _Pool({"name": DEFAULT}, default)
    _fill(rest, _entries(rest, groups, {server["name"] for pool in found.values() for server in pool.servers}), hostvars)
    if rest.servers:
        found[DEFAULT] = rest
    _in_one_pool(found.values())
    acls = {name: _acls(pool) for name, pool in found.items()}
    last = next(reversed(found), None)
    rules = {name: _rules(pool, found, acls[name], name == last) for name, pool in found.items()}
    _reachable(found, rules)
    return [
        {
            "name": name,
            "backend": pool.backend,
            "ports": pool.said.get("ports") or [],
            "acls": [] if name == last else acls[name],
            "rules": rules[name],
            "policy": _balance(pool) + _check(pool) + _stickiness(pool),
            "servers": [server | {"line": _line(pool, server)} for server in pool.servers],
        }
        for name, pool in found.items()
    ]


class FilterModule:
    """The one filter of this file."""

    def filters(self):
        return {"haproxy_pools": haproxy_pools}
