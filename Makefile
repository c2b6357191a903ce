# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make demo    build a fleet on this machine, set up the balancer on it, verify it, leave it running
# make demo-cdn                               the same of an origin, two edges and a balancer with a pool for each
# make clean   remove the fleets and everything that was built
# make test    lint, unit, sanity, the scenarios, and balancer and agent with the oldest and the newest HAProxy and Python
# make everything                             that, the CDN, every release, Ubuntu, SELinux, load, every firewall, the fuzz: hours
# make lint    every static check             make unit       tests without a fleet
# make sanity  ansible-test                   make molecule   every scenario
# make real    the modules, the balancer and the agent against Java and every release's Python and HAProxy
# make real-ubuntu                            the same with Ubuntu 22.04, 24.04 and 26.04
# make fuzz    200,000 statistics pages and clients against the agent
# make browser the default scenario's fleet, and a real browser on it
# make ports   nodes of every family under every firewall, scanned from outside; make ports-all takes every pair of them
# make ubuntu  real-ubuntu, the firewalls of Ubuntu, and the whole fleet on each of its releases
# make molecule-load                          the balancer through changes, slow clients and silence, half an hour
# make molecule-selinux                       a balancer and a node that enforce SELinux, as emulated machines
# make bench-balancer                         the balancer beside the how-to's, into docs/
# make requirements                           the newest packages of Python that go together
# make up, make down                          a fleet that stays up, see CONTRIBUTING.md

# No command without an end: what takes longer than this says so
TIME_LIMIT = 40m
SHELL := tests/fleet/within
.SHELLFLAGS = $(TIME_LIMIT) -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export MOLECULE_GLOB := molecule/*/molecule.yml
export MOLECULE_COMMAND_BORDERS := false
export ANSIBLE_FORCE_COLOR := $(if $(CI),,1)
# Packages come from where pip takes them on this machine
export UV_INDEX_URL := $(PIP_INDEX_URL)

CACHE := .cache
COLLECTION := $(CACHE)/collections/ansible_collections/webcallserver/balancer
WEBSDK_VERSION := 2.0.276
WEBSDK := $(CACHE)/websdk/flashphoner-websdk-$(WEBSDK_VERSION).tgz
PACKAGES := python3-venv openssh-client npm podman crun netavark aardvark-dns iptables mmdebstrap debian-archive-keyring util-linux shellcheck
# Each brings another HAProxy: 2.2, 2.6, 3.0 and 3.2; Ubuntu's are 2.4, 2.8 and 3.2
RELEASES := bullseye bookworm trixie forky
UBUNTU_RELEASES := jammy noble resolute
# Beside the one in .venv
CORES := 2.21 2.22
SCENARIOS := default wcs_node haproxy_lb websdk_nginx cdn

.PHONY: help requirements demo demo-cdn test everything lint unit real real-ubuntu fuzz sanity sanity-cores molecule installed up down browser ports ports-all ports-ubuntu ubuntu bench-balancer clean
help:
	@sed -n 's/^# \(make\)/\1/p' Makefile

# ---- what everything needs ----

$(CACHE)/packages: Makefile
	@mkdir -p $(CACHE)
	@tests/fleet/prerequisites $(if $(shell command -v npm),$(filter-out npm,$(PACKAGES)),$(PACKAGES))
	@touch $@

$(CACHE)/emulator: | $(CACHE)/packages
	@tests/fleet/prerequisites qemu-system-x86 e2fsprogs procps
	@touch $@

.venv/run: requirements/run.txt | $(CACHE)/packages
	@echo "installing Python packages into .venv"
	@test -x .venv/bin/pip || python3 -m venv .venv
	@.venv/bin/pip install --quiet --require-hashes -r requirements/uv.txt
	@.venv/bin/uv pip install --quiet --require-hashes -r $<
	@touch $@

.venv/test: requirements/test.txt .venv/run
	@.venv/bin/uv pip install --quiet --require-hashes -r $<
	@touch $@

$(COLLECTION):
	@mkdir -p $(@D) && ln -sfn $(CURDIR) $@

$(WEBSDK): | $(CACHE)/packages
	@echo "fetching the WebSDK"
	@mkdir -p $(@D) && cd $(@D) && npm pack --silent @flashphoner/websdk@$(WEBSDK_VERSION) >/dev/null
	@cd $(@D) && sha256sum --quiet --check $(CURDIR)/tests/fleet/websdk.sha256

# ansible-test hands no variable on to pip; a file reaches it
$(CACHE)/pip.conf: Makefile
	@mkdir -p $(CACHE)
	@printf '[global]\ncert = /machine-ca.crt\n$(if $(PIP_INDEX_URL),index-url = $(PIP_INDEX_URL)\n)' >$@

# A command in a container of a release and a layer, with the checkout where it is on the machine
in = tests/fleet/podman run --rm --privileged $(container) $$(tests/fleet/image $(1) $(2))
container = --volume $(CURDIR):$(CURDIR) --workdir $(CURDIR) \
    --volume /etc/ssl/certs/ca-certificates.crt:/machine-ca.crt:ro --volume $(CURDIR)/$(CACHE)/pip.conf:/etc/pip.conf:ro \
    --env PATH=/opt/tests/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env PYTHONDONTWRITEBYTECODE=1
# The same in the workbench, with the HAProxy of another release
released = tests/fleet/podman run --rm --privileged $(container) \
    --mount type=image,source=$$(tests/fleet/image $(1) release),destination=/release,rw=true \
    $$(tests/fleet/image bookworm workbench) tests/fleet/released
DEPENDENCIES = $$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections

# The packages of Python, each with the hashes of its files: the newest that go together, or with UPGRADE= those that are there
UPGRADE ?= --upgrade
requirements: .venv/run
	@for list in uv run test controller-2.21 controller-2.22; do \
	    .venv/bin/uv pip compile --quiet --universal --no-header --no-annotate --generate-hashes $(UPGRADE) \
	        $$(case $$list in controller*) echo --python-version 3.13 ;; esac) requirements/$$list.in --output-file requirements/$$list.txt || exit 1; \
	done

# Said by name, since Ansible ignores the file of a directory that everybody may write, as a checkout under umask 000 is
demo demo-cdn clean installed ports ports-all ports-ubuntu: export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

# ---- the demo ----

DEMO = -i molecule/$(LIKE)/inventory.yml -i molecule/shared/inventory.yml -i $(CACHE)/fleet/$@/hosts.yml
demo: LIKE := default
demo-cdn: LIKE := cdn
demo demo-cdn: export FLEET_NAME = $@
demo demo-cdn: .venv/run $(COLLECTION) $(WEBSDK)
	@echo "creating the hosts of molecule/$(LIKE)/inventory.yml"
	@ansible-playbook -i molecule/$(LIKE)/inventory.yml molecule/shared/create.yml
	@ansible-playbook $(DEMO) molecule/shared/prepare.yml
	ansible-playbook $(DEMO) playbooks/site.yml
	ansible-playbook $(DEMO) playbooks/verify.yml
	@tests/fleet/welcome $@ $(LIKE)

clean:
	@for fleet in demo demo-cdn ports ports-ubuntu load selinux interrupted drift $(SCENARIOS); do \
	    if [ -d $(CACHE)/fleet/$$fleet ]; then \
	        inventory=$$(ls -U {molecule,tests}/$${fleet#demo-}/inventory.yml tests/$${fleet/-//}.yml molecule/default/inventory.yml 2>/dev/null | head -1); \
	        FLEET_NAME=$$fleet ansible-playbook -i $$inventory molecule/shared/destroy.yml; \
	    fi; \
	done
	rm -rf .venv $(CACHE) artifacts

# ---- the tests ----

# Two at a time, since much of it is waiting; what each has to say comes when it has ended
test: TIME_LIMIT = 80m
test:
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target molecule-default molecule-haproxy_lb lint sanity molecule-wcs_node molecule-websdk_nginx \
	    real-agent-bullseye real-agent-forky
	@$(MAKE) --no-print-directory unit real-balancer-forky
	@echo "everything passed"

everything: TIME_LIMIT = 10h
everything:
	@for part in test molecule real ports sanity-cores ubuntu molecule-selinux molecule-interrupted molecule-drift molecule-load ports-all fuzz; do $(MAKE) --no-print-directory $$part || exit 1; done

lint: .venv/test $(COLLECTION)
	ruff check --quiet .
	ruff format --quiet --check .
	yamllint --strict .
	shellcheck --severity=warning $$(git grep -lE '^#!/.*(sh|bash)$$|^# shellcheck shell' -- ':!*.j2')
	mypy --package ansible_collections.webcallserver.balancer.plugins
	mypy roles/*/files/*.py
	ansible-lint --strict --offline
	reuse lint --quiet
	antsibull-changelog lint
	antsibull-docs lint-collection-docs --plugin-docs .

unit: $(COLLECTION) $(CACHE)/pip.conf | $(CACHE)/packages
	$(call in,bookworm,workbench) pytest --quiet -n auto tests/unit

# The two file formats against Java and HAProxy; the modules under every ansible-core; the balancer with the HAProxy, and the
# agent with the Python and the HAProxy of every release. Bookworm's are the workbench's, where make unit has met the balancer
real: $(COLLECTION) $(CACHE)/pip.conf | $(CACHE)/packages
	$(call in,bookworm,workbench) pytest --quiet -p no:cacheprovider tests/java tests/bundle
	@$(MAKE) --no-print-directory $(RELEASES:%=real-agent-%) $(patsubst %,real-balancer-%,$(filter-out bookworm,$(RELEASES))) $(CORES:%=real-core-%)

real-ubuntu: $(UBUNTU_RELEASES:%=real-agent-%) $(UBUNTU_RELEASES:%=real-balancer-%)

# What preflight refuses is the same whatever HAProxy there is
BALANCER_TESTS := $(addprefix --ignore=tests/unit/roles/haproxy_lb/,test_haproxy_preflight.py test_haproxy_lb_variables.py) tests/unit/roles/haproxy_lb tests/bundle
real-balancer-%: $(COLLECTION) $(CACHE)/pip.conf | $(CACHE)/packages
	@echo "the balancer with the HAProxy of $*"
	@$(call released,$*) pytest --quiet -p no:cacheprovider -n auto $(BALANCER_TESTS)

real-agent-%: $(CACHE)/pip.conf | $(CACHE)/packages
	@echo "the agent on $*"
	@$(call in,$*,agent) python3 -m pytest -q --noconftest -p no:cacheprovider tests/unit/roles/wcs_node tests/haproxy_agent

# Whatever a module is given and says goes through ansible-core, secrets too
real-core-%: $(COLLECTION) $(CACHE)/pip.conf | $(CACHE)/packages
	@echo "the modules under ansible-core $*"
	@$(call in,trixie,controller) env PATH=/opt/ansible-$*/bin:$(PATH) pytest --quiet -p no:cacheprovider tests/bundle/test_bundle_ansible.py

fuzz: $(CACHE)/pip.conf | $(CACHE)/packages
	$(call in,trixie,agent) env WCS_AGENT_EXAMPLES=2000 python3 -m pytest -q --noconftest -p no:cacheprovider tests/unit/roles/wcs_node/test_wcs_agent_fuzz.py

# In the first round each family and each firewall comes once; nothing but Python runs on the nodes
ports: ROUNDS := -k round1
ports ports-all: export FLEET_NAME := ports
ports ports-all: export PORTS_INVENTORY := inventory.yml
ports-ubuntu: export FLEET_NAME := ports-ubuntu
ports-ubuntu: export PORTS_INVENTORY := ubuntu.yml
ports ports-all ports-ubuntu: .venv/test $(COLLECTION)
	ansible-playbook -i tests/ports/$(PORTS_INVENTORY) molecule/shared/create.yml
	pytest --quiet tests/ports $(ROUNDS); status=$$?; \
	ansible-playbook -i tests/ports/$(PORTS_INVENTORY) molecule/shared/destroy.yml && exit $$status

# The releases of Ubuntu, for a machine that can have them: what is real, the whole fleet on each, and every firewall.
# The aiortc of 22.04 and today's Chromium do not come together, so that the stand-in has no media there. The
# Python of 26.04 is too new for the ansible-core in .venv
ubuntu: ports-ubuntu real-ubuntu
	FLEET_SUITE=jammy PYTEST_ADDOPTS='-k "not five_steps and not drained_node"' $(MAKE) --no-print-directory molecule-default
	FLEET_SUITE=noble $(MAKE) --no-print-directory molecule-default
	FLEET_SUITE=resolute CONTROLLER=2.22 $(MAKE) --no-print-directory molecule-default

# What ansible-test and Galaxy's importer say, under the oldest ansible-core; sanity-cores has the newer ones; ansible-lint has had its turn, and was stricter
sanity: .venv/test $(CACHE)/pip.conf installed
	tests/ansible-test $(CACHE)/dist/*.tar.gz
	cd $(CACHE) && GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false python -m galaxy_importer.main dist/*.tar.gz

sanity-cores: .venv/test $(CACHE)/pip.conf installed
	for core in $(CORES); do \
	    $(call in,trixie,controller) env PATH=/opt/ansible-$$core/bin:$(PATH) sh tests/ansible-test $(CACHE)/dist/*.tar.gz $(DEPENDENCIES) || exit 1; \
	done

# The roles' scenarios run under the newer ones
molecule-haproxy_lb molecule-cdn: export CONTROLLER ?= 2.21
molecule-wcs_node molecule-websdk_nginx: export CONTROLLER ?= 2.22
molecule: $(SCENARIOS:%=molecule-%)
molecule-%: .venv/test $(WEBSDK) installed
	PATH=$(if $(CONTROLLER),$(CURDIR)/tests/fleet/controllers:)$$PATH molecule test --scenario-name $*
# Longer than others: under load on purpose, and emulated
molecule-load molecule-selinux: TIME_LIMIT = 80m
molecule-load molecule-selinux: export PYTEST_TIMEOUT := 3600
# One thing after the other, with three runs of the playbook for each
molecule-interrupted molecule-drift: TIME_LIMIT = 3h
molecule-interrupted molecule-drift: export PYTEST_TIMEOUT := 7200
molecule-selinux: | $(CACHE)/emulator

# One file of the default scenario's tests, over its fleet, which stays up
browser: SCENARIO := default
browser: up
	PYTEST_ADDOPTS='-k test_browser' molecule verify --scenario-name default

# A scenario's fleet that stays up: make up SCENARIO=haproxy_lb, then molecule converge and verify as often as you like
SCENARIO ?= default
up: .venv/test $(WEBSDK) installed
	molecule converge --scenario-name $(SCENARIO)
down:
	molecule destroy --scenario-name $(SCENARIO)

# The collection as users get it: built, and installed into an empty path
installed: .venv/run
	@rm -rf $(CACHE)/installed $(CACHE)/dist
	@ansible-galaxy collection build --output-path $(CACHE)/dist >/dev/null
	@ansible-galaxy collection install --force --no-deps --collections-path $(CACHE)/installed $(CACHE)/dist/*.tar.gz >/dev/null

bench-balancer: $(CACHE)/pip.conf | $(CACHE)/packages
	$(call in,bookworm,bench) python3 benchmarks/balancer.py
