# make run    start everything and run the demonstration
# make test   all checks, then all tests, file by file in TEST_PROCESSES processes
# make check  style, types, import directions, sizes
# make fmt    format the sources
# make docs   the site of the documentation, into build/site
# make simulate  a million random schedules of the saga kernel; SIMULATE_SEEDS=5000 for fewer
# make references    write the generated pages below docs/reference
# make chaos  faults on several servers and their database, then the books; CHAOS_MINUTES=120, CHAOS_SEED=1
# make screenshots  pictures of the console, into docs/images
# make golden    freeze names and shapes of all that is stored, once a change of them was reviewed
# make client    write the types of the client anew, once an answer of the API was changed
# make bench    all figures of this machine, beside other engines, into bench.json
# make northwind    all orders of ../shared/data/northwind, the server killed three times meanwhile
#
# Nothing but Python 3.11 or newer and make is needed; the rest goes into .venv.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
SOURCES := app workflows domain eventstore
FILE_LINES_MAX := 400
GENERATED := app/client/models.py
SIMULATE_SEEDS ?= 1000000
CHAOS_MINUTES ?= 10
CHAOS_SEED ?= 1
# Most tests wait for processes that they start, so there may be more than processors.
TEST_PROCESSES ?= 4

.PHONY: bench run test check fmt docs references chaos screenshots golden client northwind simulate setup sizes
.DEFAULT_GOAL := test

run: setup
	$(BIN)/saga demo

test: check
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

check: setup sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

simulate: setup
	$(BIN)/python -m tests.simulation --seeds $(SIMULATE_SEEDS)

references: setup
	$(BIN)/python -m tests.docs.references

chaos: setup
	CHAOS_MINUTES=$(CHAOS_MINUTES) CHAOS_SEED=$(CHAOS_SEED) $(BIN)/python -m tests.chaos

screenshots: setup
	$(BIN)/python -m tests.console.screenshots

golden: setup
	$(BIN)/python -m tests.golden

client: setup
	$(BIN)/python -m tests.client

bench: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	$(BIN)/python -m tests.bench

northwind: setup
	$(BIN)/python -m tests.show.northwind

sizes:
	@find $(SOURCES) tests ! -path $(GENERATED) \( -name '*.py' -o -name '*.sql' \) -exec wc -l {} + \
	| awk -v max=$(FILE_LINES_MAX) '$$2 != "total" && $$1 > max { print $$2 ": " $$1 " lines, at most " max; bad = 1 } \
	END { exit bad }'

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
