# Every target sets up .venv first, so that each works on a fresh clone with Python >= 3.11 and make alone.
PYTHON ?= python3
# Where torch comes from, if not from the usual index, whose Linux build brings gigabytes of CUDA libraries.
TORCH_INDEX ?=
BIN := .venv/bin
STAMP := .venv/.installed
comma := ,

.PHONY: setup demo serve check test test-slow bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("docradar needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --quiet --index-url $(TORCH_INDEX) "torch>=2.6$(comma)<2.14")
	$(BIN)/python -m pip install --quiet --editable ".[cpu,pdf,postgres,test,dev]"
	touch $(STAMP)

demo: setup
	$(BIN)/python -m bench.demo

serve: setup
	$(BIN)/docradar serve

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_imports.py

test: setup
	$(BIN)/pytest -q -m "not slow" -n 2 --dist loadfile

test-slow: setup
	$(BIN)/pytest -q -m slow -n 2 --dist loadfile

bench: setup
	$(BIN)/python -m bench

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
