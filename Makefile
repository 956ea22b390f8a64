# Everything that `make run` and `make test` need beyond python3 (3.11 or newer, with venv and pip) they make here.
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed
SIZES := 2x1 10x20
RUNS := 3

.PHONY: run test chaos soak mutants lint bench bench-small bench-years schema clean

run: $(STAMP)
	$(PYTHON) scripts/launch.py configs/example_session.json

test: lint
	$(PYTHON) -m pytest

# CHAOS_RUNS=200 CHAOS_SEED=1 make chaos: another number of runs, or those seeds again.
chaos: $(STAMP)
	CHAOS_RUNS=$${CHAOS_RUNS:-50} CHAOS_SEED=$${CHAOS_SEED:-$$(date +%s)} $(PYTHON) -m pytest -v -n 1 --timeout 600 tests/pipeline/test_chaos.py

lint: $(STAMP)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports

# Simulated runs until one fails or Ctrl-C; `make soak N=10000` for so many.
soak: $(STAMP)
	$(PYTHON) -m tests.simulator $(if $(N),--seeds $(N))

# Puts every deliberate fault of docs/testing.md in and shows after how many simulated runs it is found.
mutants: $(STAMP)
	$(PYTHON) -m tests.simulator --mutants

bench: $(STAMP)
	$(PYTHON) benchmarks/compare.py --sizes "$(SIZES)" --runs $(RUNS)

bench-small: $(STAMP)
	$(PYTHON) benchmarks/small_run.py

bench-years: $(STAMP)
	$(PYTHON) benchmarks/ten_years.py

schema: $(STAMP)
	$(VENV)/bin/sessionflow schema --output configs/session.schema.json

$(STAMP): pyproject.toml
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info
