# Set-up and the most common commands; `make` lists them.
PYTHON ?= python3
BIN := .venv/bin
# Text is UTF-8, whatever the locale.
export PYTHONUTF8 := 1
# Snakemake starts its jobs by lines of the shell, in which such a character ends a path.
SPECIAL := $(shell pwd | grep "[][[:space:]'\"\\$$&;()<>|*?!\`{}\#~]")
ifneq ($(SPECIAL),)
$(error This folder has a blank or a character of the shell in its path, with which jobs \
cannot start: $(SPECIAL). Rename or move the folder, and run make again; nothing is installed)
endif

.DEFAULT_GOAL := help
.PHONY: help run report example quick test check docs bench lock clean

help:
	@sed -n 's/^\([a-z ]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

# The report first: with `strict: true` the second call fails if a fit does.
run report: .venv/run.stamp ## make the environment and whatever is missing of the results, then the report
	$(BIN)/snakemake --omit-from check_verdicts --report results/report.html --report-after-run
	$(BIN)/snakemake
	@echo "Open results/report.html in a browser; the figures are in results/figures/."

example: .venv/run.stamp ## fit a table of invented steels, as one fits one's own, with its report
	cd examples/steel && ../../$(BIN)/snakemake -s ../../Snakefile --report results/report.html --report-after-run
	@echo "Open examples/steel/results/report.html in a browser."

quick: .venv/dev.stamp ## run the unit tests, which start neither Snakemake nor a compiler
	$(BIN)/python -m pytest -n 2 tests/unit

test: .venv/dev.stamp ## make the environment and run all tests
	$(BIN)/python -m pytest -n 2

check: .venv/dev.stamp ## format and lint
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/snakefmt Snakefile workflow
	$(BIN)/snakemake --lint

docs: .venv/dev.stamp ## write the generated parts of the documentation
	$(BIN)/python workflow/document.py

bench: .venv/bench.stamp ## measure the speed beside Pyro, NumPyro and JAX, in more than an hour
	$(BIN)/python benchmarks/bench.py

lock: ## pin the newest versions of all requirements
	envs/lock.sh $(PYTHON)

clean: ## delete the environment, not the results
	rm -rf .venv

.venv/run.stamp: envs/requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
	    f"Python 3.11 or later is needed; $(PYTHON) is {v.major}.{v.minor}. Try: make run PYTHON=python3.12")'
	@echo "Installing the $$(grep -c == $<) packages of $< into .venv:"
	@echo "1.7 GB on disk with the CPU build of torch. On Linux pip takes the build with CUDA by default,"
	@echo "several GB more, unless PIP_EXTRA_INDEX_URL is set as README.md describes."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv/dev.stamp: envs/requirements-dev.lock .venv/run.stamp
	@echo "Installing the $$(grep -c == $<) packages of $< for the tests."
	$(BIN)/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv/bench.stamp: benchmarks/requirements.txt .venv/dev.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
