# SPDX-License-Identifier: Apache-2.0
# Every target does its own set-up in .venv; nothing outside the checkout is touched, except Debian packages for `test`.

PYTHON  ?= python3
JOBS    ?= auto
MINUTES ?= 10
MUTANTS ?= 20
ARGS    ?=
PREFIX  ?= /usr/local
# Every other directory that packaging/install.py knows may be named too, such as UNITDIR=/lib/systemd/system.
PLACES  := DESTDIR PREFIX BYTECODE BINDIR LIBEXECDIR LIBRARYDIR DATADIR MANDIR DOCDIR LICENSEDIR UNITDIR SYSUSERSDIR TMPFILESDIR BASHDIR ZSHDIR FISHDIR
INSTALLER = PYTHONDONTWRITEBYTECODE=1 $(PYTHON) packaging/install.py $@ $(foreach place,$(PLACES),$(if $($(place)),'$(place)=$($(place))'))
# An hour where nobody has said otherwise: much less finds nothing new.
FUZZ_MINUTES := $(if $(filter file,$(origin MINUTES)),60,$(MINUTES))

# Another one beside it, for another interpreter: make PYTHON=python3.12 VENV=.venv-3.12 test
VENV := .venv
BIN  := $(VENV)/bin

# Tests start the command thousands of times. Where nothing that is compiled is kept, as in many containers, each start
# takes five times as long.
unexport PYTHONDONTWRITEBYTECODE

# A checkout that was moved or copied must not go on using the old place through its virtual environment.
$(shell [ "$$(cat $(VENV)/path 2>/dev/null)" = "$(CURDIR)" ] || rm -f $(VENV)/*.stamp)

.PHONY: help demo test coverage bench docs docs-update fuzz properties soak faults fwupd-plugin mutate lint format collection cockpit completions install uninstall clean packages monitor
.DEFAULT_GOAL := help

help:
	@echo "make demo     watch staged RMMs being refused and activated on a modelled Arm server"
	@echo "make test     all tests and gates; ARGS='tests/abi -k guid' for some of them"
	@echo "make coverage which lines and branches all tests run, compared with pyproject.toml; ARGS as for test"
	@echo "make bench    measure what the documents promise; ARGS=--json for one JSON document"
	@echo "make docs     build the site of the documents in build/docs/html"
	@echo "make docs-update  run the commands that the documents show and write their output anew; ARGS='docs/...' for some pages"
	@echo "make fuzz     every reader of foreign bytes, guided by coverage, for MINUTES=$(FUZZ_MINUTES); ARGS='dbus cab' for some of them"
	@echo "make properties  the property tests with many more examples and fresh random data"
	@echo "make soak     random histories, the driver in dkms, property tests, mounted machines, for MINUTES=$(MINUTES)"
	@echo "make faults   every error and power cut at every operation on the disk"
	@echo "make fwupd-plugin  the plugin for fwupd on every modelled driver and firmware, and in a fwupd built from its source (as root)"
	@echo "make mutate   small faults in the sources, MUTANTS=$(MUTANTS) of each package or 'all', that tests have to notice"
	@echo "make monitor  build the EL3 monitor for QEMU; needs Debian's gcc-aarch64-linux-gnu"
	@echo "make collection  build the collection for Ansible, dist/livefw-fleet-VERSION.tar.gz"
	@echo "make cockpit  build the page for Cockpit, build/cockpit; needs Node.js and npm"
	@echo "make completions  write what bash, zsh and fish complete anew, after a change of commands or options"
	@echo "make lint     ruff, mypy and the import contract only"
	@echo "make format   let ruff rewrite the sources"
	@echo "make install  the command, the daemon, units, manuals, completions; DESTDIR=, PREFIX=$(PREFIX); make uninstall removes them"
	@echo "make clean    remove the virtual environment and everything built"
	@echo "PYTHON=python3.12 chooses the interpreter for a new .venv, JOBS=2 the number of test processes."

demo: $(VENV)/run.stamp
	@$(BIN)/livefw demo $(ARGS)

# One process more than CPUs: a third of the time of a test it waits, for a disk, a program or a virtual machine.
test: PROCESSES = $(if $(filter auto,$(JOBS)),$(shell echo $$(($$(nproc) + 1))),$(JOBS))
test: $(VENV)/test.stamp $(VENV)/docs.stamp packages
	@$(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal $(ARGS)

coverage: $(VENV)/test.stamp $(VENV)/docs.stamp packages
	@$(BIN)/python -m tests.coverage $(JOBS) $(ARGS)

bench: $(VENV)/test.stamp packages
	@$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/docs.stamp
	@$(BIN)/python docs/_site/build.py

docs-update: $(VENV)/test.stamp packages
	@$(BIN)/python -m tests.docs $(ARGS)

fuzz: $(VENV)/fuzz.stamp
	@$(BIN)/python -m tests.fuzz run --minutes $(FUZZ_MINUTES) --jobs $(JOBS) $(ARGS)

properties: $(VENV)/test.stamp
	@$(BIN)/python -m pytest -n $(JOBS) -m hypothesis --hypothesis-profile=properties --timeout=1800 $(ARGS)

soak: $(VENV)/test.stamp packages
	@scripts/soak.sh $(BIN)/python $(MINUTES) $(JOBS) $(ARGS)

faults: $(VENV)/test.stamp
	@LIVEFW_FAULTS=all $(BIN)/python -m pytest -n $(JOBS) -o faulthandler_timeout=0 tests/faults $(ARGS)

fwupd-plugin: $(VENV)/test.stamp packages
	@LIVEFW_FWUPD_PLUGIN=1 $(BIN)/python -m pytest -n $(JOBS) tests/fwupd_plugin $(ARGS)
	@cache=$${LIVEFW_TEST_CACHE:-$$HOME/.cache/livefw}; contrib/fwupd/own-build.sh $$cache/chroot $$cache/fwupd/source build/fwupd-plugin

mutate: $(VENV)/test.stamp packages
	@nice $(BIN)/python -m tests.mutate --mutants=$(MUTANTS) --workers=$(JOBS) $(ARGS)

# Into the package, where the command looks for it and a wheel takes it along with its source; nothing else needs the
# compiler.
monitor:
	@$(MAKE) --silent -C monitor OUT=$(CURDIR)/build/monitor
	@mkdir -p src/livefw/machine/qemu/firmware/source
	@cp monitor/* src/livefw/machine/qemu/firmware/source/
	@cp build/monitor/monitor.bin build/monitor/guest.bin src/livefw/machine/qemu/firmware/

collection: $(VENV)/run.stamp
	@VENV=$(VENV) scripts/setup.sh collection dist

# What is in build/cockpit is installed as /usr/share/cockpit/livefw; packaging/build-cockpit-deb.sh makes a package of it.
cockpit:
	@scripts/cockpit.sh build/cockpit

completions: $(VENV)/test.stamp
	@$(BIN)/python -B packaging/completions.py

lint: $(VENV)/test.stamp
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/test.stamp
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# With nothing but an interpreter: no virtual environment, no network.
install:
	@$(INSTALLER)

uninstall:
	@$(INSTALLER)

clean:
	rm -rf $(VENV) build dist src/livefw/machine/qemu/firmware cockpit/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

packages: $(VENV)/run.stamp
	@VENV=$(VENV) scripts/setup.sh packages

$(VENV)/run.stamp: pyproject.toml scripts/setup.sh requirements/run.txt requirements/build.txt requirements/crypto.txt
	@VENV=$(VENV) scripts/setup.sh run $(PYTHON)

$(VENV)/test.stamp: $(VENV)/run.stamp requirements/test.txt requirements/peers.txt
	@VENV=$(VENV) scripts/setup.sh test

$(VENV)/docs.stamp: $(VENV)/run.stamp requirements/docs.txt
	@scripts/setup.sh docs

$(VENV)/fuzz.stamp: $(VENV)/test.stamp requirements/fuzz.txt
	@VENV=$(VENV) scripts/setup.sh fuzz
