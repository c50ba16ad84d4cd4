# `make demo` and `make test` do all the set-up: an environment in .venv, the libraries, this package.
# Both may be called again and again; nothing is installed twice.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TORCH := torch>=2.6,<2.14
ONE_THREAD := OMP_NUM_THREADS=1 LP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test check clean

help:
	@echo "make demo   set up, then find what moves in a photo: writes a picture and a JSON to out/demo"
	@echo "make test   set up, then check style, types and folder order, and run all tests"
	@echo "make check  only style, types and folder order"
	@echo "make clean  remove the environment and results"

# torch comes first and alone, so that pip takes the build that this machine's index offers (on most
# servers without a GPU the CPU build) and nothing else chooses for it.
$(VENV)/torch.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Spelke needs Python 3.11 or later; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV): a few minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(PIP) '$(TORCH)'
	@touch $@

$(VENV)/demo.stamp: $(VENV)/torch.stamp pyproject.toml
	$(PIP) -e '.[worlds]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/torch.stamp pyproject.toml
	$(PIP) -e '.[dev]'
	@touch $(VENV)/demo.stamp $@

demo: $(VENV)/demo.stamp
	$(BIN)/spelke segment examples/photos/coffee.jpg --point 330 180 --out out/demo

check: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache

# torch.compile does not get along with the shape checks, so what needs it runs apart; pytest's
# code 5 means that there is no such test.
test: check
	$(ONE_THREAD) JAXTYPING_DISABLE=1 $(BIN)/python -m pytest -q -m compile || [ $$? -eq 5 ]
	$(ONE_THREAD) $(BIN)/python -m pytest -n auto -m "not gpu and not browser and not compile"

clean:
	rm -rf $(VENV) out .pytest_cache .ruff_cache .hypothesis
