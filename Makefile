# Needs Python 3.11 or newer and make; everything else is installed into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORK ?= .work/training
TORCH := 2.13.0
# With glibc's malloc, training on the CPU spends most of its time in page faults. Debian's package is libjemalloc2.
JEMALLOC := $(firstword $(wildcard /usr/lib/*/libjemalloc.so.2))
# The targets start many processes: without byte code each would compile the project again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint audit format bench bench-api bench-growth bench-million capacity faults fuzz schemathesis compose-test model lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(STAMP) ## make .venv with the locked dependencies

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Shrutlekh needs Python 3.11 or newer.")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup ## start everything, transcribe samples/, show text and pictures, stop
	$(BIN)/python -m ops.demo

test: setup ## all tests, on real Redis, SQLite and Postgres that start by themselves (ARGS="tests/api -n0")
	$(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder --durations 20 $(ARGS)

lint: setup ## ruff, mypy and the audit of the dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python deploy/audit.py

audit: setup ## hashes, licences and known vulnerabilities of all locked dependencies
	$(BIN)/python deploy/audit.py $(ARGS)

format: setup ## format the code with ruff
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## CPU of the whole system against a bare ONNX Runtime loop; a recording of 3 hours (PEERS=1: against peers; ARGS=--quick)
ifdef PEERS
	$(BIN)/python -m benchmarks.peers $(ARGS)
else
	$(BIN)/python -m benchmarks.overhead $(ARGS)
	$(BIN)/python -m benchmarks.long $(filter --quick,$(ARGS))
endif

bench-api: setup ## submits and polls a second on Postgres while two workers are saturated; memory with 1,000 listeners
	$(BIN)/python -m benchmarks.api $(ARGS)

bench-growth: setup ## cost of jobs, polls and memory with up to 10,000 queued and 1,000,000 finished jobs (ARGS=--help)
	$(BIN)/python -m benchmarks.growth $(ARGS)

bench-million: setup ## what the service asks of Postgres with 1,000,000 jobs: times, plans, retention, migrations (ARGS=--quick)
	$(BIN)/python -m benchmarks.million $(ARGS)

capacity: setup ## the service beside a simulation of its queue, and the capacity plan (ARGS=--help, ARGS="measure --quick")
	$(BIN)/python -m benchmarks.capacity $(or $(ARGS),measure)

faults: setup ## kill, freeze, flush and fill in the middle of 200 jobs (SEED=7, SHORT=1, ARGS=--help)
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(SHORT),--short) $(ARGS)

schemathesis: setup ## requests that the OpenAPI document allows and forbids, to every route (EXAMPLES=200 SEED=7)
	EXAMPLES=$(or $(EXAMPLES),100) SEED=$(SEED) $(BIN)/python -m pytest -n0 tests/api/test_schemathesis.py $(ARGS)

compose-test: setup ## build and run the compose stack, crash, upgrade, back up and restore it (needs Docker)
	$(BIN)/python -m tests.compose $(ARGS)

fuzz: setup ## 2,000 mutated and hostile media files through a real worker (SEED=7, ARGS="--count 500 --short")
	$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(ARGS)

model: setup ## train the default model; continues where it stopped (needs espeak-ng, npm, the corpora; preferably a GPU)
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install torch==$(TORCH)
	LD_PRELOAD=$(JEMALLOC) $(BIN)/python -m training all --work $(WORK) $(ARGS)

lock: ## resolve the dependencies again (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --quiet --upgrade --output-file requirements.lock
	for image in api worker worker-whisper; do uv pip compile deploy/$$image.in --constraint requirements.lock --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --quiet --output-file deploy/$$image.lock; done
	uv pip compile deploy/worker-gpu.in --constraint requirements.lock --override deploy/worker-gpu.override --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --quiet --output-file deploy/worker-gpu.lock

clean: ## remove everything that the other targets made
	rm -rf $(VENV) .demo .work .mypy_cache .pytest_cache .ruff_cache .schemathesis
