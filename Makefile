# Waybill. `make help` lists the targets.
PYTHON ?= python3
PORT ?= 4566
# One more than CI has cores, because flows on the embedded AWS spend half of their time waiting.
TEST_WORKERS ?= 3
# Of the names of secrets: the name of the stack and a slash, or its parameter SecretPrefix.
PREFIX ?= waybill/
VENV := .venv
SAM := .venv-sam
PEERS := .venv-peers
MUTMUT := .venv-mutmut
CHECKOV := .venv-checkov
FUZZ := .venv-fuzz
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# --no-deps: the lock files are complete, so pip has nothing to resolve.
PIP_INSTALL := -m pip install --quiet --no-deps --require-hashes
LOCK := ../.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

.DEFAULT_GOAL := help
.PHONY: help setup demo up native console docs reset test simulate mutants mutation lint openapi screenshots bench bench-large soak fuzz audit check-secrets doctor redrive build build-cli deploy lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.local ## Create .venv with the waybill command and what `make up` needs

demo: $(VENV)/.local ## Import and export a real file on the embedded AWS, and verify the result
	@$(BIN)/python -m infra.native --if-possible
	@exec $(BIN)/python -m infra.local.demo

up: .port-is-free $(VENV)/.local ## Run the stack with the console on the embedded AWS until Ctrl-C (PORT=4566; DATA=none)
	@$(BIN)/python -m infra.native --if-possible
	@$(BIN)/python -m infra.local.console || echo "continuing without the console" >&2
	@$(BIN)/python -m infra.local.docs || echo "continuing without the documentation" >&2
	@PORT=$(PORT) exec $(BIN)/python -m infra.local.up

native: $(VENV)/.local ## Compile the inner loop of imports if it has changed (shared/waybill/native/*.c)
	@$(BIN)/python -m infra.native

console: $(VENV)/.local ## Build the web console into functions/console/static/ if it has changed
	@$(BIN)/python -m infra.local.console

docs: $(VENV)/.local ## Build the documentation site into functions/console/docs/ if it has changed
	@$(BIN)/python -m infra.local.docs

reset: ## Delete the state of `make up`, for all ports
	@rm -rf .waybill/state-* .waybill/stack*.json

test: $(VENV)/.dev $(SAM)/.done native ## Run all tests
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

simulate: $(VENV)/.dev native ## Run histories in a simulated world (N=10000; SEED= replays one; CELLS=all PAIRS=all)
	@PYTHONHASHSEED=0 exec $(BIN)/python -m tests.simulation.simulate N=$(N) SEED=$(SEED) CELLS=$(CELLS) PAIRS=$(PAIRS)

mutants: $(VENV)/.dev native ## Plant a bug for each safeguard, and see that the suite finds it (half an hour; ONLY=)
	@exec $(BIN)/python -m tests.mutants --only "$(ONLY)"

mutation: $(VENV)/.dev $(MUTMUT)/.done native ## Change code in thousands of small ways, and see what no test notices (half an hour; ONLY=)
	@PYTHONPATH=.:shared:cli exec nice $(BIN)/python -m tests.mutation.run $(MUTMUT)/bin/python ONLY=$(ONLY) LINE=$(LINE)

lint: $(VENV)/.dev $(CHECKOV)/.done ## Check style, types and security of the code, the template and the console
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive shared functions cli infra --exclude "*/node_modules/*"
	@$(BIN)/cfn-lint template.yaml
	@$(CHECKOV)/bin/checkov --config-file infra/checkov.yaml
	@$(BIN)/python -m infra.local.console --lint

openapi: $(VENV)/.local ## Generate the API's description and reference (functions/api/openapi.json, docs.html)
	@PYTHONPATH=functions/api:shared $(BIN)/python -m openapi

screenshots: $(VENV)/.dev ## Take the README's screenshots of the console (docs/images/)
	@$(BIN)/python -m tests.browser.screenshots

bench: native $(VENV)/.dev $(PEERS)/.done ## Run the benchmarks against Waybill's peers (at most 12 minutes)
	@exec $(BIN)/python -m tests.bench.run

bench-large: native ## Import and export a million rows on the embedded AWS, and 2 GB in bounded memory
	@exec $(BIN)/python -m tests.bench.large

soak: native $(VENV)/.dev ## Kill hundreds of step processes on the embedded AWS under mixed load, and count (about 10 minutes)
	@exec $(BIN)/python -m tests.soak

fuzz: $(FUZZ)/.done ## Look for inputs that break the readers or the C library (MINUTES=10; ONLY=; KEEP=1 grows the corpus)
	@PYTHONPATH=.:shared:functions/api exec $(FUZZ)/bin/python -m tests.fuzz.run --minutes "$(or $(MINUTES),10)" $(if $(ONLY),--only $(ONLY)) $(if $(KEEP),--keep)

audit: $(VENV)/.local ## Look for known vulnerabilities of the packages in use, where that data can be reached
	@$(BIN)/python -m infra.audit

check-secrets: $(VENV)/.local ## List the secrets of deliveries that lack host or entities (PREFIX=; your AWS credentials)
	@$(BIN)/python -m infra.check_secrets --prefix "$(PREFIX)"

doctor: $(VENV)/.local ## Check a deployment, and say what to do (STACK=; your AWS credentials)
	@PYTHONPATH=shared exec $(BIN)/python -m infra.doctor --stack "$(or $(STACK),waybill)"

redrive: $(VENV)/.local ## Show the dead letters of a deployment (STACK=; SEND=1 hands them in again, DELETE=1 deletes them)
	@STACK="$(STACK)" SEND="$(SEND)" DELETE="$(DELETE)" exec $(BIN)/python -m infra.dead_letters

build: $(SAM)/.done console docs ## Build the console, documentation, functions and layer for AWS into .aws-sam/
	@PATH="$(CURDIR)/$(SAM)/bin:$$PATH" sam build

build-cli: $(VENV)/.local ## Build the wheel of the waybill command and its library into build/cli/
	@rm -rf build/cli cli/build
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/cli ./cli
	@rm -rf cli/build

# Handed over by the environment as they are: neither make nor a shell reads quotes, spaces and dollars in them. Make
# itself does so with the variables of its command line.
override PARAMETERS := $(value PARAMETERS)
export PARAMETERS

deploy: build $(VENV)/.local ## Deploy to an AWS account, make the first admin (STACK=, PARAMETERS=, ADMIN_EMAIL=, YES=1)
	@exec $(BIN)/python -m infra.deploy

lock: ## Update requirements/*.txt from requirements/*.in
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv; }
	@cd requirements && $(LOCK) dev.in -o dev.txt
	@cd requirements && $(LOCK) -c dev.txt local.in -o local.txt
	@cd requirements && $(LOCK) -c dev.txt layer.in -o layer.txt
	@cd requirements && $(LOCK) -c dev.txt parquet.in -o parquet.txt
	@cd requirements && $(LOCK) -c dev.txt encryption.in -o encryption.txt
	@cd requirements && $(LOCK) -c dev.txt peers.in -o peers.txt
	@cd requirements && $(LOCK) -c dev.txt mutation.in -o mutation.txt
	@cd requirements && $(LOCK) -c dev.txt fuzz.in -o fuzz.txt
	@cd requirements && $(LOCK) sam.in -o sam.txt
	@cd requirements && $(LOCK) checkov.in -o checkov.txt
	@cd requirements && $(LOCK) console.in -o console.txt
	@cd requirements && $(LOCK) docs.in -o docs.txt
	@cd requirements && $(LOCK) zig.in -o zig.txt
	@sed -i '/^    #   -c dev.txt$$/d' requirements/local.txt requirements/layer.txt requirements/parquet.txt requirements/encryption.txt requirements/peers.txt requirements/mutation.txt requirements/fuzz.txt

clean: ## Delete everything that was built or installed, except the state of `make up`
	@rm -rf $(VENV) $(SAM) $(PEERS) $(MUTMUT) $(CHECKOV) $(FUZZ) shared/waybill/native/native.lib .venv-lock .venv-audit .venv-docs .venv-node .venv-zig console/node_modules infra/compiler/node_modules tests/infra/asl-validator/node_modules tests/oidc-provider/node_modules tests/integration/dynalite/node_modules functions/console/static functions/console/docs .aws-sam build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A file that is never made: `make up` tells of a busy port before it builds anything.
.port-is-free:
	@PORT=$(PORT) $(PYTHON) -m infra.local.claim

# Stamp files: an environment is up to date if its stamp is newer than its lock file.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Waybill needs Python 3.11 or newer (PYTHON=…)" >&2; exit 1; }
	@echo "creating $(VENV) (once; takes about a minute)"
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

# --no-compile: checkov uses few of its 100 packages.
$(CHECKOV)/.done: requirements/checkov.txt
	@$(PYTHON) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/python $(PIP_INSTALL) --no-compile -r requirements/checkov.txt
	@touch $@

$(FUZZ)/.done: requirements/fuzz.txt
	@$(PYTHON) -m venv $(FUZZ)
	@$(FUZZ)/bin/python $(PIP_INSTALL) -r requirements/fuzz.txt
	@touch $@

$(MUTMUT)/.done: requirements/mutation.txt
	@$(PYTHON) -m venv $(MUTMUT)
	@$(MUTMUT)/bin/python $(PIP_INSTALL) -r requirements/mutation.txt
	@touch $@
