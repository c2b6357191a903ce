# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is documented works as it stands: the examples of the plugins, and the inventory of the README."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess

import pytest
import yaml
from ansible_collections.webcallserver.balancer.tests.support.fleet import recap
from ansible_collections.webcallserver.balancer.tests.support.paths import CHECKOUT

PLUGINS = CHECKOUT / "plugins"
# These write files, and their own tests run their examples
WRITERS = {"flashphoner_properties", "pem_bundle", "websdk_release"}
# What these take only their role or their playbook has
OF_A_ROLE = {"run_check", "host_files", "host_look", "role_look", "haproxy_bundles", "in_turn"}
ON_A_NODE = {"java_properties", "wcs_node_info", "wcs_node_ready"}
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


def test_the_inventory_of_the_readme_is_taken(fleet, tmp_path):
    """As it stands, with the files it names, over the fleet's hosts; only where Ansible reaches them is added."""
    text = re.search(r"<!-- example: inventory -->\n```yaml\n(.*?)```", (CHECKOUT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    hosts = {"wcs1.example.com": "wcs1", "wcs2.example.com": "wcs2", "lb.example.com": "lb1"}
    reached = {name: {"ansible_host": fleet.address(ours)} for name, ours in hosts.items()}
    (tmp_path / "inventory.yml").write_text(text)
    (tmp_path / "reached.yml").write_text(yaml.safe_dump({"all": {"hosts": reached}}))
    names = yaml.safe_load(text)["wcs_balancers"]["vars"]
    place = {name: value.replace("{{ inventory_dir }}", str(tmp_path)) for name, value in names.items()}
    (tmp_path / "files").mkdir()
    shutil.copy(next((CHECKOUT / ".cache" / "websdk").glob("*.tgz")), place["websdk_nginx_bundle"])
    issue = ["-e", f"fleet_dir={tmp_path}", "-e", f"fleet_domain={names['haproxy_lb_domain']}"]
    subprocess.run(["ansible-playbook", CHECKOUT / "tests" / "fleet" / "certificate.yml", *issue], check=True, capture_output=True)
    for name, file in (("certificate", "leaf.pem"), ("chain", "intermediate.pem"), ("private_key", "leaf.key")):
        shutil.copy(tmp_path / "certificate" / file, place[f"haproxy_lb_{name}"])
    result = fleet.play("webcallserver.balancer.site", "--check", inventories=[tmp_path / "inventory.yml", tmp_path / "reached.yml"], cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert set(recap(result.stdout)) == {"localhost", *hosts}
