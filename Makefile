# Two commands: `make demo` runs the whole line on a simulated cohort, `make test` passes the tests.
PYTHON ?= python3
# nproc counts the threads of OpenMP where they are set.
CORES ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 2)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# One thread a job; Snakemake fills the cores.
export OMP_NUM_THREADS ?= 1
export ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install lock demo test test-slurm test-kills check bench schema vendor clean clean-results

help:
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile

# The lock holds exact pins for Python 3.11; another Python takes the ranges of pyproject.toml.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	@if .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
	  echo "installing the pins of requirements.lock" && \
	  .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.lock && \
	  .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	else \
	  echo "requirements.lock is for Python 3.11: installing the ranges of pyproject.toml instead" && \
	  .venv/bin/pip install --quiet --disable-pip-version-check -e '.[dev]' ; \
	fi
	@touch .venv/installed

install: .venv/installed ## the environment in .venv, pinned by requirements.lock

# Keeps every pin that still fits pyproject.toml; delete requirements.lock first to renew them all. Torch: pyproject.toml.
lock: ## pin what pyproject.toml asks for in requirements.lock; keeps the pins that fit
	UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --extra dev --python-version 3.11 --python-platform linux \
	  --no-annotate --output-file requirements.lock pyproject.toml

demo: install ## simulate a cohort, run the workflow, print the indices and the path of the report
	snakemake --profile profiles/local --cores $(CORES)
	myelosynth report index results --system residual-context

test: install ## the tests, a tiny end-to-end run among them, by folders side by side
	pytest -m "not slurm" --numprocesses $(CORES) --maxprocesses 8 --no-loadscope-reorder

# One after the other, without pytest-xdist: the cluster fills the cores.
test-slurm: install ## the workflow on a real Slurm that is started on this machine (root), minutes
	MYELOSYNTH_TEST_SLURM=1 pytest tests/slurm -m slurm --durations=0

# An hour on two idle cores, half of it for the study that is left alone; goes on where it was broken off.
test-kills: install ## SIGKILL in every rule of the tiny study, damaged inputs of every rule
	python benchmarks/kills.py data/simulated/kills
	python benchmarks/damage.py data/simulated/kills

check: install ## style, types, workflow, dependencies
	ruff check src tests benchmarks
	ruff format --check src tests benchmarks
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint
	for script in .ci/run envs/*.post-deploy.sh; do bash -n $$script || exit 1; done
	hadolint Dockerfile
	python .ci/audit_dependencies.py

bench: install ## own engines beside their peers, as ratios in one run
	python benchmarks/registration.py
	python benchmarks/kinetics.py
	python benchmarks/lesion_filling.py
	python benchmarks/distortion.py
	python benchmarks/brain_extraction.py
	python benchmarks/tissue.py
	python benchmarks/attention.py
	python benchmarks/prediction.py
	python benchmarks/training.py
	python benchmarks/no_change.py data/simulated/no-change

schema: install ## export the JSON Schema of the configuration
	myelosynth schema workflow/schemas/config.schema.json

# Pinned by their sha256 in tests/reports/test_viewer.py and tests/browser/conftest.py. A new release of NiiVue: look into
# dist/metafile-esm.json whether its bundle contains what src/myelosynth/reports/vendor/LICENSES.txt names
# (NOTICE.txt beside it says where each text comes from).
vendor: ## fetch the libraries of the viewer and of its tests again, with npm
	folder=$$(mktemp -d) && cd $$folder && npm pack --silent @niivue/niivue@0.69.0 axe-core@4.14.1 && cd $(CURDIR) && \
	tar -xzOf $$folder/niivue-niivue-0.69.0.tgz package/dist/niivue.umd.js | gzip -9n > src/myelosynth/reports/vendor/niivue.umd.js.gz && \
	tar -xzOf $$folder/axe-core-4.14.1.tgz package/axe.min.js | gzip -9n > tests/browser/vendor/axe.min.js.gz && \
	rm -r $$folder

clean: ## remove the environment and the simulated data; results stay
	rm -rf .venv data/simulated

clean-results: ## remove results and what Snakemake knows of them: a new run starts from the raw data
	rm -rf results .snakemake
