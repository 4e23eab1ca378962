# Everything runs in a virtual environment beside this file. `make demo` and `make test` set it up themselves.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.radiolucent-ready
OUT    ?= build/demo

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format protos configs bench load methods evaluation docs wheel clean

help:  ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Install everything into .venv (once; again when pyproject.toml changes).

# torch and torchvision first and together: they must be of one release. The link lets `mypy -p radiolucent`, editors and tests
# see the checkout as the package, whatever the checkout is called.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 12) else "radiolucent serves on Python 3.10 to 3.12 (the Triton wheel needs numpy < 2), this is %d.%d: make PYTHON=python3.11 ..." % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch torchvision
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	ln -sfn "$(CURDIR)" "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/radiolucent"
	touch $@

demo: $(READY)  ## Train on phantoms, serve, classify, explain; ends with a report.
	$(BIN)/radiolucent demo --out $(OUT)

test: $(READY)  ## Run all tests, in two processes.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadscope

check: $(READY) node_modules  ## Lint, types, floors of the house, protos.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p radiolucent
	$(BIN)/lint-imports
	node_modules/.bin/buf lint
	node_modules/.bin/buf breaking --against protos/released.binpb

format: $(READY)  ## Format and mend what can be mended.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: $(READY)  ## Generate the contract's Python code.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m radiolucent.protos.generate

# buf brings its program as a package of its exact version, so package.json pins everything.
node_modules: package.json
	npm install --no-package-lock --no-audit --no-fund --silent
	touch $@

REPOSITORY ?= $(OUT)/model_repository
# bench: which parts (all), SHORT=1, FILMS instead of phantoms, THREADS instead of all cores.
PARTS ?=
SHORT ?=
FILMS ?=
THREADS ?=
bench: $(READY)  ## Measure speed against Captum, ONNX Runtime and Triton (hours; PARTS="grid gateway", SHORT=1), after make demo.
	$(BIN)/python -m benchmarks --repository $(REPOSITORY) $(if $(PARTS),--part $(PARTS)) $(if $(SHORT),--short) \
	  $(if $(FILMS),--film $(FILMS)) $(if $(THREADS),--threads $(THREADS))

SECONDS_OF_LOAD ?= 300
load: $(READY)  ## Load a gateway while its workers are killed; writes docs/reliability.json (about 6 minutes, after make demo).
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.load $(REPOSITORY) --seconds $(SECONDS_OF_LOAD)

methods: $(READY)  ## Look at every method's maps on the demo's ResNet34; writes docs/methods.json and its pictures (minutes).
	$(BIN)/python -m benchmarks.methods $(REPOSITORY)

# An audit's tables have measurements of maps, an evaluation's predictions.
evaluation: $(READY)  ## Compute docs/evaluation/ again from its tables, from which every number there comes.
	for tables in docs/evaluation/*/tables; do \
	  if test -f $$tables/measurements.csv; then kind=audit; else kind=evaluate; fi; \
	  $(BIN)/radiolucent $$kind --from-tables $$tables || exit 1; \
	done
	$(BIN)/python docs/generate.py

docs: $(READY)  ## Write the generated parts of docs/.
	$(BIN)/python docs/generate.py

wheel: $(READY)  ## Build the wheel into dist/.
	$(BIN)/python -m build --wheel --outdir dist .

clean:  ## Remove what was built (not the virtual environment).
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
