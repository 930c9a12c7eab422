# Every target sets up .venv by itself, with uv when it is there, else with pip; a second call finds
# it ready. What a target has to say goes to stdout, what the set-up says to stderr, so that
# `make demo ARGS="--headless --output json" | tail -1` is the result.
#
#   make demo [ARGS="--headless --duration 60 --seed 1"]    make bench [ARGS="--output json"]
#   make test [ARGS="tests/core -k breaker"]                make docs
#   make check                                              make clean

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

ifneq ($(shell command -v uv 2>/dev/null),)
CREATE := uv venv --quiet --allow-existing --seed --python '>=3.11' .venv
INSTALL := uv pip install --quiet --python $(BIN)/python
else
CREATE := $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("mendel needs Python \
3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")' \
&& $(PYTHON) -m venv .venv
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: demo test coverage check bench docs clean

demo: .venv/run.ready
	@$(BIN)/mendel demo $(ARGS)

# As many tests at once as there are cores; ARGS="-m long" runs those that are left out for their
# length. `make coverage` takes coverage data along the way, which is slow for simulations.
test: .venv/test.ready
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

coverage: .venv/test.ready
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest --numprocesses auto --dist worksteal $(ARGS); status=$$?; $(BIN)/coverage combine -q; exit $$status

# What a reader could find without running the program. Types and imports are those of the wheel,
# unpacked: the folders of the checkout are not called as the package is.
check: .venv/test.ready .venv/check.ready
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/codespell
	@rm -rf build/dist build/wheel && mkdir -p build
	@$(BIN)/python -m build --outdir build/dist . >build/build.log 2>&1 || { cat build/build.log; exit 1; }
	@$(BIN)/python -m zipfile -e build/dist/*.whl build/wheel
	@MYPYPATH=build/wheel $(BIN)/mypy -p mendel
	@PYTHONPATH=build/wheel $(BIN)/lint-imports --no-logo

bench: .venv/bench.ready
	@for each in benchmarks/*.py; do $(BIN)/python $$each $(ARGS) || exit 1; done

docs: .venv/docs.ready
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_build/html
	@echo docs/_build/html/index.html

clean:
	@rm -rf .venv build docs/_build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache \
	    .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@echo "setting up .venv" >&2
	@$(CREATE) >&2

.venv/run.ready: pyproject.toml | $(BIN)/python
	@$(INSTALL) -e . >&2
	@touch $@

.venv/%.ready: pyproject.toml | $(BIN)/python
	@$(INSTALL) -e '.[$*]' >&2
	@touch $@
