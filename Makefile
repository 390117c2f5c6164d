# Both commands do all their set-up on a fresh machine with python3 (3.11 or newer) and pip.
#   make test     ruff, mypy --strict and pytest
#   make demo     from traces to a trained model, before and after; safe to stop and repeat
#   make demo YES=1   the same without waiting for a person: a machine account reviews

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
DEMO ?= demo

.PHONY: test demo lint types unit clean

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/pytest

demo: $(VENV)/.demo
	@BIN=$(BIN) DEMO=$(DEMO) YES=$(YES) sh ./demo.sh

# Debian ships python3 without ensurepip: where `venv` cannot work, virtualenv does, from a folder of its own.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'python3 3.11 or newer is needed'; exit 1; }
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV) && \
		$(PYTHON) -m pip install --quiet --target $(VENV)-bootstrap virtualenv && \
		PYTHONPATH=$(VENV)-bootstrap $(PYTHON) -m virtualenv --quiet $(VENV); }

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	touch $@

$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[local,train,eval]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-bootstrap $(DEMO) .mypy_cache .ruff_cache .pytest_cache
