# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fifty properties in one task, beside a loop of community.general.ini_file and one of ansible.builtin.lineinfile on the same machine.

Measures how long the tasks take, and what each of the three makes of the corpus of nasty files. A full run writes its tables into docs/properties.md.

    python benchmarks/properties.py [--quick] [--json PATH]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from ansible.module_utils.testing import patch_module_args
from ansible.plugins.loader import init_plugin_loader

CHECKOUT = Path(__file__).resolve().parent.parent
DOCS = CHECKOUT / "docs" / "properties.md"
CORPUS = CHECKOUT / "tests" / "unit" / "data" / "properties" / "corpus.yml"
MARKERS = ("<!-- measured: begin -->\n", "<!-- measured: end -->\n")
OURS, INI, LINE = TOOLS = ("webcallserver.balancer.flashphoner_properties", "community.general.ini_file", "ansible.builtin.lineinfile")
PYTHON_MODULES = {
    OURS: "ansible_collections.webcallserver.balancer.plugins.modules.flashphoner_properties",
    INI: "ansible_collections.community.general.plugins.modules.ini_file",
    LINE: "ansible.modules.lineinfile",
}
# The best that one task for each key can do: whatever stands around the separator, commented out or not.
REGEXP = r"^\s*[#!]?\s*{}\s*[=:]"
VERDICTS = RIGHT, NEEDLESS, ENDS, DUPLICATES, RESTLESS, DAMAGE, WRONG, FAILS = (
    "right",
    "rewrites what was right",
    "mixes line ends",
    "leaves duplicates",
    "changes it every time",
    "damages other lines",
    "wrong meaning",
    "fails",
)


def sample() -> tuple[str, dict[str, str]]:
    """A file of the size and style of the vendor's, and 50 properties: 20 to change, 10 commented out, 10 right already, 10 new."""
    lines = ["# Settings of the server", ""]
    wanted = {}
    for number in range(120):
        key = f"section{number % 7}.setting_{number}"
        lines += [f"# What setting {number} is for"] * (number % 3 == 0) + [f"{'#' if number % 12 == 3 else ''}{key}{' ' * (number % 2)}={number}"]
        if number % 12 in (0, 3, 6) or (number % 12 == 9):
            wanted[key] = str(number if number % 12 == 9 else number + 1000)
    wanted.update({f"added.setting_{number}": "true" for number in range(50 - len(wanted))})
    return "\n".join(lines) + "\n", wanted


def options(tool: str, path: str, wanted: dict[str, str | None]) -> list[dict]:
    """What the tool is called with: once, or once for each key."""
    if tool == OURS:
        return [{"path": path, "properties": wanted}]
    if tool == INI:
        return [
            {"path": path, "option": key, "no_extra_spaces": True, "create": False} | ({"state": "absent"} if value is None else {"value": value})
            for key, value in wanted.items()
        ]
    return [
        {"path": path, "regexp": REGEXP.format(re.escape(key))} | ({"state": "absent"} if value is None else {"line": f"{key}={value}"})
        for key, value in wanted.items()
    ]


def timed(directory: Path, collections: Path, again: bool) -> dict[str, dict[str, float]]:
    """Seconds that the first and, if asked for, an idle second run of each tool takes.

    A loop is 50 tasks, the single task is the median of several, spread between the loops so that the
    machine is as busy for it as for them.
    """
    content, wanted = sample()
    tasks = []
    for number, tool in enumerate((OURS, OURS, INI, OURS, OURS, LINE, OURS, OURS)):
        path = directory / f"{number}.properties"
        path.write_text(content, encoding="utf-8")
        calls = options(tool, str(path), wanted)
        task = {tool: calls[0]} if tool == OURS else {tool: {name: f"{{{{ item.{name} }}}}" for name in calls[0]}, "loop": calls}
        tasks += [{"name": f"{tool} {run}", **task} for run in (("first", "again") if again else ("first",))]
    play = directory / "play.yml"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    command = [sys.executable, "-m", "ansible", "playbook", "--inventory=localhost,", "--connection=local", str(play)]
    # In a directory without a configuration file.
    output = subprocess.run(command, env=environment, cwd=directory, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds: dict[str, dict[str, list[float]]] = {tool: {} for tool in TOOLS}
    for task in json.loads(output[output.index("{") :])["plays"][0]["tasks"]:
        start, end = (datetime.datetime.fromisoformat(task["task"]["duration"][side].rstrip("Z")) for side in ("start", "end"))
        tool, run = task["task"]["name"].split()
        seconds[tool].setdefault(run, []).append((end - start).total_seconds())
    return {tool: {run: round(statistics.median(taken), 2) for run, taken in runs.items()} for tool, runs in seconds.items()}


def call(tool: str, arguments: dict) -> bool | None:
    """Whether the module has changed something; None if it has failed."""
    output = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        importlib.import_module(PYTHON_MODULES[tool]).main()
    result = json.loads(output.getvalue())
    return None if result.get("failed") else result["changed"]


def judged(tool: str, nasty: dict, path: Path) -> str:
    """What becomes of one nasty file."""
    reader = importlib.import_module("ansible_collections.webcallserver.balancer.tests.support.java_properties")
    core = importlib.import_module("ansible_collections.webcallserver.balancer.plugins.module_utils._properties")
    before, wanted = nasty["before"].encode("latin-1"), core.texts(nasty["wanted"])
    path.write_bytes(before)
    calls = options(tool, str(path), wanted)
    # ini_file and lineinfile end with a traceback where a file is not UTF-8.
    try:
        if None in [call(tool, arguments) for arguments in calls]:
            return FAILS
    except UnicodeError:
        return FAILS
    after = path.read_bytes()

    def others(data: bytes) -> list[bytes]:
        mentions = [re.compile(REGEXP.format(re.escape(key)).encode()) for key in wanted]
        lines = [raw for raw, key, _value in reader.logical_lines(data) if key not in wanted]
        return [line for line in lines if not any(mention.match(line) for mention in mentions)]

    meant = {key: value for key, value in {**reader.mapping(before), **wanted}.items() if value is not None}
    kept, remaining = others(before), iter(others(after))
    keys = [key for _raw, key, _value in reader.logical_lines(after)]
    if reader.mapping(after) != meant:
        return WRONG
    if not all(line in remaining for line in kept[:-1]) or (kept and not any(line.startswith(kept[-1].rstrip(b"\r\n")) for line in remaining)):
        return DAMAGE
    if any(call(tool, arguments) for arguments in calls) or path.read_bytes() != after:
        return RESTLESS
    if any(keys.count(key) > 1 for key in wanted):
        return DUPLICATES
    if line_ends(after) - line_ends(before) and line_ends(before):
        return ENDS
    if nasty["before"] == nasty["after"] and after != before:
        return NEEDLESS
    return RIGHT


def line_ends(data: bytes) -> set[bytes]:
    return set(re.findall(rb"\r\n|\r|\n", data))


def tables(result: dict) -> str:
    seconds, corpus = result["seconds"], result["corpus"]
    lines = [
        f"{result['properties']} properties in a file of {result['lines']} lines, on the machine itself (connection `local`):",
        "",
        "| | first run | again, nothing to do | times as long |",
        "|---|---:|---:|---:|",
    ]
    for tool in TOOLS:
        again = f"{seconds[tool]['again']:.1f} s" if "again" in seconds[tool] else "-"
        lines.append(f"| {label(tool)} | {seconds[tool]['first']:.1f} s | {again} | {result['ratio'][tool]:.0f} |")
    lines += ["", f"The {len(corpus)} files of the corpus:", "", "| | " + " | ".join(label(tool) for tool in TOOLS) + " |", "|---|---:|---:|---:|"]
    for verdict in VERDICTS:
        lines.append(f"| {verdict} | " + " | ".join(str(sum(verdicts[tool] == verdict for verdicts in corpus.values())) for tool in TOOLS) + " |")
    lines += ["", "One by one:", "", "| file | " + " | ".join(f"`{tool.rsplit('.', 1)[1]}`" for tool in TOOLS) + " |", "|---|---|---|---|"]
    lines += [f"| {name} | " + " | ".join(verdicts[tool] for tool in TOOLS) + " |" for name, verdicts in corpus.items()]
    return "\n".join(lines) + "\n"


def label(tool: str) -> str:
    return f"one task of `{tool}`" if tool == OURS else f"loop of `{tool}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="no second runs, and the documentation stays as it is")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results there, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        collections = directory / "collections"
        (collections / "ansible_collections" / "webcallserver").mkdir(parents=True)
        (collections / "ansible_collections" / "webcallserver" / "balancer").symlink_to(CHECKOUT)
        init_plugin_loader([str(collections)])
        content, wanted = sample()
        seconds = timed(directory, collections, again=not arguments.quick)
        nasty_files = yaml.safe_load(CORPUS.read_text(encoding="utf-8"))
        result = {
            "properties": len(wanted),
            "lines": len(content.splitlines()),
            "seconds": seconds,
            "ratio": {tool: round(seconds[tool]["first"] / seconds[OURS]["first"], 1) for tool in TOOLS},
            "corpus": {nasty["name"]: {tool: judged(tool, nasty, directory / "nasty") for tool in TOOLS} for nasty in nasty_files},
        }
    print(tables(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if not arguments.quick:
        head, rest = DOCS.read_text(encoding="utf-8").split(MARKERS[0])
        DOCS.write_text(head + MARKERS[0] + tables(result) + MARKERS[1] + rest.split(MARKERS[1])[1], encoding="utf-8")


if __name__ == "__main__":
    main()
