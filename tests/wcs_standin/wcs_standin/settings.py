# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in takes from flashphoner.properties, read once, at start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Mapping, Optional, Tuple
from urllib.parse import urlsplit

BLANKS = " \t\f"
PROPERTY = re.compile(r"((?:\\.|[^\\:= \t\f])*)[ \t\f]*[:=]?[ \t\f]*(.*)", re.DOTALL)
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class SettingsError(Exception):
    """A property the stand-in cannot start with."""


def parse_properties(text: str) -> dict[str, str]:
    """Read a file as java.util.Properties does: trailing blanks belong to the value, the last occurrence wins."""
    properties = {}
    lines = iter(re.split(r"\r\n|\r|\n", text))
    for line in lines:
        line = line.lstrip(BLANKS)
        if not line or line[0] in "#!":
            continue
        while (len(line) - len(line.rstrip("\\"))) % 2:
            line = line[:-1] + next(lines, "").lstrip(BLANKS)
        key, value = PROPERTY.match(line).groups()
        properties[_unescape(key)] = _unescape(value)
    return properties


def _unescape(text: str) -> str:
    return ESCAPE.sub(lambda found: chr(int(found[1][1:], 16)) if len(found[1]) > 1 else CONTROL.get(found[1], found[1]), text)


@dataclass(frozen=True)
class Settings:
    """Properties under their own names, dots turned into underscores; defaults are the vendor's."""

    ws_port: int = 8080
    http_port: int = 8081
    media_port_from: int = 31001
    media_port_to: int = 32000
    wcs_agent_port_from: int = 34001
    wcs_agent_port_to: int = 34999
    ws_map_custom_headers: bool = False
    ws_ip_forward_header: str = ""
    allow_domains: Tuple[str, ...] = ()
    keep_alive_algorithm: str = "HIGH_LEVEL"
    keep_alive_server_interval: int = 5000
    keep_alive_probes: int = 10
    global_bandwidth_check_enabled: bool = False
    cdn_enabled: bool = False
    cdn_ip: str = ""
    cdn_role: str = "edge"
    cdn_point_of_entry: str = ""
    cdn_port: int = 8084

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> Settings:
        def number(key: str, default: int, least: int = 1, most: int = 65535) -> int:
            value = properties.get(key, str(default))
            if not (re.fullmatch("[0-9]+", value) and least <= int(value) <= most):
                raise SettingsError(f"{key} is {value!r}: a number from {least} to {most} is needed")
            return int(value)

        def flag(key: str) -> bool:
            return properties.get(key, "").lower() == "true"

        def choice(key: str, *known: str) -> str:
            value = properties.get(key, known[0])
            if value not in known:
                raise SettingsError(f"{key} is {value!r}: the stand-in knows {' and '.join(known)}")
            return value

        settings = cls(
            ws_port=number("ws.port", cls.ws_port),
            http_port=number("http.port", cls.http_port),
            media_port_from=number("media_port_from", cls.media_port_from),
            media_port_to=number("media_port_to", cls.media_port_to),
            wcs_agent_port_from=number("wcs_agent_port_from", cls.wcs_agent_port_from),
            wcs_agent_port_to=number("wcs_agent_port_to", cls.wcs_agent_port_to),
            ws_map_custom_headers=flag("ws.map_custom_headers"),
            ws_ip_forward_header=properties.get("ws.ip_forward_header", ""),
            allow_domains=tuple(domain.strip().lower() for domain in properties.get("allow_domains", "").split(",") if domain.strip()),
            keep_alive_algorithm=choice("keep_alive.algorithm", "HIGH_LEVEL", "NONE"),
            keep_alive_server_interval=number("keep_alive.server_interval", cls.keep_alive_server_interval, most=3600000),
            keep_alive_probes=number("keep_alive.probes", cls.keep_alive_probes),
            global_bandwidth_check_enabled=flag("global_bandwidth_check_enabled"),
            cdn_enabled=flag("cdn_enabled"),
            cdn_ip=properties.get("cdn_ip", ""),
            cdn_role=choice("cdn_role", "edge", "origin"),
            cdn_point_of_entry=properties.get("cdn_point_of_entry", ""),
            cdn_port=number("cdn_port", cls.cdn_port),
        )
        for kind, ports in (("media", settings.media_ports), ("wcs_agent", settings.agent_ports)):
            if not ports:
                raise SettingsError(f"{kind}_port_from has to be below {kind}_port_to")
        if settings.cdn_enabled and not settings.cdn_ip:
            raise SettingsError("cdn_ip is missing: with cdn_enabled it is the address of this node in the CDN")
        return settings

    @property
    def media_ports(self) -> range:
        """Only even ports are used, and never media_port_to itself: 499 of the default range."""
        return range(self.media_port_from + self.media_port_from % 2, self.media_port_to, 2)

    @property
    def agent_ports(self) -> range:
        """For media from and to other nodes; as many as in the vendor's sample of the statistics."""
        return range(self.wcs_agent_port_from, self.wcs_agent_port_to)

    def client_address(self, headers: Mapping[str, str], peer: str) -> str:
        """What a session identifier starts with: the forwarded header's value where that is switched on, else the TCP peer."""
        if self.ws_map_custom_headers and self.ws_ip_forward_header:
            return headers.get(self.ws_ip_forward_header, peer)
        return peer

    def allows(self, origin: Optional[str]) -> bool:
        """Decide by allow_domains: the first entry that matches the origin's host, '*' is a mask, '!' forbids."""
        if not self.allow_domains:
            return True
        host = urlsplit(origin or "").hostname or ""
        for domain in self.allow_domains:
            if fnmatchcase(host, domain.lstrip("!")):
                return not domain.startswith("!")
        return False

    @property
    def allows_cdn(self) -> bool:
        """On a CDN node allow_domains has to contain the node's own cdn_ip."""
        return self.allows(f"http://[{self.cdn_ip}]" if ":" in self.cdn_ip else f"http://{self.cdn_ip}")
