# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the tests import the collection from the checkout, under its full name."""

from __future__ import annotations

import sys
from pathlib import Path

import hypothesis
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

CHECKOUT = Path(__file__).resolve().parent
COLLECTIONS = CHECKOUT / ".cache" / "collections"

if not any(isinstance(finder, _AnsibleCollectionFinder) for finder in sys.meta_path):
    link = COLLECTIONS / "ansible_collections" / "webcallserver" / "balancer"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(CHECKOUT)
    _AnsibleCollectionFinder(paths=[str(COLLECTIONS)])._install()

# The same examples in every run: a failure is there the next time too.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")
