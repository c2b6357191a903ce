# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a stream fails, in the words that the WebSDK knows."""

from __future__ import annotations

CANNOT_ADD = "Failed to add stream to proxy"
ICE_TIMEOUT = "Failed by ICE timeout"
ID_IN_USE = "MediaSessionId is already in use"
ID_MISSING = "MediaSessionId is null"
MEDIA_LOST = "Failed by ICE keep alive"
NAME_IN_USE = "Stream name is already in use"
NOT_FOUND = "Stream not found"
NOT_READY = "Publish stream is not ready"
SESSION_MISSING = "Session does not exist"
STOPPED_BY_PUBLISHER = "Stopped by publisher stop"
STOPPED_BY_REST = "Stopped by rest /terminate"


class MediaError(Exception):
    """A stream's media could not be brought about; the message is one of the words."""
