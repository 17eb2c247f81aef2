# Waybill. `make help` lists what there is to make.
PYTHON ?= python3
PORT ?= 4566
# One more than the cores of CI: flows on the embedded AWS wait for half of their time.
TEST_WORKERS ?= 3
VENV := .venv
SAM := .venv-sam
PEERS := .venv-peers
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# --no-deps: the lock files are complete, so there is nothing to resolve.
PIP_INSTALL := -m pip install --quiet --no-deps --require-hashes
LOCK := ../.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

.DEFAULT_GOAL := help
.PHONY: help setup demo up native console reset test lint openapi screenshots bench bench-large build deploy lock clean

help: ## List these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.local ## Make .venv with what `make up` and the command line client need

demo: $(VENV)/.local ## Import and export a real file on an embedded AWS, and check the result
	@$(BIN)/python -m infra.native --if-possible
	@exec $(BIN)/python -m infra.local.demo

up: $(VENV)/.local ## Run the stack on an embedded AWS until Ctrl-C; PORT= (4566), state in .waybill/
	@$(BIN)/python -m infra.native --if-possible
	@$(BIN)/python -m infra.local.console || echo "going on without the console" >&2
	@PORT=$(PORT) exec $(BIN)/python -m infra.local.up

native: $(VENV)/.local ## Compile the inner loop of imports, if it has changed (shared/waybill/native/native.c)
	@$(BIN)/python -m infra.native

console: $(VENV)/.local ## Build the web console, if it has changed, into functions/console/static/
	@$(BIN)/python -m infra.local.console

reset: ## Forget the state of `make up` (all ports)
	@rm -rf .waybill/state-* .waybill/stack.json

test: $(VENV)/.dev $(SAM)/.done native ## Run all tests
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev ## Check style, types and the template
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/cfn-lint template.yaml

openapi: $(VENV)/.local ## Write the API's description and reference anew (functions/api/openapi.json, docs.html)
	@PYTHONPATH=functions/api:shared $(BIN)/python -m openapi

screenshots: $(VENV)/.dev ## Take the README's pictures of the console anew (docs/images/)
	@$(BIN)/python -m tests.browser.screenshots

bench: native $(PEERS)/.done ## Run the benchmarks against their peers (at most 12 minutes)
	@exec $(BIN)/python -m tests.bench.run

bench-large: native ## Import and export a million rows on the embedded AWS, and 2 GB in little memory
	@exec $(BIN)/python -m tests.bench.large

build: $(SAM)/.done console ## Build console, functions and layer for AWS into .aws-sam/
	@PATH="$(CURDIR)/$(SAM)/bin:$$PATH" sam build

deploy: build ## Deploy to an AWS account (sam asks what it needs to know)
	@PATH="$(CURDIR)/$(SAM)/bin:$$PATH" sam deploy --guided

lock: ## Write requirements/*.txt anew from requirements/*.in
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv; }
	@cd requirements && $(LOCK) dev.in -o dev.txt
	@cd requirements && $(LOCK) -c dev.txt local.in -o local.txt
	@cd requirements && $(LOCK) -c dev.txt layer.in -o layer.txt
	@cd requirements && $(LOCK) -c dev.txt peers.in -o peers.txt
	@cd requirements && $(LOCK) sam.in -o sam.txt
	@cd requirements && $(LOCK) console.in -o console.txt
	@cd requirements && $(LOCK) zig.in -o zig.txt
	@sed -i '/^    #   -c dev.txt$$/d' requirements/local.txt requirements/layer.txt requirements/peers.txt

clean: ## Remove everything made, except the state of `make up`
	@rm -rf $(VENV) $(SAM) $(PEERS) shared/waybill/native/native.lib .venv-lock .venv-node .venv-zig console/node_modules functions/console/static .aws-sam build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: one holds as long as its lock file stays the same.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Waybill needs Python 3.11 or newer (PYTHON=…)" >&2; exit 1; }
	@echo "making $(VENV) (once; takes about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.local: requirements/local.txt pyproject.toml | $(VENV)/.python
	@$(BIN)/python $(PIP_INSTALL) -r requirements/local.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.local
	@$(BIN)/python $(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

$(SAM)/.done: requirements/sam.txt
	@$(PYTHON) -m venv $(SAM)
	@$(SAM)/bin/python $(PIP_INSTALL) -r requirements/sam.txt
	@touch $@

$(PEERS)/.done: requirements/peers.txt
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python $(PIP_INSTALL) -r requirements/peers.txt
	@touch $@
