# Two commands do everything: `make run` and `make test`. They need Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
# uv knows nothing of pip's own configuration: it is told where pip finds packages, unless it has been told already.
UV = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$($(PIP) config get global.index-url 2>/dev/null)}}}" \
    $(BIN)/uv pip install --python $(BIN)/python

.PHONY: run test test-deployment check format bench bench-document bench-extraction chaos lock clean

run: $(STAMP)  ## Load, embed and index the bundled sample, then search it.
	@$(BIN)/bootstrap run
	@for query in "cap on liability" "who may see the confidential information" "return or destroy documents at the end"; do \
	    printf '\n$$ bootstrap search -k 3 "%s"\n' "$$query"; $(BIN)/bootstrap search -k 3 "$$query" || exit 1; \
	done

test: $(STAMP)  ## All tests, on a PostgreSQL that the tests start themselves.
	@$(BIN)/pytest -n 2

test-deployment: $(STAMP)  ## Of these, Dagster as it runs: webserver, daemon, queue, a browser where there is one.
	@$(BIN)/pytest -m deployment tests/dagster/test_deployment.py tests/browser

check: $(STAMP)  ## Lint, types, layers.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP)  ## Put the code in order.
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(STAMP)  ## The speed figures of the README.
	@$(BIN)/python benchmarks/throughput.py

bench-document: $(STAMP)  ## One changed document in corpora of 1,000 to 100,000 texts: it takes the same.
	@$(BIN)/python benchmarks/one_document.py

bench-extraction: $(STAMP)  ## Documents: what of them is found, pages per second, memory.
	@$(BIN)/python -m benchmarks.extraction

chaos: $(STAMP)  ## Kill it, cut it, starve it, and see whether anything is lost or paid twice; a quarter of an hour.
	@$(BIN)/python -m tests.chaos

lock: $(STAMP)  ## Write requirements.lock anew from pyproject.toml.
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-strip-extras --no-header --no-annotate \
	    --no-emit-index-url --python-version 3.11 --extra dev pyproject.toml -o requirements.lock

$(STAMP): requirements.lock installer.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "Installing $$(grep -c == requirements.lock) packages into $(VENV), once; they take 1 GB. With uv that is a matter of seconds, once they are downloaded."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq --require-hashes --no-deps -r installer.lock && $(UV) --quiet --require-hashes --no-deps -r requirements.lock \
	    || { echo "uv could not do it: pip does it now, in some minutes."; \
	         $(PIP) install --progress-bar off --require-hashes --no-deps -r requirements.lock; }
	@$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

clean:  ## Remove the virtual environment; the corpus in .bootstrap stays.
	@rm -rf $(VENV)
