#!/usr/bin/env bash
# Run by Snakemake (--software-deployment-method conda) in the new environment: adds this project's commands to it.
set -euo pipefail
python -m pip install --no-deps --editable .
