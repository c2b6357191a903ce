# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""Pools of nodes as the backends of HAProxy, and the rules that lead to them; what is wrong with one is a ValueError with the sentence."""

from __future__ import annotations

import hashlib
import hmac
import re
import typing as t

from . import addresses
from .haproxy_limits import LINES, choice, number, word
from .servers import Options, Server, servers_of

DEFAULT = "default"
BALANCE = {"roundrobin": "roundrobin", "leastconn": "leastconn", "first": "first", "source": "source", "random": "random(2)"}
HASH = {"path": "uri", "header:NAME": "hdr({})", "parameter:NAME": "url_param {}"}
STICKINESS = ("none", "cookie", "source", "header:NAME")
CHECKS = ("http", "tcp")
# What the plain variables have for every pool that has nothing else
INHERITED = ("balance", "hash", "stickiness", "check", "check_uri", "maxconn")


class Facts(t.NamedTuple):
    """What the lines of a backend depend on besides the variables."""

    # Balancers that share what a node may hold
    balancers: int = 1
    # Seeds the values of the cookies; without it they are the servers' names
    secret: str = ""
    # Whether the proxies in front name their clients in a header, which HAProxy's own source knows nothing of
    forwarded: bool = False
    # Names that the balancer's /etc/hosts has, where DNS has no say
    hosts: frozenset[str] = frozenset()


NO_FACTS = Facts()


class Pool:
    """The options of a pool, with the default pool's where it has none, and its servers."""

    def __init__(self, options: Options, default: Options) -> None:
        self.name: str = options["name"]
        self.backend = "wcs_back" if self.name == DEFAULT else f"wcs_back_{self.name}"
        self.cookie = "SERVERID" if self.name == DEFAULT else f"SERVERID_{self.name}"
        self.options = {**default, **{key: value for key, value in options.items() if value is not None}}
        self.servers: list[Server] = []

    def called(self, key: str) -> str:
        """How the variable is called in an error."""
        return f"haproxy_lb_{key}" if self.name == DEFAULT else f"{key} of pool '{self.name}' in haproxy_lb_pools"

    def list_of(self, key: str) -> list[t.Any]:
        """A list among the options, of a length that HAProxy can work through."""
        entries = list(self.options.get(key) or ())
        if len(entries) > LINES:
            raise ValueError(f"{self.called(key)} has {len(entries)} entries, {LINES} are the most")
        return entries

    def form(self, key: str, forms: t.Iterable[str]) -> tuple[str, str]:
        """Return which of the forms the value has, and the name in it."""
        value = str(self.options[key])
        kind, colon, name = value.partition(":")
        form = choice(f"{kind}:NAME" if colon else kind, forms, self.called(key)) if not colon else f"{kind}:NAME"
        if form not in forms:
            raise ValueError(f"{self.called(key)}: {addresses.shown(value)} is none of {', '.join(forms)}")
        return form, word("header", name, self.called(key)) if colon else ""

    @property
    def cookies(self) -> bool:
        return bool(self.options["stickiness"] == "cookie")


def _named(pools: t.Iterable[Options], default: Options) -> dict[str, Pool]:
    """Return the pools by name, checked against each other."""
    inherited = {key: default[key] for key in INHERITED}
    found: dict[str, Pool] = {}
    for position, options in enumerate(pools, start=1):
        name = word("pool", options.get("name") or "", f"haproxy_lb_pools: name of pool {position}")
        if name == DEFAULT or name in found:
            raise ValueError(f"haproxy_lb_pools: pool {position} is called '{name}'; each needs a name of its own, other than '{DEFAULT}'")
        if bool(options.get("group")) == bool(options.get("servers")):
            raise ValueError(f"haproxy_lb_pools: pool '{name}' needs either a group or servers")
        found[name] = Pool(options, inherited)
    return found


def _entries(pool: Pool, groups: t.Mapping[str, t.Sequence[str]], taken: t.Container[str] = ()) -> list[t.Any]:
    """Return the servers of a pool, or the hosts of its group that no other pool has."""
    if pool.options.get("servers"):
        return list(pool.options["servers"])
    return [host for host in groups.get(pool.options["group"], []) if host not in taken]


def _fill(pool: Pool, entries: list[t.Any], hostvars: t.Mapping[str, Options], balancers: int) -> None:
    """Give the pool its servers, with this balancer's share of what each may hold."""
    maxconn = number("maxconn", pool.options["maxconn"], pool.called("maxconn"))
    pool.servers = servers_of(entries, hostvars, maxconn, pool.called("servers"))
    for server in pool.servers:
        # One at least: HAProxy takes 0 for no limit
        server["maxconn"] = max(1, server["maxconn"] // balancers)
    if not pool.servers and pool.name != DEFAULT:
        raise ValueError(
            f"{pool.called('group')}: the inventory group {addresses.shown(pool.options['group'])} has no hosts; put some into it or take the pool out"
        )
    graded = [server["name"] for server in pool.servers if server["graded"]]
    if pool.options["balance"] == "leastconn" and graded:
        raise ValueError(
            f"{pool.called('balance')} is leastconn, but the agents of {', '.join(graded)} grade their weights, and the two together herd: "
            "set wcs_node_agent_graded to false for them in the inventory, or choose roundrobin"
        )


def _same_role(pool: Pool, hostvars: t.Mapping[str, Options]) -> None:
    """The nodes of a pool for origins are origins, and those of one for edges are edges."""
    role = pool.options.get("cdn_role")
    if role and pool.options.get("servers"):
        raise ValueError(f"{pool.called('cdn_role')}: roles are known of hosts in the inventory; give the pool a group in place of servers")
    for server in pool.servers if role else ():
        actual = hostvars[server["name"]].get("wcs_node_cdn_role") or "none"
        if actual != role:
            raise ValueError(
                f"{pool.called('cdn_role')} is {addresses.shown(role)}, but wcs_node_cdn_role of host '{server['name']}' is {addresses.shown(actual)}; "
                "make the two agree, or move the host to another group"
            )


def _in_one_pool(pools: t.Iterable[Pool]) -> None:
    """Neither a name nor an address is in two pools: what a node may hold is counted in one place."""
    known: dict[str, Pool] = {}
    for pool in pools:
        for server in pool.servers:
            for what in (server["name"], f"{server['address']}:{server['port']}"):
                other = known.setdefault(what, pool)
                if other is not pool:
                    raise ValueError(
                        f"haproxy_lb_pools: {what} is in the pools '{other.name}' and '{pool.name}', and its maxconn would be counted twice; "
                        "keep it in one, and let the other fall back to that"
                    )


def _acls(pool: Pool) -> list[str]:
    """Return the acl lines of a pool: those of one name are alternatives."""
    acls = []
    for path in pool.list_of("paths"):
        whole = word("path", path, pool.called("paths")).rstrip("/")
        acls += [f"acl {pool.backend}_path path {whole}"] if whole else []
        acls.append(f"acl {pool.backend}_path path_beg {whole}/")
    for host in pool.list_of("hosts"):
        acls.append(f"acl {pool.backend}_host req.fhdr(Host),field(1,:) -i {_name(host, pool.called('hosts'))}")
    for port in ports_of(pool):
        acls.append(f"acl {pool.backend}_port dst_port {port}")
    return acls


def _name(host: object, called: str) -> str:
    """Read the name of a host that clients ask for."""
    try:
        name = addresses.host(host)
    except ValueError as error:
        raise ValueError(f"{called}: {error}") from None
    if ":" in name:
        raise ValueError(f"{called}: {addresses.shown(host)} is an IPv6 address, and pools are told apart by names")
    return name


def ports_of(pool: Pool) -> list[int]:
    """Return the ports that lead to a pool."""
    return [number("port", port, pool.called("ports")) for port in pool.list_of("ports")]


def _rules(pool: Pool, pools: t.Mapping[str, Pool], acls: list[str], last: bool) -> list[str]:
    """Return the use_backend lines that lead to a pool and to those that stand in for it."""
    condition = " ".join(["if is_websocket"] + ([] if last else list(dict.fromkeys(acl.split()[1] for acl in acls))))
    chain = [pool]
    for name in pool.list_of("fallback"):
        if name not in pools or name == pool.name:
            raise ValueError(f"{pool.called('fallback')}: {addresses.shown(name)} is no other pool that has servers; there are {', '.join(pools)}")
        chain.append(pools[name])
    if not acls and not last:
        return []
    spare = [f"use_backend {other.backend} {condition} {{ be_conn_free({other.backend}) gt 0 }}" for other in chain]
    return (spare if len(chain) > 1 else []) + [f"use_backend {pool.backend} {condition}"]


def _reachable(pools: t.Mapping[str, Pool], rules: t.Mapping[str, list[str]]) -> None:
    """Whatever nothing leads to was meant otherwise."""
    led_to = {line.split()[1] for lines in rules.values() for line in lines}
    for pool in pools.values():
        if pool.backend not in led_to:
            raise ValueError(
                f"haproxy_lb_pools: nothing leads to pool '{pool.name}'; give it paths, hosts or ports, or name it in the fallback of another pool"
            )


def _balance(pool: Pool, facts: Facts) -> list[str]:
    """Return how new sessions are spread."""
    chosen = choice(pool.options["balance"], [*BALANCE, "hash"], pool.called("balance"))
    if chosen == "hash":
        form, name = pool.form("hash", HASH)
        return [f"balance {HASH[form].format(name)}", "hash-type consistent"]
    # A static hash would take nothing but 0 and 100 percent from an agent
    if chosen == "source":
        return ["balance hdr(X-Forwarded-For)" if facts.forwarded else "balance source", "hash-type consistent"]
    return [f"balance {BALANCE[chosen]}"]


def _cookie_value(pool: Pool, server: Server, secret: str) -> str:
    """Return what a client of this server brings back: nothing that one who never was there could know."""
    if not secret:
        return str(server["name"])
    return hmac.new(secret.encode(), f"{pool.backend}/{server['name']}".encode(), hashlib.sha256).hexdigest()[:24]


def _stickiness(pool: Pool, facts: Facts) -> list[str]:
    """Return what brings a client back, and what lets it go elsewhere when its node is full."""
    form, name = pool.form("stickiness", STICKINESS)
    full = [f"{{ srv_conn_free({pool.backend}/{server['name']}) eq 0 }}" for server in pool.servers]
    if form == "none":
        return []
    if form == "cookie":
        return [f'cookie {pool.cookie} insert indirect nocache httponly secure attr "SameSite=None"'] + [
            f"ignore-persist if {{ req.cook({pool.cookie}) {_cookie_value(pool, server, facts.secret)} }} {is_full}"
            for server, is_full in zip(pool.servers, full)
        ]
    kind, key = ("ipv6", "var(txn.client)") if form == "source" else ("string len 64", "var(txn.known)")
    # HAProxy numbers the servers of a backend from 1. Whom a node refused is none of its clients: the 101 makes one
    return [
        f"stick-table type {kind} size 100k expire 24h",
        *([] if form == "source" else [f"http-request set-var(txn.known) req.fhdr({name})"]),
        *(
            f"http-request set-var(txn.full) bool(true) if {{ {key},table_server_id({pool.backend}) eq {number} }} {is_full}"
            for number, is_full in enumerate(full, start=1)
        ),
        f"stick match {key} unless {{ var(txn.full) -m bool }}",
        f"stick store-response {key} if {{ status 101 }} !{{ var(txn.full) -m bool }}",
    ]


def _check(pool: Pool) -> list[str]:
    """Return how a node proves itself alive."""
    if choice(pool.options["check"], CHECKS, pool.called("check")) == "tcp":
        return []
    page = word("page", pool.options["check_uri"], pool.called("check_uri"))
    return ["option httpchk", f"http-check send meth GET uri {page} ver HTTP/1.1 hdr Host wcs", "http-check expect status 200"]


def by_name(host: str) -> bool:
    """Whether the host of a server is a name, and no address."""
    return not (host.startswith("[") or re.fullmatch(r"[0-9.]*", host))


def resolution(host: str, facts: Facts) -> list[str]:
    """Return what a server line needs when its host is a name: HAProxy starts without its address, and follows DNS, but not /etc/hosts."""
    if not by_name(host):
        return []
    return ["init-addr", "libc,last,none"] if host.rstrip(".").lower() in facts.hosts else ["resolvers", "host", "init-addr", "last,libc,none"]


def _line(pool: Pool, server: Server, facts: Facts) -> str:
    """Return the server line."""
    words = ["server", server["name"], f"{server['address']}:{server['port']}", "weight", server["weight"], "maxconn", server["maxconn"], "check"]
    if pool.options["check"] != "tcp":
        words += ["port", server["check_port"]]
    if server["agent_port"]:
        words += ["agent-check", "agent-port", server["agent_port"]]
    if pool.cookies:
        words += ["cookie", _cookie_value(pool, server, facts.secret)]
    return " ".join(map(str, words + resolution(server["address"], facts)))


def pools_of(
    pools: t.Iterable[Options],
    hostvars: t.Mapping[str, Options],
    groups: t.Mapping[str, t.Sequence[str]],
    default: Options,
    facts: Facts = NO_FACTS,
) -> list[dict[str, t.Any]]:
    """Return the backends, in the order in which they are tried."""
    found = _named(pools, default)
    for pool in found.values():
        _fill(pool, _entries(pool, groups), hostvars, facts.balancers)
        _same_role(pool, hostvars)
    rest = Pool({"name": DEFAULT}, default)
    _fill(rest, _entries(rest, groups, {server["name"] for pool in found.values() for server in pool.servers}), hostvars, facts.balancers)
    if rest.servers:
        found[DEFAULT] = rest
    _in_one_pool(found.values())
    acls = {name: _acls(pool) for name, pool in found.items()}
    last = next(reversed(list(found)), None)
    rules = {name: _rules(pool, found, acls[name], name == last) for name, pool in found.items()}
    _reachable(found, rules)
    return [
        {
            "name": name,
            "backend": pool.backend,
            "ports": ports_of(pool),
            "hosts": [_name(host, pool.called("hosts")) for host in pool.list_of("hosts")],
            "acls": [] if name == last else acls[name],
            "rules": rules[name],
            "policy": _balance(pool, facts) + _check(pool) + _stickiness(pool, facts),
            "servers": [{**server, "line": _line(pool, server, facts)} for server in pool.servers],
        }
        for name, pool in found.items()
    ]
