# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader

CONTENT = bytes(range(256)) * 10000


@pytest.fixture(name="look")
def fixture_look(tmp_path):
    loader = DataLoader()
    loader.set_basedir(str(tmp_path))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "archive.tgz").write_bytes(CONTENT)
    plugin = lookup_loader.get("webcallserver.balancer.file_sha256", loader=loader)
    return lambda *terms: plugin.run(list(terms), variables={"ansible_search_path": [str(tmp_path)]})


def test_files_of_any_content_are_found_as_copy_finds_them(look, tmp_path):
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert look("archive.tgz", "files/archive.tgz", str(tmp_path / "files" / "archive.tgz")) == [digest] * 3


def test_what_is_no_file_has_no_checksum(look, tmp_path):
    assert look("none.tgz", str(tmp_path), "/nonexistent/none.tgz") == ["", "", ""]


def test_a_file_that_cannot_be_read_is_said_so(look):
    with pytest.raises(AnsibleLookupError, match="/proc/self/mem cannot be read: Input/output error"):
        look("/proc/self/mem")
