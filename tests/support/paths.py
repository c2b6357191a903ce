# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
# What the collection is found in under its full name
COLLECTIONS = CHECKOUT / ".cache" / "collections"
ROLES = CHECKOUT / "roles"
TESTS = CHECKOUT / "tests"
CORPUS = TESTS / "unit" / "data" / "properties" / "corpus.yml"
