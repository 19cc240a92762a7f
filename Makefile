# Two commands do everything: `make run` and `make test`. They need Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check
# uv knows nothing of pip's own configuration: it is told where pip finds packages, unless it has been told already.
INDEX = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$($(PIP) config get global.index-url 2>/dev/null)}}}"
UV = $(INDEX) $(BIN)/uv pip install --python $(BIN)/python
COMPILE = $(INDEX) $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-strip-extras --no-header --no-annotate \
    --no-emit-index-url --python-version 3.11
# What `$(call install,LOCK)` runs: uv, which shows how far it is, or where it cannot do it pip, which does too.
install = $(UV) --require-hashes --no-deps -r $(1) \
    || { echo "uv could not do it: pip does it now, in some minutes."; $(PIP) install --require-hashes --no-deps -r $(1); }

# Images for containers forbid Python to keep what it has compiled: every process here would compile all of Dagster.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-deployment check format bench bench-full bench-document bench-documents bench-extraction bench-labels chaos cluster lock clean

run: $(STAMP)  ## Load, embed and index the bundled sample, then search it.
	@$(BIN)/bootstrap run
	@for query in "cap on liability" "who may see the confidential information" "return or destroy documents at the end"; do \
	    printf '\n$$ bootstrap search -k 3 "%s"\n' "$$query"; $(BIN)/bootstrap search -k 3 "$$query" || exit 1; \
	done

test: $(DEV_STAMP)  ## All tests, on a PostgreSQL that the tests start themselves.
	@$(BIN)/pytest -n 3  # on two cores: one of them waits for the daemon most of the time

test-deployment: $(DEV_STAMP)  ## Of these, Dagster as it runs: webserver, daemon, queue, a browser where there is one.
	@$(BIN)/pytest -m deployment tests/dagster/test_deployment.py tests/browser

check: $(DEV_STAMP)  ## Lint, types, layers.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(DEV_STAMP)  ## Put the code in order.
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(DEV_STAMP)  ## The speed figures of docs/performance.md, kept in benchmarks/results.
	@$(BIN)/python -m benchmarks

bench-full: $(DEV_STAMP)  ## Growth to a million records, searches in a million texts: an hour or two.
	@$(BIN)/python -m benchmarks growth million

bench-document: $(DEV_STAMP)  ## One changed document in corpora of 1,000 to 100,000 texts: it takes the same.
	@$(BIN)/python -m benchmarks.one_document

bench-documents: $(DEV_STAMP)  ## Tenants' documents through all stages: long ones, a thousand small ones, a full inbox.
	@$(BIN)/python -m benchmarks.documents

bench-extraction: $(DEV_STAMP)  ## Documents: what of them is found, pages per second, memory.
	@$(BIN)/python -m benchmarks.extraction

bench-labels: $(DEV_STAMP)  ## Scorers of labels: training on contracts as many as CUAD's, classifying 50 pages, memory.
	@$(BIN)/python -m benchmarks.labels

chaos: $(DEV_STAMP)  ## Kill it, cut it, starve it, and see whether anything is lost or paid twice; a quarter of an hour.
	@$(BIN)/python -m tests.chaos

cluster: $(DEV_STAMP)  ## Several hosts in network namespaces, cut off and killed; as root, on Linux; some ten minutes.
	@$(BIN)/python -m tests.cluster

# setuptools is what the project itself is installed with, below: not fetched behind the hashes' back.
lock: $(STAMP)  ## Write the locks anew from pyproject.toml: of run time, and on top of it of buckets and of development.
	@echo 'setuptools>=77' | $(COMPILE) --extra all pyproject.toml - -o requirements.lock
	@$(COMPILE) --extra all --extra cloud --constraint requirements.lock pyproject.toml -o requirements-cloud.lock \
	    $$(sed -n 's/^\([a-z0-9][a-z0-9._-]*\).*==.*/--no-emit-package \1/p' requirements.lock | sort -u)
	@$(COMPILE) --extra all --extra dev --constraint requirements.lock --constraint requirements-cloud.lock pyproject.toml -o requirements-dev.lock \
	    $$(sed -n 's/^\([a-z0-9][a-z0-9._-]*\).*==.*/--no-emit-package \1/p' requirements.lock | sort -u)

$(STAMP): requirements.lock installer.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "Installing $$(grep -c == requirements.lock) packages into $(VENV), once; they take 0.9 GB. With uv that is a matter of seconds, once they are downloaded."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq --require-hashes --no-deps -r installer.lock || true
	@$(call install,requirements.lock)
	@$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

$(DEV_STAMP): $(STAMP) requirements-dev.lock
	@echo "Installing what tests and lint need besides: $$(grep -c == requirements-dev.lock) packages."
	@$(call install,requirements-dev.lock)
	@touch $(DEV_STAMP)

clean:  ## Remove the virtual environment; the corpus in .bootstrap stays.
	@rm -rf $(VENV)
