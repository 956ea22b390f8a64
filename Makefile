# Everything that `make run` and `make test` need beyond python3 (3.11 or newer, with venv and pip) they make here.
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: run test lint soak mutants bench bench-years schema clean

run: $(STAMP)
	$(PYTHON) scripts/launch.py configs/example_session.json

test: lint
	$(PYTHON) -m pytest

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
