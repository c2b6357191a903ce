# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's own variables, as Ansible loads them."""

from __future__ import annotations

import functools

from ansible.parsing.dataloader import DataLoader
from ansible_collections.webcallserver.balancer.tests.support.paths import ROLES

LOADER = DataLoader()


@functools.cache
def _loaded(path):
    return LOADER.load_from_file(str(path), cache="none", trusted_as_template=True)


def variables_of(role):
    """Return a new mapping of the role's defaults and vars."""
    return _loaded(ROLES / role / "defaults" / "main.yml") | _loaded(ROLES / role / "vars" / "main.yml")
