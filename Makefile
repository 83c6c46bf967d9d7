# Every command a person types. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help up compose-up compose-down test check format docs api-coverage bench drill lock image-locks client-locks migration clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# uv comes from the package index into the environment itself, so that only Python is needed.
$(READY): pyproject.toml uv.lock
	@echo "Setting up $(VENV) (a minute the first time) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Cassini needs Python 3.11 or newer; say which one: make PYTHON=python3.13 …"; exit 1; }
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "Python has no venv module: install it (Debian: apt-get install python3-venv)"; exit 1; }
	@test -x $(RUN)/uv || $(RUN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.13"
	@$(RUN)/uv sync --frozen --all-extras --all-groups --python $(RUN)/python
	@touch $@

up: $(READY) ## Run the platform on this machine (UP="--port 9000 …" passes flags on)
	@exec $(RUN)/cassini up $(UP)

# The group that may use Docker's socket is another one on each machine.
COMPOSE = DOCKER_GID=$$(stat -c %g /var/run/docker.sock) docker compose

compose-up: ## Run the distributed form with Docker Compose (COMPOSE_UP="--scale api=2" adds flags)
	@command -v docker >/dev/null || { echo "This needs Docker with its compose plugin."; exit 1; }
	@$(COMPOSE) up --build --detach --remove-orphans $(COMPOSE_UP)
	@printf 'Cassini is ready:  '; $(COMPOSE) exec -T api cassini admin wait 1>&2
	@echo "A sign-in link:    docker compose exec api cassini admin sign-in-link"

compose-down: ## Stop the distributed form; data and running servers stay
	@$(COMPOSE) down

test: $(READY) ## Run the tests (T="tests/api -k start" picks some)
	@$(RUN)/pytest -n auto --dist loadgroup $(T)

check: $(READY) ## Check style, types, import rules and that generated pages are current
	@$(RUN)/ruff format --check .
	@$(RUN)/ruff check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports
	@$(RUN)/pytest -q -n 0 tests/test_docs.py tests/test_purity.py

format: $(READY) ## Put the code into form
	@$(RUN)/ruff format .
	@$(RUN)/ruff check --fix .

docs: $(READY) ## Write the generated pages again
	@$(RUN)/cassini events > docs/events.md
	@$(RUN)/cassini settings > docs/settings.md
	@$(RUN)/cassini openapi > services/api/openapi.json

api-coverage: $(READY) ## Compare our API with the contract: make api-coverage CONTRACT=saturn-api.yaml
	@test -n "$(CONTRACT)" || { echo "Say where the contract is, an OpenAPI document that is not part"; \
	  echo "of Cassini: make api-coverage CONTRACT=path/to/saturn-api.yaml"; exit 1; }
	@$(RUN)/python -m tests.compatibility "$(CONTRACT)"

bench: $(READY) ## Measure beside JupyterHub, in one run (BENCH=--containers: the distributed form)
	@$(RUN)/python -m tests.bench $(BENCH)

drill: $(READY) ## Break the distributed form in every way and see it heal (DRILL="--short")
	@$(RUN)/python -m tests.stack $(DRILL)

lock: $(READY) ## Resolve the platform's own dependencies again
	@$(RUN)/uv lock --upgrade

image-locks: $(READY) ## Resolve the built-in images' packages again
	@cd services/builder/builtin && for name in *.in; do \
	  $(CURDIR)/$(RUN)/uv pip compile $$name --excludes $${name%.in}.excludes --universal \
	    --python-version 3.11 --only-binary :all: --generate-hashes --no-annotate \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make image-locks" \
	    --no-config --upgrade --quiet --output-file $${name%.in}.txt; done

client-locks: $(READY) ## Resolve the official clients that the tests use again
	@cd tests/clients && $(CURDIR)/$(RUN)/uv pip compile requirements.in --universal \
	  --python-version 3.11 --only-binary :all: --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make client-locks" \
	  --no-config --upgrade --quiet --output-file requirements.txt

migration: $(READY) ## Draft a migration: make migration service=api message="what"
	@$(RUN)/python -m cassini.runtime.migrations.draft $(service) "$(message)"

clean: ## Remove what set-up and tests made here (data directories stay)
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
