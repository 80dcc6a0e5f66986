# Each target sets up what it needs in .venv, the first time and when this file or setup.py changes.
# For GNU make from 3.81, which macOS has, and the shell and tools of any Unix.

PYTHON = python3
ARGS =
N = 10000
SEED = 0

VENV = .venv
RUN = $(VENV)/bin/python
# Twice quiet, because newer versions of setuptools have much to say of what needs no action; then
# pip hides too that it does not reach the network.
INSTALL = $(RUN) -m pip install --quiet --quiet --disable-pip-version-check
# pyenv hides all Pythons but those that are selected.
TOX = PYENV_VERSION=$$(pyenv versions --bare 2>/dev/null | paste -s -d : -) $(RUN) -m tox
OR_SAY = || { echo 'make: pip cannot install this. Does it reach the network?' >&2; exit 1; }
# A virtual environment belongs to the Python that made it: another PYTHON makes another one.
MADE = $(VENV)/made-by-$(subst /,-,$(PYTHON))

# What the examples for asyncio need.
FOR_ASYNCIO = aiosqlite httpx redis sqlalchemy[asyncio] starlette uvicorn

# Scheduling, batches, contexts and errors.
CORE_TESTS = $(patsubst %,tests/test_%.py,order scheduler knots async_task futures batching \
    batching_example contexts scoped_value faults misuse decorators generator tools utils \
    seed_examples)

.PHONY: help demo test test-all test-drivers size fuzz check types bench bench-quick dist clean

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1: \2/p' Makefile
	@echo 'Variables: PYTHON=$(PYTHON), and ARGS for the program or for pytest'

demo: $(VENV)/installed  ## find the authors of this repository (ARGS='--repo DIR' or '--csv FILE')
	@$(RUN) examples/author_names.py $(ARGS)

test: $(VENV)/installed-for-test  ## run the tests
	@$(RUN) -m pytest $(ARGS)

test-all: $(VENV)/installed-for-tox  ## run the tests on each Python of tox.ini that is here
	@$(TOX) run-parallel --parallel auto --parallel-no-spinner $(ARGS)

test-drivers: $(VENV)/installed-for-test  ## run the core's tests on event loops, and async def
	@$(RUN) -m pytest --bodies native $(CORE_TESTS) $(ARGS)
	@for driver in asyncio uvloop; do for bodies in generator native; do \
	    $(RUN) -m pytest --driver $$driver --bodies $$bodies $(CORE_TESTS) $(ARGS) || exit 1; \
	done; done

size: $(VENV)/installed-for-test  ## run the tests of size and of long life in full (7 minutes)
	@ASYNQ_FULL_SIZE=1 $(RUN) -m pytest tests/test_size.py tests/test_long_life.py $(ARGS)
	@$(RUN) -m tests.size_programs

fuzz: $(VENV)/installed  ## run random programs, checking each step (N=100000, from SEED=0 on)
	@$(RUN) tests/fuzzing.py --programs $(N) --seed $(SEED) $(ARGS)

check: $(VENV)/installed-for-check  ## run the tests with their coverage, and the linter
	@$(RUN) -m pytest --cov=asynq --cov-branch --cov-fail-under=97 $(ARGS)
	@$(RUN) -m ruff check --select E,F,W --line-length 100 --exclude test_async_spelling.py \
	    asynq tests examples benchmarks

# As for the oldest Python that both checkers know, and for the newest.
types: $(VENV)/installed-for-types  ## check the stubs and the examples with mypy and pyright
	@for version in 3.10 3.14; do \
	    echo "Checking types, as for Python $$version"; \
	    $(RUN) -m mypy --config-file tests/type_checks/mypy.ini --cache-dir $(VENV)/mypy \
	        --python-version $$version asynq/*.pyi examples tests/type_checks || exit 1; \
	    $(RUN) -m pyright --project tests/type_checks --pythonpath $(RUN) \
	        --pythonversion $$version || exit 1; \
	done
	@echo 'Comparing the stubs with what is there at run time'
	@$(RUN) -m mypy.stubtest --mypy-config-file tests/type_checks/mypy.ini \
	    --allowlist tests/type_checks/stubtest-allowed.txt asynq

bench: $(VENV)/installed  ## compare with the original and with asyncio (10 minutes)
	@$(RUN) benchmarks/compare.py --environments $(VENV)/peers $(ARGS)

bench-quick: $(VENV)/installed  ## the same, less exactly, in two minutes
	@$(RUN) benchmarks/compare.py --environments $(VENV)/peers --quick $(ARGS)

dist: $(VENV)/installed-for-dist  ## build the packages in dist, and try the wheel on 3 Pythons
	@rm -rf dist
	@$(RUN) -m check_manifest --ignore '.ci/*'
	@$(RUN) -m build --outdir dist .
	@$(RUN) -m twine check --strict dist/*
	@$(TOX) run --installpkg dist/asynq-*.whl -e wheel-py27,wheel-py36,wheel-py313 $(ARGS)

clean:  ## remove all that the other targets have made
	rm -rf $(VENV) .coverage .hypothesis .pytest_cache .ruff_cache .tox asynq.egg-info build dist
	find asynq benchmarks tests examples -name '*.pyc' -exec rm -f {} +
	find asynq benchmarks tests examples -name __pycache__ -prune -exec rm -rf {} +

# Debian's python3 comes without ensurepip, which venv needs: it is in a package of its own, which
# root can install. virtualenv brings its own pip, and is the only one for Python 2.
$(MADE):
	@if ! $(PYTHON) -c ''; then \
	    echo 'make: $(PYTHON) does not run. Cure: install Python, or name it: make PYTHON=...' >&2; \
	    exit 1; \
	elif $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	    $(PYTHON) -m venv --clear $(VENV); \
	elif $(PYTHON) -c 'import virtualenv' 2>/dev/null; then \
	    $(PYTHON) -m virtualenv --quiet --clear $(VENV); \
	elif [ "$$(id -u)" = 0 ] && [ -x /usr/bin/apt-get ]; then \
	    echo 'Installing python3-venv, which $(PYTHON) needs to make a virtual environment'; \
	    /usr/bin/apt-get update -qq && /usr/bin/apt-get install -qq python3-venv >/dev/null && \
	    $(PYTHON) -m venv --clear $(VENV); \
	else \
	    echo 'make: $(PYTHON) cannot make a virtual environment: it has no ensurepip.' >&2; \
	    echo 'Cure, on Debian and Ubuntu: apt install python3-venv' >&2; \
	    echo 'Elsewhere: $(PYTHON) -m pip install virtualenv' >&2; \
	    exit 1; \
	fi
	@touch $@

$(VENV)/installed: $(MADE) setup.py Makefile
	@echo 'Installing asynq into $(VENV)'
	@$(INSTALL) --editable . $(OR_SAY)
	@touch $@

$(VENV)/installed-for-test: $(VENV)/installed
	@echo 'Installing what the tests need into $(VENV)'
	@$(INSTALL) hypothesis pygments pymemcache pytest pytest-cov 'mock; python_version < "3"' \
	    $(FOR_ASYNCIO:%='%; python_version >= "3.8"') \
	    'uvloop; python_version >= "3.8" and implementation_name == "cpython"' $(OR_SAY)
	@touch $@

$(VENV)/installed-for-tox: $(MADE) Makefile
	@echo 'Installing tox into $(VENV)'
	@$(INSTALL) 'tox>=4' 'virtualenv<20.22' $(OR_SAY)
	@touch $@

$(VENV)/installed-for-dist: $(VENV)/installed-for-tox
	@echo 'Installing what builds and checks the packages into $(VENV)'
	@$(INSTALL) build check-manifest twine $(OR_SAY)
	@touch $@

# Exactly these versions, because tests/type_checks names errors as they do.
$(VENV)/installed-for-types: $(VENV)/installed-for-test
	@echo 'Installing the type checkers into $(VENV)'
	@$(INSTALL) mypy==2.4.1 pyright==1.1.414 typing_extensions $(OR_SAY)
	@touch $@

$(VENV)/installed-for-check: $(VENV)/installed-for-test
	@echo 'Installing the linter into $(VENV)'
	@$(INSTALL) ruff $(OR_SAY)
	@touch $@
