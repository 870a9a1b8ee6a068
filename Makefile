# Every target installs what it needs into .venv: the package with the tested versions, and the data
# when a model is measured. Nothing needs root or an activated environment.
# The text after "##" is what `make help` prints. The two rows that `run --all` leaves out take many
# hours: `fmbench run eden-full gradient-boosting` measures them.

PYTHON ?= python3
BIN := .venv/bin
REFERENCE := results/reference
GPU_RESULTS := results/gpu
UNTIL_DECIDED := results/until-decided
# Beside a GPU: the Python of .venv if there is one, else the machine's own, which has PyTorch.
GPU_PYTHON ?= $(if $(wildcard .venv/installed),$(BIN)/python,$(PYTHON))
# Files in the order of tests/conftest.py, not those with the most tests first.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install quick reproduce check test reference speed gpu gpu-wheels clean

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

install: .venv/installed  ## install fmbench into .venv; then run .venv/bin/fmbench

quick: .venv/installed  ## measure every row but two on a small part of the data (minutes)
	$(BIN)/fmbench run --all --quick

reproduce: .venv/installed  ## measure every row but two with five seeds and print the table (hours; resumes)
	$(BIN)/fmbench run --all

check: .venv/installed-dev  ## style, types, imports and the fast tests (a minute)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) -m "not slow"

test: .venv/installed-dev  ## all checks and all tests (minutes)
	$(PYTEST)

reference: .venv/installed  ## make the tables in results/ and the README's table again
	$(BIN)/fmbench table --suite xiao2017 --write --results $(REFERENCE) > /dev/null
	$(BIN)/fmbench table --write --results $(REFERENCE) > /dev/null
	$(BIN)/fmbench forensics lenet5 --write --results $(REFERENCE) > /dev/null
	$(BIN)/fmbench figures --results $(REFERENCE)
	$(BIN)/fmbench table --write --results $(GPU_RESULTS) > /dev/null
	$(BIN)/fmbench table --write --results $(UNTIL_DECIDED) > /dev/null
	$(BIN)/python benchmarks/speed/whole_run.py --write > /dev/null
	$(BIN)/fmbench report --results $(REFERENCE) --against $(GPU_RESULTS)
	$(BIN)/python -m fmbench.report.readme

speed: .venv/installed-peers  ## measure the speed beside other libraries, and write its tables (an hour; resumes)
	$(BIN)/python benchmarks/speed/measure_speed.py $(OPTIONS)

gpu:  ## measure everything on an NVIDIA GPU, step by step (minutes; resumes)
	$(GPU_PYTHON) benchmarks/gpu/measure.py $(OPTIONS)

gpu-wheels: .venv/installed  ## fetch packages and data for a GPU machine without a network
	$(BIN)/python benchmarks/gpu/fetch.py $(OPTIONS)

clean:  ## remove .venv, .gpu and dist
	rm -rf .venv .gpu dist

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fmbench needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fast]'
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fast,dev]'
	touch $@

.venv/installed-peers: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fast,peers]'
	touch $@
