# Copyright (c) 2026 webcallserver.balancer contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run of the playbooks makes sense, and whether all its hosts are there: sentences for what stands in the way."""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from .options import OptionsError, cast, misspelt

# The variables of the playbooks themselves
SPECS: dict[str, dict[str, t.Any]] = {
    "wcs_nodes_group": {"type": "str", "default": "wcs_nodes"},
    "wcs_balancers_group": {"type": "str", "default": "wcs_balancers"},
    "wcs_web": {"type": "bool", "default": True},
    "wcs_verify_address": {"type": "str"},
    "wcs_verify_ca_path": {"type": "path"},
    "wcs_verify_page": {"type": "str"},
}
# Which hosts a playbook is for is read before any host's variables are
FROM_THE_COMMAND_LINE = ("wcs_nodes_group", "wcs_balancers_group")
# Variables of a role, which answers for them
OF_A_ROLE = "wcs_node_"

TAGS = ("agent", "balancer", "certificate", "config", "nodes", "ports", "properties", "web")
# play: the tags of parts of it
PLAYS: dict[str, tuple[str, ...]] = {"nodes": ("agent", "ports", "properties"), "web": (), "balancer": ("certificate", "config", "ports")}
ANSIBLES_TAGS = ("all", "always", "never", "tagged", "untagged")
# Molecule skips these at each of its runs, the last one when it looks whether a second run changes anything
MOLECULES_TAGS = ("notest", "molecule-notest", "molecule-idempotence-notest")

PAGE = re.compile(r"/[!-~]*")
ADDRESS = re.compile(r"[0-9A-Za-z:._-]+")
RIGHTS = re.compile(r"\b(sudo|su|doas|dzdo|pfexec): |(incorrect|missing) \w+ password|become (success|password)|privilege|sudoers|not root", re.IGNORECASE)
LONGEST = 200


def run_problems(
    parts: Sequence[str],
    variables: Mapping[str, t.Any],
    groups: Mapping[str, Sequence[str]],
    hosts: Sequence[str],
    inventory: Iterable[str] = (),
    plays: Sequence[str] = (),
) -> list[str]:
    """Return a sentence for each thing that would make a run do nothing, or something else than it says.

    `parts` are those of nodes and balancers that the playbook needs, `hosts` those that --limit leaves, `inventory` the names of the variables
    that hosts have from the inventory, and `plays` those of the playbook that tags choose from.
    """
    problems = [
        f"There is no tag {tag}{_alike(tag, TAGS)}; there are {', '.join(TAGS)}."
        for option in ("ansible_run_tags", "ansible_skip_tags")
        for tag in variables.get(option) or ()
        if tag not in TAGS + ANSIBLES_TAGS + MOLECULES_TAGS
    ]
    run, skip = (set(variables.get(option) or ()) for option in ("ansible_run_tags", "ansible_skip_tags"))
    if plays and not problems and not any(_goes_on(play, run or {"all"}, skip) for play in plays):
        own = sorted({tag for play in plays for tag in (play, *PLAYS[play])})
        problems.append(f"The tags that are chosen leave nothing of this playbook to do: its tags are {', '.join(own)}.")
    problems += [
        f"{name} is set in the inventory, which the playbooks read too late: give it on the command line, -e {name}=…"
        for name in FROM_THE_COMMAND_LINE
        if name in set(inventory)
    ]
    problems += variable_problems(variables)
    names = {part: str(variables.get(f"wcs_{part}_group", f"wcs_{part}")) for part in parts}
    missing = {part: name for part, name in names.items() if not groups.get(name)}
    for part, name in missing.items():
        state = "has no host" if name in groups else f"is not in the inventory{_alike(name, groups)}"
        problems.append(f"The group {name} {state}: put the {part} into it, or name theirs with -e wcs_{part}_group=…")
    wanted = {host for name in names.values() for host in groups.get(name, ())}
    if not missing and not wanted & set(hosts):
        problems.append(f"--limit {variables.get('ansible_limit', '')} leaves no host of {' and '.join(names.values())}, so that there is nothing to do.")
    return problems


def _goes_on(play: str, run: set[str], skip: set[str]) -> bool:
    """Whether a choice of tags leaves something of a play."""
    tags = {play, *PLAYS[play]}
    chosen = tags if run & {"all", "tagged", play} else tags & run
    return bool(chosen - skip) and not skip & {"all", "tagged", play}


def variable_problems(variables: Mapping[str, t.Any]) -> list[str]:
    """Return a sentence for each variable of the playbooks that cannot be what it is."""
    ours = [name for name in variables if name.startswith("wcs_") and not name.startswith(OF_A_ROLE)]
    problems = misspelt("wcs_", SPECS, ours, closely=True)
    problems = [problem.replace("of this role", "of the playbooks") for problem in problems]
    try:
        options = cast(SPECS, {name: variables[name] for name in SPECS if name in variables})
    except OptionsError as error:
        return [*problems, str(error)]
    page, address = options.get("wcs_verify_page"), options.get("wcs_verify_address")
    if page is not None and not PAGE.fullmatch(page):
        problems.append(f"wcs_verify_page is {page!r}: give a path that begins with /, without blanks.")
    if address is not None and not ADDRESS.fullmatch(address):
        problems.append(f"wcs_verify_address is {address!r}: give an address or a name, without a port.")
    return problems


def kind_of_failure(text: str, otherwise: str) -> str:
    """Return what kind of failure the text of Ansible tells of."""
    return "rights" if RIGHTS.search(text) else otherwise


def run_refusals(results: Mapping[str, Mapping[str, t.Any] | None], limit: str | None = None, changed: bool = False) -> str:
    """Return one text for all hosts that a run cannot have, from what run_lock returned on each; '' when it has all of them.

    A host that has no result was lost before it could be asked. `changed` says that the run has changed hosts before.
    """
    kinds: dict[str, list[str]] = {}
    for host, result in results.items():
        kind = str(result["problem"]) if result else "lost"
        if kind:
            kinds.setdefault(kind, []).append(host)
    if not kinds:
        return ""
    sentences = [_refusal(kind, hosts, results, limit) for kind, hosts in kinds.items()]
    return " ".join(["What comes next in this run was not begun." if changed else "Nothing was changed on any host.", *sentences])


def _refusal(kind: str, hosts: list[str], results: Mapping[str, Mapping[str, t.Any] | None], limit: str | None) -> str:
    """Return the sentence for the hosts that have the same kind of problem."""
    names, result = _listed(hosts), results[hosts[0]] or {}
    detail = brief(str(result.get("detail", "")).rpartition("reached over ssh:")[2])
    they = "it" if len(hosts) == 1 else "them"
    without = ",".join([*([limit] if limit else []), *(f"!{host}" for host in hosts)])
    if kind == "held":
        return (
            f"Another run is at work on {names}: {detail}. Wait for it; should it have died, its claim ends in {result.get('minutes')} minutes, "
            f"or at once with rm {result.get('path')} there."
        )
    if kind == "rights":
        return f"Ansible is not root on {names} ({detail}): see ansible_become, ansible_become_password or --ask-become-pass, and sudo there."
    if kind == "unreachable":
        return f"{names} cannot be reached ({detail}): bring {they} back, or leave {they} out with --limit '{without}'."
    if kind == "lost":
        return f"{names} did not come this far: see above, mend what failed or was lost and run again, or leave that host out with --limit."
    return f"{names} could not be asked ({detail}): mend {they}, or leave {they} out with --limit '{without}'."


def brief(text: t.Any) -> str:
    """Return what somebody else wrote as one line of printable characters that is not too long."""
    line = " ".join("".join(character if character.isprintable() else " " for character in str(text)[: 4 * LONGEST]).split()).rstrip(".:")
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _alike(name: str, known: Iterable[str]) -> str:
    """Return a question about a name that is almost this one, or nothing."""
    found = difflib.get_close_matches(name, sorted(known), 1, 0.7)
    return f" (did you mean {found[0]}?)" if found else ""
