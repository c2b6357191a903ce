# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A publisher and two viewers, each with the unmodified WebSDK in a browser of its own, and real media from the origin over the edges."""

from __future__ import annotations

import pytest
from ansible_collections.webcallserver.balancer.tests.support.browser import Window


@pytest.fixture
def open_window(fleet, browser):
    """Return a function that opens a window with the example, as a person who was never here."""
    contexts = []

    def open_it():
        contexts.append(browser.new_context(viewport={"width": 1000, "height": 720}))
        return Window(contexts[-1], fleet.domain)

    fleet.all_empty(backend="wcs_back_edges")
    yield open_it
    for context in contexts:
        context.close()


def test_who_publishes_on_an_origin_is_seen_on_every_edge(fleet, open_window):
    publisher, viewers = open_window(), [open_window(), open_window()]
    publisher.connect("/publish")
    publisher.publish("test")
    for viewer in viewers:
        viewer.connect("/play")
        viewer.play("test")
    for viewer in viewers:
        viewer.watch()
    pages = {node: fleet.statistics(node) for node in ("origin1", "edge1", "edge2")}
    assert {node: (page["streams_webrtc_in"], page["streams_webrtc_out"]) for node, page in pages.items()} == {
        "origin1": ("1", "0"),
        "edge1": ("0", "1"),
        "edge2": ("0", "1"),
    }
    viewers[0].photograph("cdn-playing")
