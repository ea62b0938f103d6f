# Every target installs what it needs into .venv; `make run` and `make test` are all a new machine needs.
PYTHON ?= python3
export UV_PYTHON_DOWNLOADS := never
export DO_NOT_TRACK := true

.DEFAULT_GOAL := help
.PHONY: help run test

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

run: .venv/train  ## Install, then train and evaluate on the embedded default (phantoms).
	.venv/bin/kedro run

test: .venv/dev  ## Install, then run the tests.
	.venv/bin/pytest

.venv/bin/uv:
	$(PYTHON) -m venv .venv && .venv/bin/pip install --quiet uv==0.13.9

# A stamp file for each set of requirements: touched when it is installed.
.venv/%: requirements/%.txt pyproject.toml | .venv/bin/uv
	.venv/bin/uv pip install --quiet --compile-bytecode --require-hashes -r $<
	.venv/bin/uv pip install --quiet --no-deps --editable . && touch $@
