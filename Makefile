# `make help` lists what there is. The first target that needs Python sets it up in .venv.

PYTHON ?= python3.13
VENV := .venv
BIN := $(VENV)/bin
CODE := functions invariants jobs simulation artifact local demo crash stress redrive lessons console bench tests

PY := $(BIN)/python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# A word for the shell, whatever is in it: file names have blanks, quotes and dollars.
quoted = '$(subst ','\'',$(value $(1)))'

# Where somebody keeps the profiles of their accounts.
PROFILES := $(foreach file,AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE,$(if $(value $(file)),$(file)=$(call quoted,$(file))))

# What somebody has set for other Pythons, for pip elsewhere or for an account of theirs is not for ours: without asserts
# nothing would be proved, packages would land in another place, and no command in here talks to AWS. Only where packages
# come from is theirs to say.
PIP_SOURCES := CONFIG_FILE INDEX_URL EXTRA_INDEX_URL NO_INDEX FIND_LINKS CERT CLIENT_CERT PROXY TRUSTED_HOST \
	KEYRING_PROVIDER CACHE_DIR DEFAULT_TIMEOUT TIMEOUT RETRIES
UV_SOURCES := INDEX DEFAULT_INDEX INDEX_URL EXTRA_INDEX_URL FIND_LINKS OFFLINE INSECURE_HOST SYSTEM_CERTS \
	KEYRING_PROVIDER CACHE_DIR HTTP_TIMEOUT HTTP_RETRIES
unexport $(filter AWS_% BOTO_% SAM_% PYTHON% PYTEST% RUFF_% MYPY% VIRTUAL_ENV,$(.VARIABLES))
unexport $(filter-out $(addprefix PIP_,$(PIP_SOURCES)),$(filter PIP_%,$(.VARIABLES)))
unexport $(filter-out $(addprefix UV_,$(UV_SOURCES)),$(filter UV_%,$(.VARIABLES)))
export PYTHONUTF8 := 1
export AWS_CONFIG_FILE := /dev/null
export AWS_SHARED_CREDENTIALS_FILE := /dev/null
export SAM_CLI_TELEMETRY := 0

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ── The embedded stack ──────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: run up down console order books logs burst outage redrive
run: $(VENV)/ready ## Run orders through a stack of its own and check that all adds up [ORDERS=200] [WORKFLOW=EXPRESS]
	@$(PY) -m demo run --orders $(or $(ORDERS),0) --workflow $(or $(WORKFLOW),STANDARD)

up: $(VENV)/ready ## Start the pipeline, the stacks beside it and the console, and leave them running [STACKS="a b", or none: STACKS=] [BIND=172.17.0.1] [WORKFLOW=EXPRESS]
	@$(PY) -m local up --tables demo/catalogue.json $(if $(filter command,$(origin STACKS)),--stacks=$(call quoted,STACKS)) --bind $(or $(BIND),127.0.0.1) --workflow $(or $(WORKFLOW),STANDARD)

down: $(VENV)/ready ## Stop the stack that `make up` started
	@$(PY) -m local down

console: $(VENV)/ready ## Show the running stack, or one on AWS, as a page; on AWS it only looks [PROFILE=name STACK=orders] [WRITE=yes] [PORT=8080]
	@env -u AWS_CONFIG_FILE -u AWS_SHARED_CREDENTIALS_FILE $(PROFILES) $(PY) -m console$(if $(value PROFILE), --profile=$(call quoted,PROFILE))$(if $(filter command,$(origin STACK)), --stack=$(call quoted,STACK))$(if $(filter yes,$(WRITE)), --write)$(if $(PORT), --port $(PORT))

order: $(VENV)/ready ## Place an order on the running stack and follow it, through its delivery and return if you say how far: FILE=demo/two-parcels.json [UNTIL=ARCHIVED]
	@$(if $(value FILE),,$(error Say which order: make order FILE=events/order.json))$(PY) -m demo order$(if $(value UNTIL), --until=$(call quoted,UNTIL)) -- $(call quoted,FILE)

# 3 says that something does not agree.
books: $(VENV)/ready ## Close a day's books on the running stack, or on one of its own after a day's trade [DAY=2026-11-25] [REPAIR=yes] [ORDERS=60]
	@$(PY) -m demo books $(if $(value DAY),--day=$(call quoted,DAY)) $(if $(value REPAIR),--repair=$(call quoted,REPAIR)) $(if $(value ORDERS),--orders=$(call quoted,ORDERS))

logs: $(VENV)/ready ## Show the functions' logs on the running stack [FUNCTION=payment]
	@$(PY) -m local logs --function=$(call quoted,FUNCTION) || [ $$? -eq 141 ]

burst: $(VENV)/ready ## Put many orders at once into the running stack, or into one of its own, and wait for the last [ORDERS=1000] [CONCURRENCY=8]
	@$(PY) -m stress burst --orders $(or $(ORDERS),1000) $(if $(CONCURRENCY),--concurrency $(CONCURRENCY))

outage: $(VENV)/ready ## Take a function away for minutes, place orders meanwhile, and see all of them confirmed afterwards: SERVICE=payment [MINUTES=3] [ORDERS=20]
	@$(if $(value SERVICE),,$(error Say which function: make outage SERVICE=payment))$(PY) -m stress outage --service=$(call quoted,SERVICE) --minutes $(or $(MINUTES),3) --orders $(or $(ORDERS),20)

# Of a stack on AWS: .venv/bin/python -m redrive --stack orders
redrive: $(VENV)/ready ## Move what could not be delivered back: dead letters and stream failures [QUEUE=dead-letters] [DRY_RUN=1] [LIMIT=1000]
	@$(PY) -m redrive $(if $(value QUEUE),--queue=$(call quoted,QUEUE)) $(if $(DRY_RUN),--dry-run) $(if $(LIMIT),--limit $(LIMIT))

# ── Tests ───────────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: test lint types style test-unit test-simulation test-stack
test: lint test-unit test-simulation test-stack ## Check style and types, and run every test but what is exhaustive

lint: $(VENV)/ready ## Check style, types, imports and the templates
	@$(MAKE) -j 2 types style

types: $(VENV)/ready
	@$(PY) -m mypy $(CODE)

style: $(VENV)/ready
	@$(PY) -m ruff check $(CODE)
	@$(PY) -m ruff format --check $(CODE)
	@$(PY) -m tests.arrows
	@$(PY) $(BIN)/cfn-lint template.yaml $(wildcard stacks/*.yaml) && echo "The templates are fine."

# Without what is exhaustive (tests/exhaustive.py): `make prove` runs that.
# The unit tests leave a record of what each function asks of AWS; the template tests hold the roles against it.
# What a file's tests share is made once where one worker has all of them.
TESTS = $(sort $(dir $(wildcard tests/*/test_*.py)))
# Every folder that no other target runs.
OTHER_TESTS = $(filter-out $(addprefix tests/,unit/ simulation/ lessons/ bench/ e2e/),$(TESTS))
test-unit: $(VENV)/ready $(VENV)-policy/ready ## Run the tests of handlers, local stack, workflow, template and documents
	@$(PY) -m pytest -q -n 2 -p tests.recorder tests/unit
	@$(PY) -m pytest -q -n 3 --dist loadfile $(OTHER_TESTS)

# These run their schedules on all cores by themselves.
ON_ALL_CORES := tests/simulation/test_singles.py tests/simulation/test_sample.py
test-simulation: $(VENV)/ready ## Run a sample of the faults and of the mutants, the lessons and the benchmark
	@$(PY) -m pytest -q $(ON_ALL_CORES)
	@$(PY) -m pytest -q -n 2 tests/simulation tests/lessons tests/bench $(addprefix --ignore ,$(ON_ALL_CORES))

# They mostly wait, so there are more workers than cores (tests/e2e/conftest.py).
test-stack: $(VENV)/ready ## Run the end-to-end tests on the embedded stack
	@$(PY) -m pytest -q -n 3 tests/e2e

# ── The simulation ──────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: prove simulate mutants picture pictures crash-test
prove: $(VENV)/ready $(VENV)-policy/ready ## Run what is exhaustive, follow the recipes in a copy, and try every single fault in every scenario and delivery, with nothing inferred if FULL [FULL=yes]
	@$(PY) -m pytest -q -n 2 --dist loadfile -m exhaustive $(filter-out tests/e2e/,$(TESTS))
	@$(PY) -m pytest -q -n 3 -m exhaustive tests/e2e
	@$(PY) -m simulation --prove $(if $(FULL),--full)

simulate: $(VENV)/ready ## Look for a schedule of faults that breaks a promise [SECONDS=60] [SCHEDULES=10000] [SEED=4711]
	@$(PY) -m simulation $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SCHEDULES),--schedules $(SCHEDULES))

mutants: $(VENV)/ready ## Break the pipeline on purpose: the simulation has to notice every mutant
	@$(PY) -m simulation.mutants

crash-test: $(VENV)/ready ## Kill the functions' processes while orders are under way, and check that all adds up [ORDERS=100] [SEED=1]
	@$(PY) -m crash --orders $(or $(ORDERS),100) --seed $(or $(SEED),1)

CHROMIUM ?= chromium

picture: ## Photograph the matrix of the last `make simulate` for the README (needs chromium)
	@command -v $(CHROMIUM) >/dev/null || { echo "This needs a browser: put chromium on the PATH, or say make picture CHROMIUM=/path/to/chrome"; exit 1; }
	@[ -f .local/simulation.html ] || { echo "There is no report yet: make simulate"; exit 1; }
	@profile=$$(mktemp -d) && trap 'rm -rf "$$profile"' EXIT && $(CHROMIUM) --headless --no-sandbox --disable-gpu --disable-quic \
		--no-first-run --disable-background-networking --disable-component-update --disable-sync --user-data-dir="$$profile" \
		--hide-scrollbars --force-device-scale-factor=1.2 --window-size=1200,1965 --screenshot=docs/simulation.png \
		"file://$(CURDIR)/.local/simulation.html" 2>/dev/null
	@echo "docs/simulation.png shows the last run."

pictures: $(VENV)/ready ## Photograph the console of the running stack for the README (needs chromium)
	@$(PY) -m console.pictures

# ── The lessons ─────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: lesson
# 3 says that the broken version survives as well: an exercise that is done.
lesson: $(VENV)/ready ## Show a classic mistake, its damage and its repair; without N, list them [N=3]
	@$(PY) -m lessons $(N) || [ $$? -eq 3 ]

# ── The benchmark ───────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: bench
bench: $(VENV)/ready ## Measure speed and cost beside what people would use instead [ONLY=cold] [ONLY=books ORDERS=50000] [KEEP=1]
	@$(PY) -m bench $(foreach section,$(ONLY),--only $(section)) $(if $(ORDERS),--orders $(ORDERS)) $(if $(KEEP),--keep)

# ── Deploying ───────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: build
# `sam build && sam deploy` works as well; each cold start then compiles what it imports. STACK counts on the command line
# only: the runbook (docs/operations.md) exports a variable of that name.
build: $(VENV)/ready ## Build what `sam deploy` deploys: `sam build`, and bytecode for Lambda's Python [STACK=name] [ARCHITECTURE=arm64]
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PY) -m samcli build $(if $(filter command,$(origin STACK)),--config-env $(call quoted,STACK)) $(if $(ARCHITECTURE),--parameter-overrides Architecture=$(ARCHITECTURE))
	@$(PY) -m artifact .aws-sam/build

.PHONY: image
# Of the two engines, the one that answers.
image: ## Build the image that the books' jobs run in, with docker or podman [IMAGE=books:latest] [PLATFORM=linux/arm64]
	@for engine in docker podman; do if $$engine info >/dev/null 2>&1; then \
		exec $$engine build --file jobs/Dockerfile $(if $(value PLATFORM),--platform $(call quoted,PLATFORM)) --tag $(if $(value IMAGE),$(call quoted,IMAGE),books:latest) .; \
	fi; done; \
	echo "This needs a container engine that runs: start Docker, or install podman. Everything else here does without."; exit 1

# ── Housekeeping ────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: lock clean
lock: $(VENV)/ready ## Resolve the dependencies anew, with hashes
	$(PY) -m local.uv pip compile $(LOCK) requirements-uv.in --output-file requirements-uv.txt
	$(PY) -m local.uv pip compile $(LOCK) requirements-dev.in --output-file requirements-dev.txt
	$(PY) -m local.uv pip compile $(LOCK) functions/requirements.in --constraint requirements-dev.txt --output-file functions/requirements.txt
	$(PY) -m local.uv pip compile $(LOCK) jobs/requirements.in --constraint requirements-dev.txt --output-file jobs/requirements.txt
	$(PY) -m local.uv pip compile $(LOCK) bench/usual/requirements.in --constraint requirements-dev.txt --output-file bench/usual/requirements.txt
	$(PY) -m local.uv pip compile $(LOCK) requirements-policy.in --output-file requirements-policy.txt

LOCK := --quiet --upgrade --generate-hashes --python-version 3.13 --no-header --no-annotate

# Without a Python that works, the emulator is ended by its process group, if it is still ours.
clean: ## Delete everything that was built or installed here
	@$(PY) -m local down 2>/dev/null || { \
		group=$$(sed -n 's/.*"pid": *\([0-9][0-9]*\).*/\1/p' .local/emulator.json 2>/dev/null); \
		if [ -n "$$group" ] && ps -o args= -p "$$group" | grep -q ministack; then kill -- "-$$group"; fi; }
	rm -rf .venv .venv-policy .local .aws-sam .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv of another Python, or one whose Python is gone, is made anew, as one that was not finished.
RUNS_313 := -I -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null
ifneq ($(shell $(PY) $(RUNS_313) && echo yes),yes)
.PHONY: $(VENV)/ready
endif
ifneq ($(shell $(VENV)-policy/bin/python $(RUNS_313) && echo yes),yes)
.PHONY: $(VENV)-policy/ready
endif

# $(call set-up,folder,requirements)
define set-up
	@$(call quoted,PYTHON) $(RUNS_313) || { echo "This needs Python 3.13: put python3.13 on the PATH, or say make PYTHON=/path/to/python3.13"; exit 1; }
	@echo "Installing $(2) into $(1) (once) …"
	@rm -f $(1)/ready
	@$(call quoted,PYTHON) -m venv --clear $(1)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-user $(LOCKED) --requirement requirements-uv.txt
	@$(1)/bin/python -m local.uv pip install --quiet $(LOCKED) --index-strategy unsafe-best-match --requirement $(2)
	@touch $(1)/ready
endef

# With hashes, it is all the same which index has a package.
LOCKED := --no-deps --require-hashes

$(VENV)/ready: requirements-dev.txt requirements-uv.txt
	$(call set-up,$(VENV),$<)

# Checkov pins a boto3 of its own.
$(VENV)-policy/ready: requirements-policy.txt requirements-uv.txt
	$(call set-up,$(VENV)-policy,$<)
