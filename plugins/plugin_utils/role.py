# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no promise of stability to other collections.
"""The options of a role of this collection, out of a host's variables."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from pathlib import Path

import yaml

from .options import OptionsError, cast, misspelt
from .run import SPECS, variable_problems

ROLES = Path(__file__).resolve().parents[2] / "roles"


def role_options(role: str, variables: Mapping[str, t.Any], template: t.Callable[[t.Any], t.Any]) -> dict[str, t.Any]:
    """Return the options of a role of this collection, by their names without the role's, from a host's variables.

    template makes a value of what a variable holds. OptionsError has a sentence for everything that is wrong.
    """
    prefix = f"{role}_"
    try:
        specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    except OSError:
        raise OptionsError(f"role is {role}, which is no role of this collection.") from None
    problems = misspelt(prefix, specs, variables)
    problems += variable_problems({name: template(variables[name]) for name in SPECS if name in variables})
    try:
        options = cast(specs, {name: template(variables[name]) for name in specs if name in variables})
    except OptionsError as error:
        problems.append(str(error))
    if problems:
        raise OptionsError(f"{' '.join(problems)} What each may be: ansible-doc -t role webcallserver.balancer.{role}")
    return {name.removeprefix(prefix): value for name, value in options.items()}
