# Each target does all of its own set-up: a virtual environment in .venv, the package with the
# tested versions, the data. Nothing needs root or an activated environment.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: reproduce quick test reference clean

reproduce: .venv/installed  ## every row, five seeds, then the table (hours on two cores; resumes)
	$(BIN)/fmbench run --all

quick: .venv/installed  ## every row on a small part of the data (minutes)
	$(BIN)/fmbench run --all --quick

test: .venv/installed-dev  ## style, types and tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

reference: .venv/installed  ## all that is made of the committed records: tables, figures, page, README
	$(BIN)/fmbench table --write --results results/reference > /dev/null
	$(BIN)/fmbench forensics lenet5 --results results/reference > /dev/null
	$(BIN)/fmbench table --suite xiao2017 --write --results results/reference > /dev/null
	$(BIN)/fmbench figures --results results/reference
	$(BIN)/fmbench report --results results/reference
	$(BIN)/python -m fmbench.report.readme

clean:
	rm -rf .venv dist

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fmbench needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fast]'
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fast,dev]'
	touch $@
