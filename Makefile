# make demo | test | bounds | rounding | nightly | coverage | check | docs | wheel | bench | clean.  Needs git, make and Python 3.11 or later.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := demo
WORKERS := 2
QUICK := $(addprefix tests/,workloads operators escalate/ternary escalate/store arch/test_memory.py arch/test_pairs.py)
TRAINING := $(addprefix tests/escalate/,compressors recipe train app/test_compress.py)

.PHONY: help demo test bounds rounding nightly coverage check docs wheel bench clean

help:
	@echo "make demo     compress and simulate a network on bundled data, leaves $(DEMO)/report.html"
	@echo "make test     every test"
	@echo "make bounds   the machine models' tests, bounds checked, on a processor without extensions"
	@echo "make rounding the tests that train, as if on another processor"
	@echo "make nightly  thousands of generated layers against the slow reference, and of spoiled inputs"
	@echo "make coverage the lines that quick tests run, kernels as plain Python; prints, demands nothing"
	@echo "make check    format, lint, types, import contracts"
	@echo "make docs     the pages, in site/; computes every published number again"
	@echo "make wheel    build the wheel, install it elsewhere and run its demo"
	@echo "make bench    time the machine models and compare with recorded times"
	@echo "make clean    remove what the others made"

# The interpreter is looked for only when the environment has to be made; PYTHON=... overrides.
$(READY): setup.cfg pyproject.toml constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 \
		|| { python=$$(PYTHON='$(PYTHON)' .ci/python) && "$$python" -m venv --clear $(VENV); }
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

demo: $(READY)
	$(BIN)/escalate demo --out $(DEMO)

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS)

bounds: $(READY)
	NUMBA_BOUNDSCHECK=1 NUMBA_CPU_NAME=generic $(BIN)/python -m pytest -n $(WORKERS) -m "not validation and not nightly" tests/arch

rounding: $(READY)
	ESCALATE_ROUNDING=1 ATEN_CPU_CAPABILITY=default OPENBLAS_CORETYPE=Nehalem \
		$(BIN)/python -m pytest -n $(WORKERS) $(TRAINING)

nightly: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) -m nightly

coverage: $(READY)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not validation and not nightly" \
		--cov=arch --cov=workloads --cov=escalate --cov=reports --cov-report=term:skip-covered $(QUICK) || true

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	mkdir -p build/docs
	$(BIN)/escalate --quiet validate --format json > build/docs/validation.json
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

wheel: $(READY)
	.ci/wheel

bench: $(READY)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) .venv-wheel build dist site $(DEMO) *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
