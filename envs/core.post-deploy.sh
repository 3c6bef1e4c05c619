#!/usr/bin/env bash
# Snakemake runs a copy of this inside the new environment, in its own working directory: the top of the repository, or
# the folder of results where `myelosynth apply` tells the checkout. The package is installed in place, so that the
# environment follows the checkout.
set -euo pipefail
cd "${MYELOSYNTH_CHECKOUT:-.}"
if [[ ! -f requirements.lock || ! -d src/myelosynth ]]; then
  echo "error: not the top of the repository, $PWD, no requirements.lock and src/myelosynth, start snakemake there" >&2
  exit 1
fi
python -m pip install --quiet --disable-pip-version-check -r requirements.lock
python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
