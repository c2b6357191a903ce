# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is documented works as it stands: the examples of the plugins, the inventories and the commands of the pages."""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import subprocess

import pytest
import yaml
from ansible_collections.webcallserver.balancer.tests.support import documents
from ansible_collections.webcallserver.balancer.tests.support.fleet import recap
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

PLUGINS = CHECKOUT / "plugins"
# These write files, and their own tests run their examples
WRITERS = {"flashphoner_properties", "pem_bundle", "websdk_release"}
# What these take only their role or their playbook has
OF_A_ROLE = {"run_check", "host_files", "host_look", "role_look", "haproxy_bundles", "in_turn"}
ON_A_NODE = {"java_properties", "wcs_node_info", "wcs_node_ready"}
# These need no fleet: make and pytest are what runs this, and npm and portscan.py have tests of their own
ELSEWHERE = {"make", "git", ".venv/bin/pytest", ".venv/bin/molecule", "npm", "python3"}
PUBLIC = sorted(
    path
    for kind in ("modules", "filter", "lookup")
    for path in (PLUGINS / kind).glob("*.py")
    if path.stem not in WRITERS | OF_A_ROLE and not path.stem.startswith("_")
)


def examples(path):
    """Return the tasks of a plugin's EXAMPLES."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "EXAMPLES":
            return yaml.safe_load(node.value.value)
    raise AssertionError(f"{path} has no examples")


def play(host, paths):
    return {
        "hosts": host,
        "become": True,
        "gather_facts": False,
        "tasks": [task for path in paths for task in examples(path)],
    }


def test_the_examples_of_the_plugins_run(fleet, tmp_path):
    on_a_node = [path for path in PUBLIC if path.stem in ON_A_NODE]
    balancer = play("lb1", [path for path in PUBLIC if path.stem not in ON_A_NODE])
    archive = next((CHECKOUT / ".cache" / "websdk").glob("*.tgz"))
    (tmp_path / "files").mkdir()
    shutil.copy(archive, tmp_path / "files" / "websdk.tgz")
    balancer["vars"] = {"websdk_sha256": "{{ websdk_nginx_bundle_sha256 }}"}
    balancer["module_defaults"] = {"webcallserver.balancer.wcs_probe": {"address": fleet.address("lb1"), "ca_path": str(fleet.ca_file)}}
    for task in balancer["tasks"]:
        if task.get("delegate_to") == "localhost":
            task.update(become=False, vars={"ansible_python_interpreter": "{{ ansible_playbook_python }}"})
    # What verify_report judges is registered by the playbook it belongs to
    plays = [{"import_playbook": "webcallserver.balancer.verify"}, balancer, play("wcs1", on_a_node)]
    (tmp_path / "examples.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
    result = fleet.play(tmp_path / "examples.yml")
    assert result.returncode == 0, result.stdout
    assert recap(result.stdout)["lb1"]["ok"] >= len(balancer["tasks"])


@pytest.mark.parametrize("kind", ["module", "filter", "lookup", "role"])
def test_each_has_its_page(kind):
    folder = {"module": PLUGINS / "modules", "role": CHECKOUT / "roles"}.get(kind, PLUGINS / kind)
    names = [f"webcallserver.balancer.{path.stem}" for path in folder.iterdir() if not path.name.startswith("__") and path.name != "_host"]
    pages = subprocess.check_output(["ansible-doc", "--type", kind, *names], text=True)
    assert [name for name in names if name not in pages] == []


def desk(page, place):
    """Make a directory as an operator has it: the inventory of a page, and the files that it names."""
    text = documents.example(CHECKOUT / page, "inventory")
    (place / "inventory.yml").write_text(text)
    names = yaml.safe_load(text)["wcs_balancers"]["vars"]
    paths = {name: value.replace("{{ inventory_dir }}", str(place)) for name, value in names.items()}
    (place / "files").mkdir()
    shutil.copy(next((CHECKOUT / ".cache" / "websdk").glob("*.tgz")), paths["websdk_nginx_bundle"])
    issue = ["-e", f"fleet_dir={place}", "-e", f"fleet_domain={names['haproxy_lb_domain']}"]
    subprocess.run(["ansible-playbook", CHECKOUT / "tests" / "fleet" / "certificate.yml", *issue], check=True, capture_output=True)
    for name, file in (("certificate", "leaf.pem"), ("chain", "intermediate.pem"), ("private_key", "leaf.key")):
        shutil.copy(place / "certificate" / file, paths[f"haproxy_lb_{name}"])


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md"])
def test_the_inventory_of_a_page_is_taken(fleet, tmp_path, page):
    """As it stands, with the files it names; its hosts are called as the fleet's are, whose inventory tells where Ansible reaches them."""
    desk(page, tmp_path)
    result = fleet.play("webcallserver.balancer.site", "--check", inventories=[tmp_path / "inventory.yml"], cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert set(recap(result.stdout)) == {"localhost", *fleet.hosts}


class Operator:
    """Does what the pages say, on the fleet in place of the hosts of inventory.yml. A playbook that ended well is not run again."""

    def __init__(self, fleet, place):
        self.fleet = fleet
        self.place = place
        self.played = set()

    def do(self, command):
        words = shlex.split(command.text)
        if command.host:
            self.fleet.run(command.host, command.text)
        elif words[0] == "ansible-playbook":
            self.play(*words[1:])
        else:
            self.call(words)

    def play(self, option, inventory, *words):
        assert (option, inventory) == ("-i", "inventory.yml")
        if words not in self.played:
            result = self.fleet.play(*words, cwd=self.place)
            assert result.returncode == 0, result.stdout
            self.played.add(words)

    def call(self, words):
        if words[0] == "ansible":
            at = words.index("-i")
            words[at : at + 2] = [f"--inventory={path}" for path in (*self.fleet.inventories, self.fleet.directory / "hosts.yml")]
        if words[0] == "ansible-galaxy":
            # The collection as it is now, in place of a published one, and to where nothing else is taken from
            archive = next((CHECKOUT / ".cache" / "dist").glob("*.tar.gz"))
            words = [str(archive) if word == "webcallserver.balancer" else word for word in words]
            words += ["--no-deps", "--force", "--collections-path", str(self.place / "collections")]
        (self.place / "vault").write_text("a password\n")
        settings = os.environ | {"ANSIBLE_VAULT_PASSWORD_FILE": str(self.place / "vault"), "PAGER": "cat"}
        done = subprocess.run(words, env=settings, cwd=self.place, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def operator(fleet, tmp_path_factory):
    place = tmp_path_factory.mktemp("desk")
    desk("README.md", place)
    yield Operator(fleet, place)
    for node in ("wcs1", "wcs2"):
        fleet.run(node, "wcs-agent undrain")
    fleet.all_empty()


SHOWN = {page: [command for command in documents.commands(documents.read(page)) if shlex.split(command.text)[0] not in ELSEWHERE] for page in documents.PAGES}
SHOWN = {page: shown for page, shown in SHOWN.items() if shown}


@pytest.mark.parametrize("page", SHOWN, ids=documents.called)
def test_the_commands_of_a_page_work(operator, page):
    for command in SHOWN[page]:
        try:
            operator.do(command)
        except (AssertionError, OSError, subprocess.SubprocessError) as problem:
            raise AssertionError(f"{documents.called(page)}, line {command.line}: {command.text}: {problem}") from problem
