# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation names is there: pages, sections, files, variables, targets, tags, and the sentences of the product."""

from __future__ import annotations

import re
import shlex
from functools import cache
from urllib.parse import unquote

import pytest
import yaml
from ansible_collections.webcallserver.balancer.plugins.plugin_utils import run
from ansible_collections.webcallserver.balancer.tests.support import documents

CHECKOUT, PAGES = documents.CHECKOUT, documents.PAGES
LONGEST = 120
# Benchmarks write these
WRITTEN = {"docs/benchmarks-agent.md", "docs/benchmarks-balancer.md"}
PAGE = pytest.mark.parametrize("page", PAGES, ids=documents.called)

ROLES = ("wcs_node", "haproxy_lb", "websdk_nginx")
VARIABLE = re.compile(rf"(?<![\w./-])_{{0,2}}(?:{'|'.join(ROLES)}|wcs)_[a-z0-9_]*[a-z0-9](?![\w*…]|\.[a-z]|/)")
# Named like variables: groups, backends, the agent's program, what the stand-in has, and what an example registers
OTHERS = re.compile(r"wcs_(nodes|balancers|origins|edges|back\w*|web_\w+|agent|standin\w*|agent_port_(from|to)|properties)")

PATH = re.compile(r"(?:playbooks|roles|plugins|molecule|tests|docs|benchmarks|requirements|changelogs|meta)/[\w./*+{},-]*[\w/*}]")
# A file, and what is in it: `FILE`: `NAME`, `NAME`
WITHIN = re.compile(rf"`({PATH.pattern})`: (`\w+`(?:, `\w+`)*)")

# On the machine where Ansible runs: the fleet's test runs these
CONTROLLER = ("ansible", "ansible-doc", "ansible-galaxy", "ansible-playbook", "ansible-vault", "openssl")
# And these are seen elsewhere: the Makefile fetches the WebSDK so
ELSEWHERE = {
    "npm pack @flashphoner/websdk@2.0.276": "Makefile",
    "python3 portscan.py listen tcp/8080-8084,31001-32000 udp/31001-32000": "tests/integration/firewall/test_ports.py",
    "python3 portscan.py scan 192.0.2.11 tcp/8080-8084,31001-32000 udp/31001-32000": "tests/integration/firewall/test_ports.py",
}
HOSTS = {"wcs1", "wcs2", "lb1"}


def slug(heading):
    """The anchor that a forge gives a heading."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def anchors(page):
    return {slug(match[1]) for match in re.finditer(r"^#{1,6} (.+)$", documents.prose(documents.read(page)), re.MULTILINE)}


@cache
def product():
    """All text that the product may print."""
    places = ("plugins/**/*.py", "roles/*/files/*", "roles/*/tasks/*.yml", "roles/*/vars/*.yml", "roles/*/templates/*", "playbooks/**/*.yml")
    return "\n".join(path.read_text(encoding="utf-8") for place in places for path in sorted(CHECKOUT.glob(place)) if path.is_file())


@cache
def variables():
    """Every variable that is declared: of the roles in their argument specs, of the playbooks in run.py."""
    found = set(run.SPECS)
    for role in ROLES:
        specs = yaml.safe_load((CHECKOUT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        found |= {name for entry in specs["argument_specs"].values() for name in entry["options"]}
    return found


@cache
def plugins():
    """What is called like a variable and is a plugin."""
    return {path.stem for path in CHECKOUT.glob("plugins/*/*.py")}


@cache
def targets():
    """The targets of the Makefile; of one with a pattern the part before it."""
    text = (CHECKOUT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    rules = re.findall(r"^([A-Za-z.][\w% ./-]*):(?![=:])", text, re.MULTILINE)
    return {target for rule in rules for target in rule.split()}


def is_target(name):
    return name in targets() or any(target.endswith("%") and name.startswith(target[:-1]) for target in targets())


@PAGE
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", documents.prose(documents.read(page))):
        if "://" in target:
            continue
        path, _sharp, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_in_the_index():
    index = documents.read(CHECKOUT / "docs" / "index.md")
    assert [page.name for page in PAGES if page.parent == CHECKOUT / "docs" and page.name != "index.md" and f"]({page.name}" not in index] == []


@PAGE
def test_lines_fit_two_windows_beside_each_other(page):
    if documents.called(page) in WRITTEN:
        return
    lines = documents.read(page).split("\n")
    assert [number for number, line in enumerate(lines, start=1) if len(line) > LONGEST and not line.startswith("|")] == []


@PAGE
def test_every_variable_is_declared(page):
    names = set(VARIABLE.findall(documents.read(page)))
    known = variables() | plugins() | set(ROLES)
    assert {name for name in names if not name.startswith("_") and name not in known and not OTHERS.fullmatch(name)} == set()


@PAGE
def test_every_file_of_ours_is_there(page):
    missing = []
    for span in re.findall(r"`([^`\n]+)`", documents.prose(documents.read(page))):
        match = PATH.fullmatch(span.split()[-1] if span.startswith(("pytest ", "python ", "python3 ")) else span)
        if match and not any(CHECKOUT.glob(match[0].rstrip("/"))):
            missing.append(span)
    assert missing == []


@PAGE
def test_what_is_said_to_be_in_a_file_is_in_it(page):
    for path, names in WITHIN.findall(documents.prose(documents.read(page))):
        text = (CHECKOUT / path).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"^\s*(?:def |class |)({name})\b[(:]", text, re.MULTILINE), f"{path}: {name}"


@PAGE
def test_every_target_is_in_the_makefile(page):
    text = documents.read(page)
    spans = re.findall(r"`([^`\n]+)`", documents.prose(text)) + [command.text for command in documents.commands(text)]
    words = [span.split() for span in spans if re.match(r"([A-Z_]+=\S+ )*make( |$)", span)]
    named = [word for line in words for word in line[line.index("make") + 1 :] if "=" not in word and not word.startswith("-")]
    assert [name for name in named if not is_target(name)] == []


@PAGE
def test_every_example_in_yaml_is_yaml(page):
    for block in documents.blocks(documents.read(page)):
        assert block.language in ("console", "text", "yaml"), f"line {block.line} begins a block of no known language"
        if block.language == "yaml":
            yaml.safe_load(block.text)


@PAGE
def test_every_command_is_run_somewhere(page):
    """Commands for hosts of the fleet and for Ansible are run by molecule/default, make and pytest are what runs this."""
    for command in documents.commands(documents.read(page)):
        words = shlex.split(command.text)
        where = f"line {command.line}: {command.text}"
        if command.text in ELSEWHERE:
            text = (CHECKOUT / ELSEWHERE[command.text]).read_text(encoding="utf-8")
            assert re.search(re.escape(words[1]), text), where
        elif command.host:
            assert command.host in HOSTS and command.root, where
        elif words[0] in ("make", "git", ".venv/bin/pytest", ".venv/bin/molecule"):
            assert page.name in ("CONTRIBUTING.md", "README.md"), where
        else:
            assert words[0] in CONTROLLER, where


@PAGE
def test_every_playbook_and_tag_is_there(page):
    for command in documents.commands(documents.read(page)):
        words = shlex.split(command.text)
        for name in (word.rpartition(".")[2] for word in words if word.startswith("webcallserver.balancer.") and words[0] == "ansible-playbook"):
            assert (CHECKOUT / "playbooks" / f"{name}.yml").exists(), command.text
    for tags in re.findall(r"--tags ([\w,]+)", documents.read(page)):
        assert set(tags.split(",")) <= set(run.TAGS), tags


def test_what_is_said_to_be_printed_is_printed():
    """Headings of troubleshooting that are in the type of code are the product's words, with … for what differs."""
    text = documents.prose(documents.read(CHECKOUT / "docs" / "troubleshooting.md"))
    said = [quoted for heading in re.findall(r"^### (.+)$", text, re.MULTILINE) for quoted in re.findall(r"`([^`]+)`", heading)]
    parts = [part for quoted in said for part in map(str.strip, quoted.split("…")) if part]
    assert [part for part in parts if part not in product() and not re.match(r"cpu \d+>=\d+$", part)] == []


def test_every_row_of_verify_is_explained():
    report = (CHECKOUT / "plugins" / "plugin_utils" / "report.py").read_text(encoding="utf-8")
    rows = set(re.findall(r'row\(\s*[^,]+,\s*"([^"]+)"', report)) - {"hosts", "workers from before a reload"}
    text = documents.read(CHECKOUT / "docs" / "troubleshooting.md")
    assert [row for row in rows if f"`{row}`" not in text] == []


def test_the_workflow_calls_targets():
    for path in (CHECKOUT / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        named = [target for job in jobs for target in job.get("strategy", {}).get("matrix", {}).get("target", [])]
        assert named and [name for name in named if not is_target(name)] == []
        recipe = re.search(r"^test:\n((?:\t.*\n)+)", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        # Each line of it calls make with options, targets and maybe T= for one of them
        words = re.sub(r"T='[^']*'|--[a-z-]+(=\S+)?|@echo .*|@\$\(MAKE\)|\\\n", " ", recipe[1]).split()
        assert sorted(named) == sorted(words), "not the parts of make test"


def test_an_execution_environment_has_what_runs_the_collection():
    """The same as in .venv, less ansible itself."""
    environment = yaml.safe_load((CHECKOUT / "meta" / "execution-environment.yml").read_text(encoding="utf-8"))
    names = {}
    for path in (environment["dependencies"]["python"], "requirements/run.in"):
        lines = (CHECKOUT / path).read_text(encoding="utf-8").split("\n")
        names[path] = {re.split(r"[=<>~]", line)[0] for line in lines if line and not line.startswith("#")} - {"ansible"}
    assert len({frozenset(found) for found in names.values()}) == 1
