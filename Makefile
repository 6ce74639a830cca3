# Two commands: `make bench` runs the scenarios on the virtual rig, `make test` runs all tests.
# Both set up what they need on a machine that has make and Python 3.11 or later.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
RIG ?= rigs/virtual.toml
# More options for pytest, such as ARGS="-k will -x".
ARGS ?=
# How long `make fuzz` fuzzes each of its targets, in seconds.
SECONDS_EACH ?= 60

# The tests start some thousand processes of Python. Where none of them may keep its bytecode, each compiles hil, and pytest
# rewrites the tests, anew: that was a third of all processor time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench test rewritten defects defects-uno chips kills check format setup clean benchmarks fuzz

setup: $(READY)

$(READY): pyproject.toml .ci/setup
	bash .ci/setup $(VENV) $(PYTHON)
	touch $@

# Scenarios mostly wait: each worker has a bench, and a virtual board, of its own.
SIDE_BY_SIDE := -n 8 --dist loadgroup

bench: $(READY)
	$(VENV)/bin/python -m pytest tests/scenarios --rig $(RIG) $(SIDE_BY_SIDE) $(ARGS)

# The harness's own tests mostly wait, too: side by side they take a third of the time. Scenarios that take long are for
# `make bench` and `make defects`.
test: $(READY)
	$(MAKE) -j 2 check rewritten
	$(VENV)/bin/python -m pytest tests/harness -n 6 --dist loadfile --no-loadscope-reorder $(ARGS)
	$(VENV)/bin/python -m pytest tests/scenarios $(SIDE_BY_SIDE) -m "not long" $(ARGS)

# pytest keeps the tests that it has rewritten. Where there are none yet, each of several workers would rewrite all of
# them; done once, beside mypy, which takes longer and has one processor to itself, that costs no time.
rewritten: $(READY)
	$(VENV)/bin/python -m pytest tests --collect-only -qq >/dev/null || true

# Every broken firmware against every scenario; see docs/defects.md. ARGS="--only good" runs a part of it.
defects: $(READY)
	$(VENV)/bin/python -m tests.defects.matrix $(ARGS)

# The same for the virtual Uno's sketch; it runs in real time.
defects-uno: $(READY)
	$(VENV)/bin/python -m tests.defects.matrix --firmware uno $(ARGS)

# A virtual board of each chip is flashed, and comes online, at one cold boot after another.
chips: $(READY)
	$(VENV)/bin/python -m pytest tests/scenarios/test_comes_online.py --rig rigs/virtual-chips.toml $(SIDE_BY_SIDE) $(ARGS)

# 200 runs are killed at random moments, each followed by the next at once; see docs/guardian.md. ARGS="--kills 20".
kills: $(READY)
	$(VENV)/bin/python -m tests.kills $(ARGS)

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

benchmarks: $(READY)
	$(VENV)/bin/python benchmarks/console.py
	$(VENV)/bin/python benchmarks/startup.py
	$(VENV)/bin/python benchmarks/gateway.py
	$(VENV)/bin/python benchmarks/robustness.py
	$(VENV)/bin/python benchmarks/mqtt_codec.py
	$(VENV)/bin/python benchmarks/provisioning.py
	$(VENV)/bin/python benchmarks/parallel.py
	$(VENV)/bin/python benchmarks/report.py
	$(VENV)/bin/python benchmarks/trials.py
	$(VENV)/bin/python benchmarks/history.py

fuzz: $(READY)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	set -e; for target in mqtt hello sntp loader flash nvs spiffs littlefs secure-cert pem; do \
		$(VENV)/bin/python tests/fuzz/fuzz.py $$target --seconds $(SECONDS_EACH); done

clean:
	rm -rf $(VENV) build dist artifacts
