# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""What a balancer will be, from its options, the inventory and a look at the host; and everything that stands in the way, one sentence each."""

from __future__ import annotations

import ipaddress
import itertools
import re
import typing as t

from . import addresses
from .haproxy_limits import CERTIFICATES, LINES, NUMBERS, duration, number, word
from .pools import Facts, by_name, pools_of, resolution
from .servers import Options, Server

Plan = t.Dict[str, t.Any]

BIND = ["0.0.0.0", "::"]
HTTPS = 443

# A scheme, a host and maybe a port. Apps that show pages of their own have schemes of their own, and hosts that are none
ORIGIN = re.compile(r"([a-z][a-z0-9+.-]{0,62})://(\*\.)?([a-z0-9._~-]{0,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?")
UNSAID = {"http": "80", "https": "443"}

# Descriptors: two for a session; a check and an agent take two each; and what HAProxy has besides listeners
SESSION, SERVER, BESIDES = 2, 4, 500
LEAST_NOFILE, RESERVE = 65536, 4000

# Words that begin a section of HAProxy's file
SECTIONS = frozenset(
    {
        "acme",
        "backend",
        "cache",
        "crt-store",
        "defaults",
        "fcgi-app",
        "frontend",
        "global",
        "http-errors",
        "listen",
        "log-forward",
        "log-profile",
        "mailers",
        "peers",
        "program",
        "resolvers",
        "ring",
        "traces",
        "userlist",
    }
)
# What the balancer alone says, and all other spellings that a server might take for it
OURS = ("X-Client-IP", "X-Forwarded-For", "X-Forwarded-Proto")
LOOKALIKES = [name for ours in OURS for name in map("".join, itertools.product(*({"-": "-_"}.get(mark, mark) for mark in ours))) if name != ours]
EXTRA = ("global", "defaults", "frontend", "backend", "sections")


class Seen(t.NamedTuple):
    """What the look at the host found; a host that nobody looked at has what most have."""

    ipv6: bool = True
    descriptors: int | None = None
    nameservers: bool = True
    nonlocal_bind: bool = False
    own: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()


def seen_of(look: str) -> Seen:
    """Read the lines of the look, KEY=VALUE each."""
    found: dict[str, list[str]] = {}
    for line in look.split("\n"):
        key, _equals, value = line.partition("=")
        found.setdefault(key, []).append(value.strip())
    descriptors = found.get("Descriptors", [""])[0]
    return Seen(
        ipv6="no" not in found.get("IPv6", []),
        descriptors=int(descriptors) if re.fullmatch(r"[0-9]{1,18}", descriptors) else None,
        nameservers="Nameserver" in found or not look,
        nonlocal_bind="1" in found.get("NonLocalBind", []),
        own=frozenset(filter(None, (_plain(value) for value in found.get("Address", [])))),
        hosts=frozenset(name.lower().rstrip(".") for value in found.get("Host", []) for name in value.split("#")[0].split()[1:]),
    )


def _plain(text: str) -> str:
    try:
        return str(addresses.address(text))
    except ValueError:
        return ""


def origin(entry: object) -> str:
    """Return what an acl matches the origin with."""
    text = str(entry)
    match = ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if text.strip().lower() == "null":
        raise ValueError("haproxy_lb_origins: null is what every page can say that hides where it comes from; leave it out, or the list empty to let all in")
    if match is None:
        raise ValueError(
            f"haproxy_lb_origins: {addresses.shown(text)} is no origin; write scheme and host and no path, as in https://www.example.com, "
            "https://*.example.com or capacitor://localhost, and other letters than a to z as browsers do (xn--...)"
        )
    scheme, wildcard, host, port = match.groups()
    web = scheme in UNSAID
    if (web and not host) or (wildcard and (not web or host.startswith("[") or not re.fullmatch(r"([a-z0-9_-]+\.)+[a-z0-9-]+", host))):
        raise ValueError(f"haproxy_lb_origins: {addresses.shown(text)} is no origin; a * stands for the names below a domain, as in https://*.example.com")
    if web:
        try:
            # As browsers write it: an address comes back in its usual form
            host = addresses.host(host)
            host = f"[{host}]" if ":" in host else host
            if port:
                addresses.port(port)
        except ValueError as error:
            raise ValueError(f"haproxy_lb_origins: {addresses.shown(text)}: {error}") from None
    whole = f"{scheme}://{host}" + (f":{port}" if port and port != UNSAID.get(scheme) else "")
    if not wildcard:
        return f"-i {whole}"
    return "-i -m reg ^" + whole.replace("://", "://([a-z0-9_-]+.)+", 1).replace(".", "[.]") + "$"


def network(entry: object, variable: str) -> str:
    """Return the network in CIDR notation."""
    text = str(entry)
    try:
        addresses.address(text.partition("/")[0])
        found = ipaddress.ip_network(text)
    except ValueError as error:
        reason = "has bits set beyond its prefix" if "host bits" in str(error) else "is no network"
        raise ValueError(f"{variable}: {addresses.shown(text)} {reason}; give addresses or networks such as 192.0.2.0/24") from None
    if found.prefixlen == 0:
        raise ValueError(f"{variable}: {addresses.shown(text)} is everybody; name the proxies alone, for they are believed whatever address they tell")
    return str(found)


def bind_lines(entries: t.Sequence[addresses.Address], ports: t.Iterable[int]) -> list[str]:
    """Return what follows the word bind. IPv6 is kept to IPv6, so that the address of an IPv4 client is never written as a mapped one."""
    return [f"[{entry}]:{port} v6only" if entry.version == 6 else f"{entry}:{port}" for port in ports for entry in entries]


def domain(value: object, called: str) -> str:
    """Return the name or address that clients ask for, as a URL has it."""
    try:
        host = addresses.host(value)
    except ValueError:
        host = ""
    if not host or host.endswith("."):
        raise ValueError(f"{called} is {addresses.shown(value)}, which is no domain name; set it to the name the certificate is made out to")
    return f"[{host}]" if ":" in host else host


def extra_lines(value: object, section: str) -> list[str]:
    """Return somebody's own lines: as they are, less what would move them into another section."""
    called = f"haproxy_lb_extra_{section}"
    text = str(value).replace("\r\n", "\n")
    if re.search(r"[^\n\t\x20-\x7e\x80-\uffff\U00010000-\U0010ffff]|[\x7f-\x9f\u2028\u2029]", text):
        raise ValueError(f"{called} has control characters; HAProxy's file is plain text of lines, write it with | in YAML")
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    words = [line.split()[0] for line in lines if not line.lstrip().startswith("#")]
    if section != "sections":
        other = next((word_ for word_ in words if word_ in SECTIONS), None)
        if other:
            raise ValueError(f"{called} begins a section with '{other}'; whole sections go into haproxy_lb_extra_sections")
        return [line.strip() for line in lines]
    if words and words[0] not in SECTIONS:
        raise ValueError(f"{called} begins with {addresses.shown(words[0])}, which is no section of HAProxy's file; begin it with one, as in listen NAME")
    return lines


def nofile(servers: t.Sequence[Server], chosen: int, listeners: int) -> int:
    """Return the number for LimitNOFILE: 65536 or the next power of two that suffices, so that one more node seldom changes it."""
    sessions: int = sum(server["maxconn"] for server in servers)
    needed = SESSION * sessions + SERVER * len(servers) + listeners + RESERVE
    if not chosen:
        return min(max(LEAST_NOFILE, 1 << (needed - 1).bit_length()), NUMBERS["nofile"][1])
    if chosen < needed:
        raise ValueError(
            f"haproxy_lb_nofile is {chosen}, but the {sessions} WebSockets that the servers may hold together (haproxy_lb_maxconn) "
            f"need {needed}; raise it, lower haproxy_lb_maxconn, or leave it at 0"
        )
    return chosen


def unresolved(name: str, is_web: bool) -> str:
    """What there is to tell of a name that the host cannot resolve."""
    if is_web:
        return f"haproxy_lb_web_address: {name} does not resolve on this host; correct it, give an address, or put it into DNS or /etc/hosts."
    return (
        f"{name} does not resolve on this host, and its node gets no session until it does: correct its address (wcs_node_address in the inventory), "
        "or put it into DNS or /etc/hosts."
    )


class Balancer:
    """The plan as it is made: each part notes its sentence and goes on."""

    def __init__(self, options: Options, hostvars: t.Mapping[str, Options], groups: t.Mapping[str, t.Sequence[str]], host: str, look: str) -> None:
        self.options, self.hostvars, self.groups, self.host = options, hostvars, groups, host
        self.seen = seen_of(look)
        self.problems: list[str] = []
        self.notes: list[str] = []

    def try_(self, read: t.Callable[..., t.Any], *arguments: t.Any, otherwise: t.Any = None) -> t.Any:
        """What a reader returns, or its sentence among the problems."""
        try:
            return read(*arguments)
        except ValueError as error:
            self.problems.append(f"{str(error).rstrip('.')}.")
            return otherwise

    def list_of(self, key: str) -> list[t.Any]:
        entries = list(self.options[key])
        if len(entries) > LINES:
            self.problems.append(f"haproxy_lb_{key} has {len(entries)} entries, {LINES} are the most.")
        return entries[:LINES]

    def numbers(self) -> dict[str, int]:
        keys = {"port": "port", "redirect_port": "port", "maxconn": "maxconn"}
        keys |= {key: key for key in ("public_port", "source_sessions", "source_rate", "source_pages", "hsts_max_age", "nofile", "active_balancers")}
        return {key: self.try_(number, what, self.options[key], f"haproxy_lb_{key}", otherwise=NUMBERS[what][0]) for key, what in keys.items()}

    def balancers(self, active: int) -> int:
        """Return how many balancers spread sessions over these nodes at a time."""

        def nodes_of(name: str) -> set[str]:
            """Names and addresses of the nodes of all its pools."""
            variables = self.hostvars[name]
            default = {"group": variables.get("haproxy_lb_nodes_group") or "wcs_nodes", "servers": variables.get("haproxy_lb_servers")}
            pools = [default, *(variables.get("haproxy_lb_pools") or [])]
            hosts = {host for pool in pools if not pool.get("servers") for host in self.groups.get(pool.get("group"), ())}
            reached = {str(self.hostvars[host].get("wcs_node_address") or self.hostvars[host].get("ansible_host") or host) for host in hosts}
            spelled_out = [server for pool in pools for server in pool.get("servers") or ()]
            return hosts | reached | {str(server[key]) for server in spelled_out for key in ("name", "address") if server.get(key)}

        group = list(self.groups.get(self.options["balancers_group"], []))
        if active or self.host not in group or len(group) < 2:
            return active or 1
        own = nodes_of(self.host)
        return sum(name == self.host or not own.isdisjoint(nodes_of(name)) for name in group)

    def binds(self) -> list[addresses.Address]:
        """Return the addresses to listen on, those that the host has."""
        entries = self.list_of("bind")
        found: list[addresses.Address] = []
        for entry in entries:
            try:
                found.append(addresses.address(entry))
            except ValueError as error:
                self.problems.append(f"haproxy_lb_bind: {error}.")
        if not entries:
            self.problems.append("haproxy_lb_bind is empty; list the addresses to listen on.")
        if not self.seen.ipv6:
            if entries == BIND:
                return [address for address in found if address.version == 4]
            asked = [str(address) for address in found if address.version == 6]
            if asked:
                self.problems.append(f"haproxy_lb_bind has {', '.join(asked)}, but the kernel of this host has no IPv6: leave it out there.")
        for address in found if self.seen.own and not self.seen.nonlocal_bind else ():
            if address.is_link_local and address.version == 6:
                self.problems.append(f"haproxy_lb_bind: {address} is of one link alone, where HAProxy cannot listen: give another address of this host.")
            elif not (address.is_unspecified or address.is_loopback or str(address) in self.seen.own):
                self.problems.append(
                    f"haproxy_lb_bind: {address} is no address of this host, and HAProxy would not start: correct it, give the host that address, "
                    "or let it listen on addresses that come later (sysctl net.ipv4.ip_nonlocal_bind)."
                )
        return list(dict.fromkeys(found))

    def bundles(self, certificates: t.Sequence[Options]) -> tuple[list[str], list[str]]:
        """Return the names of the bundles, and what clients ask for."""
        names, domains = [], []
        for position, item in enumerate(certificates):
            called = "haproxy_lb_domain" if not position else f"haproxy_lb_extra_certificates: name of certificate {position}"
            if position:
                names.append(self.try_(word, "bundle", item["name"], called))
                if item.get("domain"):
                    domains.append(self.try_(domain, item["domain"], f"haproxy_lb_extra_certificates: domain of certificate {position}"))
            else:
                domains.append(self.try_(domain, self.options["domain"], called))
                names.append(item["name"])
        if len(set(names)) != len(names):
            self.problems.append("haproxy_lb_extra_certificates: each needs a name of its own, other than haproxy_lb_domain.")
        if len(names) > CERTIFICATES:
            self.problems.append(
                f"haproxy_lb_extra_certificates has {len(names) - 1} certificates, HAProxy takes {CERTIFICATES - 1} of them; "
                "put more names into one certificate."
            )
        return names, [name for name in domains if name]

    def missing(self, files: t.Iterable[t.Sequence[str]], first: str) -> None:
        for name, key, path in files:
            called = f"haproxy_lb_{key}" if name == first else f"haproxy_lb_extra_certificates, {key} of {addresses.shown(name)}"
            self.problems.append(
                f"{called}: {addresses.shown(path)} was not found on the controller. Give the path of an existing file or the text of the certificate or key "
                "itself, or set haproxy_lb_certificate_remote if it lies on the balancer."
            )

    def web(self) -> addresses.Endpoint | None:
        try:
            return addresses.endpoint(self.options["web_address"])
        except ValueError as error:
            self.problems.append(f"haproxy_lb_web_address: {error}; the default is 127.0.0.1:8180.")
            return None

    def met(self, web: addresses.Endpoint, bound: t.Sequence[addresses.Address], ports: t.Sequence[int]) -> None:
        """See that the web server is not where HAProxy itself listens."""
        names = ["127.0.0.1", "::1"] if web.host == "localhost" else [web.host] if not by_name(web.host) or ":" in web.host else []
        for at in map(addresses.address, names):
            here = at.is_loopback or at.is_unspecified or str(at) in self.seen.own
            if here and web.port in ports and any(entry == at or (entry.is_unspecified and entry.version == at.version) for entry in bound):
                self.problems.append(
                    f"haproxy_lb_web_address is {web}, where HAProxy itself listens: give the web server another port there, "
                    "or change haproxy_lb_port, haproxy_lb_redirect_port or haproxy_lb_bind."
                )

    def reached(self, servers: t.Sequence[Server], web: addresses.Endpoint | None) -> None:
        """See that the kernel can reach what has an IPv6 address."""
        asked = [server["name"] for server in servers if server["address"].startswith("[")] + ["haproxy_lb_web_address"] * bool(web and ":" in web.host)
        if asked and not self.seen.ipv6:
            self.problems.append(f"{', '.join(asked[:5])}: the kernel of this host has no IPv6, so that IPv6 addresses cannot be reached: give IPv4 ones.")

    def descriptors(self, servers: t.Sequence[Server], limit: int, listeners: int) -> None:
        """Compare what HAProxy needs with what the host grants."""
        granted = self.seen.descriptors
        if granted is None or granted >= limit:
            return
        sessions = sum(server["maxconn"] for server in servers)
        fixed = SERVER * len(servers) + listeners + BESIDES
        whose = f"this host grants a service {granted} (fs.nr_open, and in a container its own hard limit)"
        remedy = "raise that there, balance fewer nodes from here"
        if granted < fixed + SESSION:
            self.problems.append(
                f"HAProxy needs {fixed} file descriptors for checks and agents of {len(servers)} nodes alone, two for each, and {whose}: {remedy}."
            )
        elif granted < fixed + SESSION * sessions:
            self.notes.append(
                f"The nodes may hold {sessions} WebSockets together (haproxy_lb_maxconn), for which HAProxy needs {fixed + SESSION * sessions} file "
                f"descriptors, and {whose}: it will hold {(granted - fixed) // SESSION} at most. "
                f"To hold more, {remedy} or put another balancer beside this one."
            )

    def running(self, haproxy: Options, limit: int) -> None:
        """Tell of descriptors that a running HAProxy does not have yet. A machine that grants no more has no more to take up."""
        if "msg" in haproxy:
            self.problems.append(str(haproxy["msg"]))
        if 0 < haproxy.get("nofile", 0) < min(limit, haproxy.get("nofile_most", 0)):
            self.notes.append(
                f"haproxy runs with {haproxy['nofile']} file descriptors; the {limit} of its unit are taken up when it is next started, "
                "which ends every session, so it is not restarted here."
            )

    def taken_over(self, configuration: Options) -> None:
        """See that nobody's haproxy.cfg would be lost."""
        if "msg" in configuration:
            self.problems.append(str(configuration["msg"]))
        gone = configuration.get("sections")
        if gone and not self.options["take_over"]:
            self.problems.append(
                f"/etc/haproxy/haproxy.cfg has sections of somebody's own, which would be gone: {', '.join(gone)}. Put what is still needed into "
                "haproxy_lb_extra_sections, and set haproxy_lb_take_over to true to let the rest go; the file is kept beside the new one, with a date."
            )


def balancer_plan(
    options: Options,
    hostvars: t.Mapping[str, Options],
    groups: t.Mapping[str, t.Sequence[str]],
    host: str = "",
    look: str = "",
    certificates: t.Sequence[Options] = (),
    missing: t.Iterable[t.Sequence[str]] = (),
    secret: str = "",
    haproxy: Options | None = None,
    configuration: Options | None = None,
) -> Plan:
    """Return what the templates and tasks need, and the problems; where there are some, nothing else counts."""
    made = Balancer(options, hostvars, groups, host, look)
    numbers = made.numbers()
    for key in ("timeout_tunnel", "hard_stop_after"):
        made.try_(duration, options[key], f"haproxy_lb_{key}")
    made.try_(word, "package", options["package"], "haproxy_lb_package")
    names, domains = made.bundles(certificates)
    made.missing(missing, certificates[0]["name"] if certificates else "")
    web = made.web()
    facts = Facts(
        balancers=made.balancers(numbers["active_balancers"]),
        secret=secret,
        forwarded=bool(options["proxies"]) and options["proxies_protocol"] == "x_forwarded_for",
        hosts=made.seen.hosts,
    )
    default = {key: options[key] for key in ("servers", "maxconn", "balance", "hash", "stickiness", "check", "check_uri")}
    default["group"] = options["nodes_group"]
    pools = made.try_(pools_of, options["pools"], hostvars, groups, default, facts, otherwise=None)
    servers: list[Server] = [server for pool in pools or () for server in pool["servers"]]
    if pools is not None and not servers:
        made.problems.append(
            f"There is no node to balance: put hosts into the inventory group {addresses.shown(options['nodes_group'])} "
            "(haproxy_lb_nodes_group), or list them in haproxy_lb_servers."
        )
    ports = list(dict.fromkeys([numbers["port"], *(port for pool in pools or () for port in pool["ports"])]))
    if options["redirect"] and numbers["redirect_port"] in ports:
        made.problems.append(
            f"haproxy_lb_redirect_port is {numbers['redirect_port']}, where TLS is spoken; choose another one, or set haproxy_lb_redirect to false."
        )
    bound = made.binds()
    binds = bind_lines(bound, ports)
    redirect_binds = bind_lines(bound, [numbers["redirect_port"]]) if options["redirect"] else []
    listeners = len(binds) + len(redirect_binds)
    if web:
        made.met(web, bound, ports + ([numbers["redirect_port"]] if options["redirect"] else []))
    made.reached(servers, web)
    limit = made.try_(nofile, servers, numbers["nofile"], listeners, otherwise=LEAST_NOFILE)
    made.descriptors(servers, limit, listeners)
    made.running(haproxy or {}, limit)
    made.taken_over(configuration or {})
    public_port = numbers["public_port"] or numbers["port"]
    known = [*domains, *(name for pool in pools or () for name in pool["hosts"])]
    web_host = "" if web is None else f"[{web.host}]" if ":" in web.host else web.host
    named = sorted({server["address"] for server in servers if by_name(server["address"])} | ({web_host} if by_name(web_host) and web_host else set()))
    by_dns = [name for name in named if "resolvers" in resolution(name, facts)]
    if by_dns and not made.seen.nameservers:
        made.problems.append(
            f"{', '.join(by_dns[:5])}: this host has no nameserver in /etc/resolv.conf to ask for names of nodes or of haproxy_lb_web_address, and its "
            "/etc/hosts does not have them: give addresses (wcs_node_address), or set the host up to resolve names."
        )
    plan = {
        "notes": made.notes,
        "pools": pools or [],
        "servers": servers,
        "balancers": facts.balancers,
        "ports": ports,
        "open_ports": list(dict.fromkeys(ports + ([numbers["redirect_port"]] if options["redirect"] else []))),
        "binds": binds,
        "redirect_binds": redirect_binds,
        "lookalikes": LOOKALIKES,
        "bundles": names,
        "nofile": limit,
        "origins": [value for value in (made.try_(origin, entry) for entry in made.list_of("origins")) if value],
        "proxies": [value for value in (made.try_(network, entry, "haproxy_lb_proxies") for entry in made.list_of("proxies")) if value],
        "extra": {section: made.try_(extra_lines, options[f"extra_{section}"], section, otherwise=[]) for section in EXTRA},
        "web": " ".join([f"{web_host}:{web.port}", *resolution(web_host, facts)]) if web else "",
        "web_port": web.port if web else 0,
        "web_name": web_host if by_name(web_host) else "",
        "names": {name: unresolved(name, name == web_host) for name in named},
        "resolvers": bool(by_dns),
        "public": {
            "host": domains[0] if domains else "",
            "hosts": list(dict.fromkeys(name for name in known[1:] if not name.startswith("["))),
            "port": "" if public_port == HTTPS else f":{public_port}",
        },
    }
    return {**plan, "problems": list(dict.fromkeys(made.problems))}
