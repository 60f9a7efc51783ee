# ovstool is installed into .venv, and missing programs with apt. PYTHON=python3.12 selects another Python.

ifndef PYTHON
PYTHON := $(firstword $(foreach python,python3 python3.14 python3.13 python3.12 python3.11 python3.10,\
	$(shell $(python) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $(python))))
endif
VENV ?= .venv
READY := $(VENV)/ready-$(subst /,_,$(PYTHON))
BIN := $(abspath $(VENV))/bin
SCRIPTS := .ci/run .ci/demo .ci/need packaging/deb completions/ovstool.bash tests/kernel/init.sh
# Tests run in parallel, because they mostly wait; tests/conftest.py decides how many, and which must not.
PYTEST := $(BIN)/python -m pytest -n auto
# The kernel that tests/kernel boots, and the compiler for its preloaded library; a compiler without the C headers is not enough.
LAB := linux.uml=user-mode-linux modprobe=kmod cc=gcc $(if $(wildcard /usr/include/elf.h),,+libc6-dev)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONPATH PYTHONHOME
# With it each pytest worker would compile all tests every time.
unexport PYTHONDONTWRITEBYTECODE

# Each noun on a switch, without the slower tests: traffic, other protocol versions, hosts, misbehaving peers.
QUICK := tests/unit tests/test_house.py $(patsubst %,tests/switch/test_%.py,bridge port police qos sflow show)

VERSIONS ?= 2.13 2.17 3.3 3.7

.PHONY: help demo test quick test-kernel bench matrix versions deb packages mutants ansible-sanity lint generated check-generated clean

help:
	@echo 'make demo             install, start a private switch, limit a port and measure the result'
	@echo 'make test             run every test (ARGS="-k qos" for some)'
	@echo 'make quick            run a selection that takes less than a minute in total'
	@echo 'make test-kernel      run the tests on the kernel datapath, in a lab'
	@echo 'make bench            compare the speed with ovs-vsctl and others'
	@echo 'make matrix           try it with the oldest and newest libraries and Pythons (ROWS="oldest newest" for only these two)'
	@echo 'make versions         try it with other versions of Open vSwitch, built from source (VERSIONS="2.13 3.3" ARGS=tests/switch/test_qos.py)'
	@echo 'make deb              build a Debian package, in dist/'
	@echo 'make packages         install, try and remove it, by pip, pipx and apt (WAYS="pip deb" for some)'
	@echo 'make mutants          see whether the tests notice mistakes in the code (N=200 SEED=1 MODULE=ovstool/units.py TESTS=tests/unit)'
	@echo 'make ansible-sanity   check the Ansible collection with ansible-test (ARGS="--test pylint" for some)'
	@echo 'make lint             ruff, mypy, shellcheck'
	@echo 'make generated        regenerate man pages, completions and the dashboard'
	@echo 'make check-generated  fail when they are not up to date'
	@echo 'make clean            remove what these targets made here'

# Rebuilt when the dependencies or the Python change.
$(READY): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo 'make: ovstool needs Python 3.10 or newer; name one with PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		.ci/need "$$($(PYTHON) -c 'import sys; print("+python%d.%d-venv" % sys.version_info[:2])')"
	@echo 'installing ovstool and what its tests need into $(VENV): about half a minute, without output'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --config-settings editable_mode=compat --editable '.[test]'
	@# Where PYTHONDONTWRITEBYTECODE is set, ovstool would be compiled again at every start.
	@$(BIN)/python -m compileall -q ovstool
	@touch $@

# Half of them in each of two processes; otherwise each pytest worker would compile them all.
$(READY).tests: $(READY)
	@for half in tests/unit --ignore=tests/unit; do $(BIN)/python -m pytest -qq --collect-only $$half >/dev/null & done; wait
	@touch $@

demo: $(READY)
	@.ci/need ovs-vswitchd=openvswitch-switch ip=iproute2 iperf3=iperf3 ping=iputils-ping jq=jq
	@PATH="$(BIN):$$PATH" .ci/demo

test: $(READY).tests
	@.ci/need ovs-vswitchd=openvswitch-switch ip=iproute2 iperf3=iperf3 ping=iputils-ping openssl=openssl mandoc=mandoc man=man-db jq=jq tshark=tshark sfcapd=nfdump-sflow nfdump=nfdump dot=graphviz promtool=prometheus prometheus-node-exporter=prometheus-node-exporter systemd-analyze=systemd
	@.ci/need sshd=openssh-server ssh=openssh-client sudo=sudo socat=socat nc=netcat-openbsd csh=tcsh zsh=zsh fish=fish tcpdump=tcpdump
	@.ci/need $(LAB)
	$(PYTEST) $(ARGS)

quick: $(READY).tests
	@.ci/need ovs-vswitchd=openvswitch-switch
	$(PYTEST) -q $(QUICK) $(ARGS)

test-kernel: $(READY).tests
	@.ci/need ovs-vswitchd=openvswitch-switch ip=iproute2 iperf3=iperf3 ping=iputils-ping tshark=tshark $(LAB)
	$(PYTEST) tests/kernel $(ARGS)

bench: $(READY)
	@.ci/need ovs-vswitchd=openvswitch-switch ip=iproute2
	@.ci/need sshd=openssh-server ssh=openssh-client sudo=sudo socat=socat nc=netcat-openbsd
	@PATH="$(BIN):$$PATH" bench/run

matrix: $(READY)
	@.ci/need ovs-vswitchd=openvswitch-switch ip=iproute2 sshd=openssh-server ssh=openssh-client sudo=sudo socat=socat nc=netcat-openbsd
	$(PYTHON) tests/matrix.py $(ROWS)

versions: $(READY)
	@.ci/need ip=iproute2 git=git make=make cc=gcc autoconf=autoconf automake=automake libtoolize=libtool
	@.ci/need $(if $(wildcard /usr/include/openssl/ssl.h),,+libssl-dev)
	$(BIN)/python tests/versions.py $(VERSIONS) $(if $(ARGS),-- $(ARGS))

deb: $(READY)
	@.ci/need dpkg-deb=dpkg
	@mkdir -p dist
	PYTHON=$(BIN)/python packaging/deb dist

packages: $(READY)
	@.ci/need dpkg-deb=dpkg lintian=lintian mmdebstrap=mmdebstrap man=man-db zsh=zsh fish=fish $(if $(wildcard /usr/share/bash-completion/bash_completion),,+bash-completion)
	$(BIN)/python tests/packages.py $(WAYS)

$(READY).mutants: $(READY)
	$(BIN)/python -m pip install --quiet --config-settings editable_mode=compat --editable '.[mutants]'
	@touch $@

mutants: $(READY).mutants
	$(BIN)/python tests/mutants/run.py $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED)) $(TESTS:%=--tests %) $(MODULE:%=--module %)

ansible-sanity: $(READY)
	@.ci/need shellcheck=shellcheck
	$(BIN)/python tests/ansible_sanity.py $(ARGS)

$(READY).lint: $(READY)
	$(BIN)/python -m pip install --quiet --config-settings editable_mode=compat --editable '.[lint]'
	@touch $@

lint: $(READY).lint
	@.ci/need shellcheck=shellcheck
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	shellcheck --severity=warning $(SCRIPTS)

generated: $(READY)
	$(BIN)/python man/generate.py man
	$(BIN)/python docs/prometheus/dashboard.py docs/prometheus/ovstool-dashboard.json
	$(BIN)/python completions/generate.py ovstool/completion/command_line.py
	$(BIN)/ovstool complete bash > completions/ovstool.bash
	$(BIN)/ovstool complete zsh > completions/_ovstool
	$(BIN)/ovstool complete fish > completions/ovstool.fish

check-generated: $(READY)
	$(BIN)/python -m pytest -q tests/test_docs.py tests/prometheus -k fresh

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .mutants *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
