# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.webcallserver.balancer.plugins.filter.wcs_statistics import wcs_statistics

PAGE = """-----Connection Stats-----
connections=3
connections_websocket=2
-----Stream Stats-----
streams_webrtc_in=1
streams_viewers=test/1;test2/0
streams_play_rate=0.5
"""


def test_numbers_are_numbers_by_section():
    assert wcs_statistics(PAGE) == {
        "connection": {"connections": 3, "connections_websocket": 2},
        "stream": {"streams_webrtc_in": 1, "streams_viewers": {"test": 1, "test2": 0}, "streams_play_rate": 0.5},
    }


@pytest.mark.parametrize("page", ["", "<html><body>404</body></html>"])
def test_what_is_no_statistics_page_is_an_error(page):
    with pytest.raises(AnsibleFilterError, match="action=stat"):
        wcs_statistics(page)
