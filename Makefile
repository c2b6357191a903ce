# Copyright (c) 2026 webcallserver.balancer contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A target, what it does, what it needs beside Python with venv (root: as root, it installs packages and runs containers),
# and about how long it takes on two cores once images and packages are there.
#
# make unit              tests/unit; one of them: T=tests/unit/plugins K=word               nothing      half a minute
# make lint              every static check                                                 root         4 minutes
# make integration       tests/integration: real HAProxy, nginx, Java, Ansible; T= and K=   root         6 minutes
# make test              what every change has to pass                                      root         45 minutes
# make everything        that, and every release, firewall and ansible-core, load, fuzz     root         9 hours and more
#
# make demo              a fleet with the balancer, set up and verified, that stays up      root         5 minutes
# make demo-cdn          the same of an origin, two edges and a balancer                    root         5 minutes
# make up                a scenario's fleet that stays up: SCENARIO=haproxy_lb              root         5 minutes
# make down              take it away                                                       root         seconds
# make browser           a real browser on the default scenario's fleet, which stays up     root         10 minutes
# make clean             take away the fleets and everything that was built                 root         a minute
#
# make sanity            ansible-test, and what Galaxy's importer says                      root         10 minutes
# make sanity-cores      ansible-test under the newer versions of ansible-core              root         20 minutes
# make molecule          the five scenarios of every day; one: molecule-default, ...        root         an hour
# make molecule-load     the balancer through changes, slow clients and silence             root         half an hour
# make molecule-selinux  a balancer and a node that enforce SELinux, emulated               root         an hour
# make molecule-interrupted  runs that are killed after every change, and power cuts        root         an hour
# make molecule-drift    hosts that somebody changes by hand, a thing at a time             root         not known yet
# make real              agent, balancer, modules with every release: real-agent-bullseye,  root         20 minutes
#                        real-balancer-forky, real-core-2.22
# make real-ubuntu       the same with Ubuntu 22.04, 24.04 and 26.04                        root, Ubuntu 15 minutes
# make ports             nodes under every firewall, scanned from outside                   root         15 minutes
# make ports-all         every pair of system and firewall                                  root         an hour
# make ubuntu            real-ubuntu, its firewalls, and the whole fleet on each release    root, Ubuntu 3 hours
# make fuzz              200,000 statistics pages and clients against the agent             root         20 minutes
#
# make bench-agent       the agent beside other agents; ARGS="--quick --json PATH"          root         10 minutes
# make bench-balancer    the balancer beside the how-to's                                   root         half an hour
# make bench-balancing   pools of 10 and 100 nodes, simulated                               nothing      10 minutes
# make bench-properties  properties beside other modules                                    nothing      10 minutes
# make requirements      the newest packages of Python that go together; UPGRADE= as is     nothing      a minute

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

.PHONY: help requirements demo demo-cdn clean test everything lint unit integration real real-ubuntu fuzz sanity sanity-cores molecule \
    installed up down browser ports ports-all ports-ubuntu ubuntu bench-agent bench-balancer bench-balancing bench-properties
help:
	@sed -n '/^# A target/,/^$$/s/^# \?//p' Makefile

# ---- what everything needs ----

$(CACHE)/packages: Makefile
	@mkdir -p $(CACHE)
	@tests/fleet/prerequisites $(if $(shell command -v npm),$(filter-out npm,$(PACKAGES)),$(PACKAGES))
	@touch $@

$(CACHE)/emulator: | $(CACHE)/packages
	@tests/fleet/prerequisites qemu-system-x86 e2fsprogs procps
	@touch $@

.venv/run: requirements/run.txt
	@echo "installing Python packages into .venv"
	@python3 -c 'import ensurepip' || tests/fleet/prerequisites python3-venv
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
	@tests/fleet/websdk $(WEBSDK_VERSION) $(@D)

UPGRADE ?= --upgrade
requirements: .venv/run
	@requirements/compile $(UPGRADE)

# Said by name, since Ansible ignores the file of a directory that everybody may write, as a checkout under umask 000 is
demo demo-cdn clean installed ports ports-all ports-ubuntu: export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

# ---- the demo ----

demo: LIKE := default
demo-cdn: LIKE := cdn
demo demo-cdn: .venv/run $(COLLECTION) $(WEBSDK)
	@tests/fleet/demo $@ $(LIKE)

clean:
	@tests/fleet/clear
	rm -rf .venv $(CACHE) artifacts

# ---- the tests ----

# Two at a time, since much of it is waiting; what each has to say comes when it has ended
test: TIME_LIMIT = 80m
test:
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target molecule-default molecule-haproxy_lb lint sanity molecule-wcs_node molecule-websdk_nginx \
	    real-agent-bullseye real-agent-forky unit
	@$(MAKE) --no-print-directory integration T='$(filter-out %/bundle %/java,$(INTEGRATION))'
	@$(MAKE) --no-print-directory real-balancer-forky
	@echo "everything passed"

everything: TIME_LIMIT = 14h
everything:
	@for part in test molecule real ports sanity-cores ubuntu molecule-selinux molecule-interrupted molecule-drift molecule-load ports-all fuzz; do $(MAKE) --no-print-directory $$part || exit 1; done

lint: .venv/test $(COLLECTION) | $(CACHE)/packages
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

# Which tests: T is a place, K a word of their names
pytest = pytest --quiet -n auto $(if $(K),-k '$(K)') $(or $(T),$(1))
unit: .venv/test $(COLLECTION)
	$(call pytest,tests/unit)

# In the workbench's container; those of the firewalls need a fleet: make ports
INTEGRATION := $(filter-out %/firewall,$(wildcard tests/integration/*))
integration: $(COLLECTION) | $(CACHE)/packages
	tests/fleet/in bookworm workbench $(call pytest,$(INTEGRATION))

# The two file formats against Java and HAProxy; the modules under every ansible-core; the balancer with the HAProxy, and the
# agent with the Python and the HAProxy of every release. Bookworm's are the workbench's, where make integration has met the balancer
real:
	@$(MAKE) --no-print-directory integration T='tests/integration/java tests/integration/bundle'
	@$(MAKE) --no-print-directory $(RELEASES:%=real-agent-%) $(patsubst %,real-balancer-%,$(filter-out bookworm,$(RELEASES))) $(CORES:%=real-core-%)

real-ubuntu: $(UBUNTU_RELEASES:%=real-agent-%) $(UBUNTU_RELEASES:%=real-balancer-%)

real-balancer-%: $(COLLECTION) | $(CACHE)/packages
	@echo "the balancer with the HAProxy of $*"
	@tests/fleet/in $* release pytest --quiet -p no:cacheprovider -n auto tests/integration/haproxy tests/integration/bundle

AGENT := tests/unit/roles/wcs_node tests/integration/agent
in_agent = tests/fleet/in $(1) agent env PYTHONPATH=$(CACHE)/collections $(2) python3 -m pytest -q --noconftest -p no:cacheprovider
real-agent-%: $(COLLECTION) | $(CACHE)/packages
	@echo "the agent on $*"
	@$(call in_agent,$*) $(AGENT)

# Whatever a module is given and says goes through ansible-core, secrets too
real-core-%: $(COLLECTION) | $(CACHE)/packages
	@echo "the modules under ansible-core $*"
	@tests/fleet/in trixie controller env PATH=/opt/ansible-$*/bin:$(PATH) pytest --quiet -p no:cacheprovider tests/integration/bundle/test_bundle_ansible.py

fuzz: $(COLLECTION) | $(CACHE)/packages
	$(call in_agent,trixie,WCS_AGENT_EXAMPLES=2000) tests/unit/roles/wcs_node/test_wcs_agent_fuzz.py

# In the first round each family and each firewall comes once; nothing but Python runs on the nodes
ports: ROUNDS := -k round1
ports ports-all: export FLEET_NAME := ports
ports ports-all: export PORTS_INVENTORY := inventory.yml
ports-ubuntu: export FLEET_NAME := ports-ubuntu
ports-ubuntu: export PORTS_INVENTORY := ubuntu.yml
ports ports-all ports-ubuntu: .venv/test $(COLLECTION) | $(CACHE)/packages
	tests/fleet/over tests/integration/firewall/$(PORTS_INVENTORY) pytest --quiet tests/integration/firewall $(ROUNDS)

# The releases of Ubuntu, for a machine that can have them: what is real, the whole fleet on each, and every firewall.
# The aiortc of 22.04 and today's Chromium do not come together, so that the stand-in has no media there. The
# Python of 26.04 is too new for the ansible-core in .venv
ubuntu: ports-ubuntu real-ubuntu
	FLEET_SUITE=jammy PYTEST_ADDOPTS='-k "not five_steps and not drained_node"' $(MAKE) --no-print-directory molecule-default
	FLEET_SUITE=noble $(MAKE) --no-print-directory molecule-default
	FLEET_SUITE=resolute CONTROLLER=2.22 $(MAKE) --no-print-directory molecule-default

# What ansible-test and Galaxy's importer say, under the oldest ansible-core; sanity-cores has the newer ones; ansible-lint has had its turn, and was stricter
sanity: .venv/test installed | $(CACHE)/packages
	tests/ansible-test $(CACHE)/dist/*.tar.gz
	cd $(CACHE) && GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false python -m galaxy_importer.main dist/*.tar.gz

DEPENDENCIES = $$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections
sanity-cores: $(CORES:%=sanity-core-%)
sanity-core-%: .venv/test installed | $(CACHE)/packages
	tests/fleet/in trixie controller env PATH=/opt/ansible-$*/bin:$(PATH) sh tests/ansible-test $(CACHE)/dist/*.tar.gz $(DEPENDENCIES)

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

# ---- the benchmarks ----

# What the other agents are made of is installed in the container; it goes with it
bench-agent: $(COLLECTION) | $(CACHE)/packages
	tests/fleet/in bookworm bench sh -c 'tests/fleet/prerequisites python3-psutil xinetd curl jq bc && exec python3 benchmarks/agent.py $(ARGS)'
bench-balancer: $(COLLECTION) | $(CACHE)/packages
	tests/fleet/in bookworm bench python3 benchmarks/balancer.py $(ARGS)
bench-balancing bench-properties: .venv/run $(COLLECTION)
	python benchmarks/$(@:bench-%=%).py $(ARGS)
