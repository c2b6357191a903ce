# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a role, cast to the types that its argument specs give them."""

from __future__ import annotations

import difflib
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ALIKE = 0.8
MOST_ALIKE = 3


class OptionsError(Exception):
    """Options that cannot be used; the message has a sentence for each."""


def cast(specs: Mapping[str, Mapping[str, t.Any]], values: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the values by option, each of its option's type, nested options too; OptionsError for what cannot be one.

    An option that nobody gave has its default, or is left out where there is none.
    """
    given = {name: _plain(values[name]) for name in specs if values.get(name) is not None}
    result = ArgumentSpecValidator(dict(specs)).validate(given)
    if result.error_messages:
        raise OptionsError(" ".join(f"{message.rstrip('.')}." for message in result.error_messages))
    return _without_unsaid(specs, result.validated_parameters)


def misspelt(prefix: str, specs: Iterable[str], names: Iterable[str], closely: bool = False) -> list[str]:
    """Return a sentence for each variable that is named like an option of the role and is none; closely, only if it is written almost like one."""
    known = {name.removeprefix(prefix): name for name in sorted(specs)}
    unknown = sorted(name for name in names if name.startswith(prefix) and name.removeprefix(prefix) not in known)
    return [
        f"{name} is no variable of this role: did you mean {' or '.join(known[short] for short in alike)}?"
        for name in unknown
        if (alike := _alike(name.removeprefix(prefix), list(known), closely))
    ]


def _alike(name: str, known: list[str], closely: bool) -> list[str]:
    """Options that are written almost like this, or have its words among theirs, or the beginning of one."""
    close = difflib.get_close_matches(name, known, 1, ALIKE)
    if close or closely:
        return close
    words = name.split("_")
    return [option for option in known if all(any(theirs.startswith(word) for theirs in option.split("_")) for word in words)][:MOST_ALIKE]


def _plain(value: t.Any) -> t.Any:
    """The value in Python's own containers, which casting may change."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain(item) for item in value]
    return value


def _without_unsaid(specs: Mapping[str, Mapping[str, t.Any]], values: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The values without the nothing that casting puts where an option was not given."""
    found: dict[str, t.Any] = {}
    for name, value in values.items():
        nested = specs.get(name, {}).get("options")
        if value is None:
            continue
        if nested and isinstance(value, Mapping):
            value = _without_unsaid(nested, value)
        elif nested and isinstance(value, list):
            value = [_without_unsaid(nested, item) for item in value]
        found[name] = value
    return found
