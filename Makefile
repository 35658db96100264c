# `make` alone prints what there is. Everything is installed in $(VENV); nothing outside this folder changes, but for `make chromium`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all test-fast test-browser test-harnesses test-torchvision test-versions chromium format clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

install: $(VENV)/.installed-dev  ## make $(VENV) with gymqa and everything for development

demo: $(VENV)/.installed  ## the whole road, from video to leaderboard, in runs/demo (make demo ARGS=--quick: a small one, in runs/demo-quick)
	@$(BIN)/gymqa demo $(ARGS)

test: $(VENV)/.installed-dev  ## style, types, import contract, tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m 'not exhaustive' $(ARGS)

test-all: $(VENV)/.installed-dev  ## every test, those too that take longest
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

test-fast: $(VENV)/.installed-dev  ## the tests that train nothing and start no process, for the loop of a developer
	@$(BIN)/ruff check .
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m 'not slow and not exhaustive' $(ARGS)

test-browser: $(VENV)/.installed-dev chromium  ## the leaderboard's page in Chromium
	@$(BIN)/python -m pytest -rs tests/eval/report/test_browser*.py $(ARGS)

HARNESSES := .venv-harnesses
test-harnesses: $(VENV)/.installed-dev $(HARNESSES)/.installed  ## lmms-eval itself on exported tasks, VLMEvalKit's class on a file of replies
	@GYMQA_HARNESS_PYTHON=$(abspath $(HARNESSES))/bin/python $(BIN)/python -m pytest -n 0 -rs tests/harnesses \
		tests/gymqa/hub/test_harness_export.py $(ARGS)

# lmms-eval pins packages that gymqa has newer (av, wandb), so that it stands apart; what both need, torch above all, it takes from $(VENV).
$(HARNESSES)/.installed: tests/harnesses/requirements.txt $(VENV)/.installed-dev
	@echo "installing lmms-eval in $(HARNESSES)"
	@$(BIN)/python -m venv $(HARNESSES)
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		>"$$($(HARNESSES)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/gymqa-environment.pth"
	@$(HARNESSES)/bin/python -m pip install -qq --no-input --disable-pip-version-check --no-deps --requirement $<
	@touch $@

TORCHVISION := .venv-torchvision
test-torchvision: $(TORCHVISION)/.installed  ## what touches transformers, and the small demo, where torchvision is installed beside torch (4 GB)
	@$(TORCHVISION)/bin/python -m pytest -n 3 --dist worksteal -m 'not exhaustive' tests/encoders tests/eval/adapters tests/gymqa/hub $(ARGS)
	@$(TORCHVISION)/bin/gymqa demo --quick --out runs/demo-torchvision

# torchvision needs the build of torch that the package index offers by default: === does not take a local build such as 2.13.0+cpu
$(TORCHVISION)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing torch, torchvision and gymqa in $(TORCHVISION) (some minutes)"
	@$(PYTHON) -m venv $(TORCHVISION)
	@grep -v '^torch==' constraints.txt >$(TORCHVISION)/constraints.txt
	@$(TORCHVISION)/bin/python -m pip install -qq --no-input --disable-pip-version-check --constraint $(TORCHVISION)/constraints.txt \
		"torch===$$(sed -n 's/^torch==//p' constraints.txt)" torchvision==0.28.0
	@$(TORCHVISION)/bin/python -m pip install -qq --no-input --disable-pip-version-check --constraint $(TORCHVISION)/constraints.txt --editable '.[dev]'
	@touch $@

LOWEST := .venv-lowest
NEWEST := .venv-newest
test-versions: $(LOWEST)/.installed $(NEWEST)/.installed  ## the tests with the lowest versions that pyproject.toml allows, then with the newest there are (10 GB)
	@for environment in $(LOWEST) $(NEWEST); do echo "tests in $$environment"; \
		$$environment/bin/python -m pytest -n 3 --dist worksteal -m 'not exhaustive' $(ARGS) || exit; done

$(LOWEST)/.installed: pyproject.toml tests/versions/lowest.py $(VENV)/.installed-dev
	@echo "installing the lowest versions in $(LOWEST) (some minutes)"
	@$(PYTHON) -m venv $(LOWEST)
	@$(BIN)/python tests/versions/lowest.py >$(LOWEST)/constraints.txt
	@$(LOWEST)/bin/python -m pip install -qq --no-input --disable-pip-version-check --constraint $(LOWEST)/constraints.txt --editable '.[dev]'
	@touch $@

$(NEWEST)/.installed: pyproject.toml
	@echo "installing the newest versions in $(NEWEST) (some minutes)"
	@$(PYTHON) -m venv $(NEWEST)
	@$(NEWEST)/bin/python -m pip install -qq --no-input --disable-pip-version-check --upgrade --editable '.[dev]'
	@touch $@

APT := timeout 300 apt-get -qq -o Acquire::http::Timeout=20 -o Acquire::Retries=1
chromium:  ## a browser for the tests of the page; root installs it by apt-get if it is missing
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && $(APT) update && $(APT) install --yes chromium >/dev/null \
		|| echo "there is no Chromium, so its tests are skipped; install your system's package chromium" >&2

format: $(VENV)/.installed-dev  ## put the code in the house's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:  ## remove $(VENV) and every cache; runs/ stays
	rm -rf $(VENV) $(HARNESSES) $(TORCHVISION) $(LOWEST) $(NEWEST) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@"$(or $(PYTHON),python3)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "gymqa needs Python 3.11 or newer; name one, as in: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing gymqa in $(VENV) (some minutes the first time)"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing gymqa and its checks in $(VENV) (some minutes the first time)"
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.installed
