# Zhuque: `make` lists what it can do. A fresh clone needs Python 3.11, git and make.

PYTHON ?= python3
VENV := build/venv/bin
ARGS ?=

export ZHUQUE_TOOLCHAIN := $(CURDIR)/build/toolchain/bin
export PATH := $(ZHUQUE_TOOLCHAIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: bench chaos help setup test lint types pytest mutate mutate-sample format demo clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make build/venv and build/toolchain; done at once when they are there
	@$(PYTHON) host/toolchain.py

test: lint types pytest $(if $(ARGS),,mutate-sample) ## Everything that CI runs; ARGS="-k wire" goes to pytest

lint: setup ## Style and likely mistakes
	@$(VENV)/ruff check --quiet --output-format concise .
	@$(VENV)/ruff format --check .

types: setup ## Static types of the host
	@$(VENV)/mypy

pytest: setup ## The tests alone; ARGS="-k wire" goes to pytest
	@$(VENV)/python -m pytest $(if $(ARGS),$(ARGS),--numprocesses $(shell expr $$(nproc) + 1) --dist loadgroup --quiet)

mutate: setup ## Every mutant of the safety modules, some minutes; ARGS="core/judge core/supply" for some modules
	@$(VENV)/python tests/mutation.py $(ARGS)

mutate-sample: setup
	@$(VENV)/python tests/mutation.py --sample 30

format: setup ## Put the sources in form
	@$(VENV)/ruff check --quiet --fix-only .
	@$(VENV)/ruff format .

demo: setup ## Two hours of a garage with thirty sockets, in about a minute
	@$(VENV)/python -m zhuque.sim.demo

chaos: setup ## Thirty points of real firmware under every fault, about five minutes; ARGS="--seed 7 --db postgresql"
	@$(VENV)/python -m tests.chaos $(ARGS)

bench: setup ## The host's budgets, measured; ARGS="--quick" or ARGS=throughput
	@$(VENV)/python -m tests.benchmarks $(ARGS)

clean: ## Remove everything that was made
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis host/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
