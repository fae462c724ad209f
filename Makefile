# `make` alone lists the targets. PYTHON chooses the interpreter (3.11 or 3.12), TORCH_INDEX_URL the torch build,
# KIT a folder of `make offline-kit`, which everything is then installed from.
# Works with GNU make 3.81 and the bash 3.2 of macOS. A stamp per environment: a second run installs nothing.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PY := .venv/bin/python
NOTEBOOKS := .venv/.ready
LAB := .envs/lab/.ready
TGI_LIBRARIES := .envs/tgi-libraries/.ready
SLIDES := .envs/slides/.ready
BROWSER := .envs/browser/.ready
# A notebook's kernel, or a process of a test run, beside one other that computes: half of the cores each. Where
# trainings start, their processes share the cores (src/processes/cores.py).
CORES := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 1)
# Tests wait for servers and answers for a fifth of their time. A third process computes meanwhile where there is
# room for it: each takes 1.2 GB beside what it starts, and 8 GB have to do.
TEST_PROCESSES := $(shell awk '/^MemTotal/ && $$2 > 11e6 {n = 1} END {print 2 + n}' /proc/meminfo 2>/dev/null || echo 2)
export OMP_NUM_THREADS ?= $(shell echo $$((($(CORES) + 1) / 2)))
# What is too long for every `make test`; CI runs it after that. In `make test` these notebooks run in both modes.
WALKS := $(wildcard notebook/03-llmops/0[1-9]*.ipynb) tests/notebooks/test_run_all_twice.py
TRAINED := $(wildcard notebook/01-*/01-*.ipynb notebook/01-*/03-SageMaker-Training.ipynb)
PYTEST = $(PY) -m pytest --dist loadfile --no-loadscope-reorder --nbmake --nbmake-timeout=5400
# Set on many machines with containers: every process would compile anew what uv installed (pandas, datasets,
# the SageMaker SDK), 1.1 of 5.0 s of a training process's imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help sample doctor test test-walks images test-containers test-browser lab slides check format figures tables pictures screenshots base bench upto offline-kit cost cleanup stop clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sample: $(NOTEBOOKS) ## run tracks 01 and 02 on this machine (no account, no GPU), one HTML report; TRACK=03, TRACK=all
	WORKSHOP_MODE=sample $(PY) -m workshop.notebooks.run $(if $(TRACK),--tracks $(TRACK))

doctor: $(NOTEBOOKS) ## look at what a mode needs before it costs, changing nothing; MODE=debug for another mode
	$(if $(MODE),WORKSHOP_MODE=$(MODE)) $(PY) -m workshop.account.doctor

test: $(NOTEBOOKS) $(TGI_LIBRARIES) $(SLIDES) ## run the tests and every notebook, in temporary homes
	CONTAINER_TESTS=0 BROWSER_TESTS=0 $(PYTEST) -n $(TEST_PROCESSES) $(WALKS:%=--ignore=%) tests notebook

test-walks: $(NOTEBOOKS) ## run track 03's notebooks in kernels, and all of them again wherever a kernel died
	$(PYTEST) -n 2 $(TRAINED) $(WALKS)

images: $(NOTEBOOKS) ## build the images for a Docker engine without a GPU, if their files changed; BASE_IMAGE=NAME
	$(PY) -m workshop.containers.build

test-containers: $(NOTEBOOKS) ## run the tests in real containers, after `make images`; they say what is missing
	$(PY) -m pytest tests/containers

test-browser: $(NOTEBOOKS) $(LAB) $(SLIDES) $(BROWSER) ## run notebooks in JupyterLab in a real browser, with pictures
	$(PY) -m pytest tests/browser

# JupyterLab reads custom.css from Jupyter's configuration, so KOREAN_ONLY brings one of its own.
lab: $(NOTEBOOKS) $(LAB) ## open the notebooks in JupyterLab; KOREAN_ONLY=1 hides the English below each Korean text
	$(if $(KOREAN_ONLY),mkdir -p .envs/lab/korean-only/custom && cp setup/korean-only.css .envs/lab/korean-only/custom/custom.css)
	$(if $(KOREAN_ONLY),JUPYTER_CONFIG_DIR="$(CURDIR)/.envs/lab/korean-only") .envs/lab/bin/jupyter lab --notebook-dir=. --LabApp.default_url=/lab/tree/notebook $(if $(KOREAN_ONLY),--custom-css)

slides: $(NOTEBOOKS) $(SLIDES) ## make a deck of every executed notebook, with speaker notes; N=04, TRACK=02 run it if need be
	WORKSHOP_MODE=sample $(PY) -m workshop.slides $(if $(N),"$(N)") $(if $(TRACK),--track "$(TRACK)")

check: $(NOTEBOOKS) ## look for style errors and notebook outputs, without running anything
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) tests/notebooks/notebook_lint.py

format: $(NOTEBOOKS) ## put code into the house style and strip notebook outputs
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	find notebook -name '*.ipynb' -exec $(PY) -m nbstripout --keep-id {} +

figures: $(NOTEBOOKS) ## measure every notebook on this machine for notebook/measured.yaml, then make tables
	$(PY) -m workshop.figures

tables: $(NOTEBOOKS) ## write the figures of notebook/measured.yaml, and what the modes take, into the texts
	$(PY) -m workshop.figures --write

pictures: $(NOTEBOOKS) ## draw the concept pictures of img/ again, byte for byte the same
	$(PY) -m workshop.pictures

screenshots: $(NOTEBOOKS) ## draw the READMEs' pictures of a run, from what `make sample` left; needs chromium
	WORKSHOP_MODE=sample $(PY) -m workshop.notebooks.screenshots

base: $(NOTEBOOKS) ## rebuild the small base model in src/sample/base/model (30 to 60 minutes)
	$(PY) -m sample.base

bench: $(NOTEBOOKS) ## print timings measured on this machine (they are never asserted)
	$(PY) -m pytest -s -o python_files='bench_*.py' tests/benchmarks

upto: $(NOTEBOOKS) ## run what comes before a notebook and is not there yet, so that it opens ready; N=04, TRACK=02
	WORKSHOP_MODE=sample $(PY) -m workshop.notebooks.upto "$(N)" $(if $(TRACK),--track "$(TRACK)")

offline-kit: $(NOTEBOOKS) ## put all that an installation takes into a folder; TO=/path/to/stick, then KIT=... installs
	@mkdir -p .workshop
	$(PY) setup/make_kit.py "$(or $(TO),.workshop)"

cost: $(NOTEBOOKS) ## what of the workshop is alive in your account, since when, and what it has cost; MODE=debug
	$(if $(MODE),WORKSHOP_MODE=$(MODE)) $(PY) -m workshop.account.spending

cleanup: $(NOTEBOOKS) ## list what the workshop has in your account and its cost; CONFIRM=mine, ... deletes
	$(if $(CONFIRM),WORKSHOP_CLEANUP_CONFIRMED="$(CONFIRM)") $(PY) -m workshop.account.cleanup

stop: ## end the AWS on this machine, with its jobs and endpoints
	@if [ -x $(PY) ]; then $(PY) -m workshop.aws.local --stop; fi

clean: stop ## remove sample mode's results and caches; environments and results of AWS modes stay
	rm -rf "$${WORKSHOP_HOME:-.workshop}"/{sample,figures} .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -not -path './.envs/*' -prune -exec rm -rf {} +

$(NOTEBOOKS): requirements.txt src/train/requirements.txt setup/constraints.txt setup/environment.sh pyproject.toml
	setup/environment.sh notebooks
	@touch $@

$(LAB): $(NOTEBOOKS) setup/lab-requirements.txt setup/lab-overrides.json
	setup/environment.sh lab
	@touch $@

$(TGI_LIBRARIES): $(NOTEBOOKS) setup/tgi-libraries.txt
	setup/environment.sh tgi-libraries
	@touch $@

$(SLIDES): $(NOTEBOOKS) setup/slides.txt
	setup/environment.sh slides
	@touch $@

$(BROWSER): $(NOTEBOOKS) setup/browser.txt
	setup/environment.sh browser
	@touch $@
