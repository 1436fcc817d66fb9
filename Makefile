# `make help` lists what there is. The first target that needs Python sets it up in .venv.

PYTHON ?= python3.13
VENV := .venv
BIN := $(VENV)/bin
CODE := functions lessons local tests bench

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ── The embedded stack ──────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: run up down order logs
run: $(VENV)/ready ## Run orders through a stack of its own and check that all adds up [ORDERS=200] [WORKFLOW=EXPRESS]
	@$(BIN)/python -m local run --orders $(or $(ORDERS),0) --workflow $(or $(WORKFLOW),STANDARD)

up: $(VENV)/ready ## Start a stack and leave it running [BIND=172.17.0.1] [WORKFLOW=EXPRESS]
	@$(BIN)/python -m local up --bind $(or $(BIND),127.0.0.1) --workflow $(or $(WORKFLOW),STANDARD)

down: $(VENV)/ready ## Stop the stack that `make up` started
	@$(BIN)/python -m local down

order: $(VENV)/ready ## Place an order on the running stack and follow it: FILE=events/order.json
	@$(BIN)/python -m local order $(or $(FILE),$(error Say which order: make order FILE=events/order.json))

logs: $(VENV)/ready ## Show the functions' logs on the running stack [FUNCTION=payment]
	@$(BIN)/python -m local logs --function "$(FUNCTION)"

# ── Tests ───────────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: test lint test-unit test-simulation test-stack
test: lint test-unit test-simulation test-stack ## Run every check and test

lint: $(VENV)/ready ## Check style, types and the template
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(BIN)/cfn-lint template.yaml && echo "The template is fine."

# The unit tests leave a record of what each function asks of AWS; the template tests hold the roles against it.
test-unit: $(VENV)/ready $(VENV)-policy/ready ## Run the tests of handlers, workflow, template and documents
	@$(BIN)/pytest -q -n 2 -p tests.recorder tests/unit
	@$(BIN)/pytest -q -n 4 --dist worksteal tests/workflow tests/template tests/docs

# The first two run their schedules on all cores by themselves.
EXHAUSTIVE := tests/simulation/test_singles.py tests/simulation/test_sample.py
test-simulation: $(VENV)/ready ## Run every single fault, a sample of several at once, the mutants, the lessons and the benchmark
	@$(BIN)/pytest -q $(EXHAUSTIVE)
	@$(BIN)/pytest -q -n 2 tests/simulation tests/lessons tests/bench $(addprefix --ignore ,$(EXHAUSTIVE))

test-stack: $(VENV)/ready ## Run the end-to-end tests on the embedded stack
	@$(BIN)/pytest -q tests/e2e

# ── The simulation ──────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: simulate mutants picture crash-test
simulate: $(VENV)/ready ## Look for a schedule of faults that breaks a promise [SECONDS=60] [SCHEDULES=10000] [SEED=4711]
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SCHEDULES),--schedules $(SCHEDULES))

mutants: $(VENV)/ready ## Break the pipeline on purpose: the simulation has to notice every mutant
	@$(BIN)/python -m tests.simulation.mutants

crash-test: $(VENV)/ready ## Kill the functions' processes while orders are under way, and check that all adds up [ORDERS=100] [SEED=1]
	@$(BIN)/python -m local crash-test --orders $(or $(ORDERS),100) --seed $(or $(SEED),1)

CHROMIUM ?= chromium

picture: ## Photograph the matrix of the last `make simulate` for the README (needs chromium)
	@command -v $(CHROMIUM) >/dev/null || { echo "This needs a browser: put chromium on the PATH, or say make picture CHROMIUM=/path/to/chrome"; exit 1; }
	@[ -f .local/simulation.html ] || { echo "There is no report yet: make simulate"; exit 1; }
	@profile=$$(mktemp -d) && trap 'rm -rf "$$profile"' EXIT && $(CHROMIUM) --headless --no-sandbox --disable-gpu --disable-quic \
		--no-first-run --disable-background-networking --disable-component-update --disable-sync --user-data-dir="$$profile" \
		--hide-scrollbars --force-device-scale-factor=1.2 --window-size=1130,1484 --screenshot=docs/simulation.png \
		"file://$(CURDIR)/.local/simulation.html" 2>/dev/null
	@echo "docs/simulation.png shows the last run."

# ── The lessons ─────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: lesson
# 3 says that the broken version survives as well: an exercise that is done.
lesson: $(VENV)/ready ## Show a classic mistake, its damage and its repair; without N, list them [N=3]
	@$(BIN)/python -m lessons $(N) || [ $$? -eq 3 ]

# ── The benchmark ───────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: bench
bench: $(VENV)/ready ## Measure speed and cost beside what people would use instead [ONLY=cold] [KEEP=1]
	@$(BIN)/python -m bench $(foreach section,$(ONLY),--only $(section)) $(if $(KEEP),--keep)

# ── Deploying ───────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: build
# `sam build && sam deploy` works as well; each cold start then compiles what it imports.
build: $(VENV)/ready ## Build what `sam deploy` deploys: `sam build`, and bytecode for Lambda's Python [ARCHITECTURE=arm64]
	@PATH="$(CURDIR)/$(BIN):$$PATH" sam build $(if $(ARCHITECTURE),--parameter-overrides Architecture=$(ARCHITECTURE))
	@$(BIN)/python -m local.bytecode .aws-sam/build

# ── Housekeeping ────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: lock clean
lock: $(VENV)/ready ## Resolve the dependencies anew, with hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile $(LOCK) requirements-dev.in --output-file requirements-dev.txt
	$(BIN)/uv pip compile $(LOCK) functions/requirements.in --constraint requirements-dev.txt --output-file functions/requirements.txt
	$(BIN)/uv pip compile $(LOCK) bench/usual/requirements.in --constraint requirements-dev.txt --output-file bench/usual/requirements.txt
	$(BIN)/uv pip compile $(LOCK) requirements-policy.in --output-file requirements-policy.txt

LOCK := --quiet --upgrade --generate-hashes --python-version 3.13 --no-header --no-annotate

clean: ## Delete everything that was built or installed here
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m local down; fi
	rm -rf .venv .venv-policy .local .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/ready: requirements-dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "This needs Python 3.13: put python3.13 on the PATH, or say make PYTHON=/path/to/python3.13"; exit 1; }
	@echo "Installing what development needs into $(VENV) (once, about a minute) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-dev.txt
	@touch $@

# Checkov pins a boto3 of its own.
$(VENV)-policy/ready: requirements-policy.txt
	@echo "Installing the policy checker into $(VENV)-policy (once) …"
	@$(PYTHON) -m venv $(VENV)-policy
	@$(VENV)-policy/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-policy.txt
	@touch $@
