# Everything goes through these. `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder

# A run of the tests starts hundreds of processes of the same code: it is compiled once, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast test-slow test-all serve check wheel format bench pictures load-test clean

help:            ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## make .venv and install what Cairn and its tests need

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Cairn needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[server,dev]'
	@touch $@

demo: install    ## ingest the example sessions, ask them questions, see cited answers
	@$(BIN)/cairn demo

test: install    ## every test but the slow ones, against a real PostgreSQL, Qdrant's engine and real HTTP that it starts itself
	$(PYTEST) -m "not slow and not long"

test-slow: install ## what takes long: many processes, damage, kill -9, real sessions, agents, models, the browser, the measuring scripts
	$(PYTEST) -m "slow or long"

test-all: install ## make test and make test-slow in one run
	$(PYTEST)

test-fast: install ## the unit tests: no server, no database
	$(BIN)/python -m pytest -n auto tests/unit

serve: install   ## cairn serve on 127.0.0.1:8080
	@$(BIN)/cairn serve

check: install   ## ruff, mypy, import-linter, words, hadolint, alembic check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.words_check
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m tests.schema_check

wheel: install   ## dist/: a source distribution, and the wheel built from it
	rm -rf dist
	$(BIN)/python -c "from setuptools.build_meta import build_sdist; build_sdist('dist')" > /dev/null
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation -w dist dist/cairn-*.tar.gz
	@ls dist

format: install  ## let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install   ## every component against its target
	$(BIN)/python tests/performance/benchmarks.py --component=all

pictures: install ## the README's picture of the dashboard, and artifacts/ with every page
	KEEP_PICTURES=1 $(BIN)/python -m pytest tests/integration/dashboard/test_pictures.py -q

load-test: install ## 50 developers at work for five minutes, over real HTTP
	$(BIN)/python tests/performance/load_test.py --users=50 --duration=300s

clean:           ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
