# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics page, in the vendor's sections, keys and order."""

from __future__ import annotations

from typing import Dict, Union

from .node import Node

Groups = Dict[str, Dict[str, Union[float, int, str]]]


def collect(node: Node) -> Groups:
    published = [stream.name for stream in node.client_streams if stream.published]
    played = [stream.name for stream in node.client_streams if not stream.published]
    groups: Groups = {
        "connections_stats": {
            "connections": len(node.clients),
            "connections_rtmfp": 0,
            "connections_websocket": len(node.clients),
            "connections_hls": 0,
        },
        "port_stats": {
            "ports_media_free": len(node.free_media_ports),
            "ports_media_busy": len(node.settings.media_ports) - len(node.free_media_ports),
            "ports_media_quarantine": 0,
            "ports_wcs_agents_free": len(node.free_agent_ports),
            "ports_wcs_agents_busy": len(node.settings.agent_ports) - len(node.free_agent_ports),
            "ports_wcs_agents_quarantine": 0,
        },
        "streams_stats": {
            "streams_webrtc_in": len(published),
            "streams_webrtc_out": len(played),
            "streams_websocket_out": 0,
            "streams_rtmfp_in": 0,
            "streams_rtmfp_out": 0,
            "streams_rtmp_in": 0,
            "streams_rtmp_out": 0,
            "streams_hls": 0,
            "streams_viewers": ";".join(f"{name}/{played.count(name)}" for name in [*published, *node.relays]),
            "streams_synchronization": ";".join(f"{name}/0" for name in [*published, *node.relays]),
            "stats_size": 0,
            "streams_rtsp_in": 0,
            "streams_rtsp_out": 0,
            "streams_rtsp_push_in": 0,
            "streams_rtsp_push_out": 0,
            "streams_rtmp_client_out": 0,
            "streams_play_rate": 0,
            "streams_stop_rate": 0,
        },
    }
    if node.settings.global_bandwidth_check_enabled:
        received, sent = (node.media.received_mbps, node.media.sent_mbps) if node.media is not None else (0.0, 0.0)
        groups["network_stats"] = {"global_bandwidth_in": received, "global_bandwidth_out": sent}
    return groups


HEADINGS = {"connections_stats": "Connection", "port_stats": "Port", "streams_stats": "Stream", "network_stats": "Network"}


def as_text(groups: Groups) -> str:
    lines = []
    for group, values in groups.items():
        lines.append(f"-----{HEADINGS[group]} Stats-----")
        lines.extend(f"{key}={value}" for key, value in values.items())
    return "\n".join(lines) + "\n"
