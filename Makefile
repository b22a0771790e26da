# Five Models and a Ceiling. `make help` lists what there is. Needs Python 3.11 to 3.13.
# Works with GNU make 3.81 (macOS) and later.

# `make book PYTHON=python3.12`: which Python makes .venv. By default one is found.
# What a user passes reaches the tools in the environment, as it is: no part of it is taken
# for make's language or the shell's.
PASSED = $(foreach name,ALL BOOK_BRANCH BOOK_REPOSITORY BOOK_URL OWNER PUSH PYTHON,\
  $(if $(filter-out undefined,$(origin $(name))),$(name)))
$(foreach name,$(PASSED),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

VENV = .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/installed

# JupyterLab refuses to run as root, whom containers often are, unless it is told so.
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)

PYTEST = $(BIN)/python -m pytest
UNIT = $(PYTEST) --doctest-modules srlib tests
NBVAL = $(PYTEST) --nbval --nbval-current-env --nbval-cell-timeout=1200

.PHONY: help book pdf serve test units thorough check lint chapters lab lock format benchmark kaggle clean
.DEFAULT_GOAL = help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "make %-9s %s\n", $$1, $$2 }'

book: $(INSTALLED)  ## build the book from the committed outputs into _build/html
	$(BIN)/python -m tools.book.build_book

pdf: $(INSTALLED)  ## print the whole book into one PDF in _build (needs Chromium)
	$(BIN)/python -m tools.book.make_pdf

serve:  ## serve the built book at http://localhost:8000, as its page "Try it" needs
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

check: lint  ## the fast part: lint, doctests, tests that take seconds
	$(UNIT) -m "not slow and not thorough"

units: lint  ## all tests of the code, without the chapters
	$(UNIT) -m "not thorough"

test: units  ## all tests of the code; every chapter executed, its exercises solved, compared
	$(BIN)/python -m tools.notebooks.solve
	$(NBVAL) _build/solved

thorough: $(INSTALLED)  ## what takes minutes more: a chapter on a pretend Kaggle, many networks
	$(UNIT) -m thorough

lint: $(INSTALLED)  ## ruff, over the code and the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

chapters: $(INSTALLED)  ## execute the stale chapters in place (all of them: ALL=1)
	$(BIN)/python -m tools.notebooks.chapters $(if $(ALL),--all)

# JupyterLab shows charts only in notebooks that are trusted, which a clone's are not.
lab: $(INSTALLED)  ## open JupyterLab at the chapters
	@$(BIN)/jupyter trust chapters/*.ipynb >/dev/null
	$(BIN)/jupyter lab $(AS_ROOT) --LabApp.default_url=/lab/tree/chapters

lock:  ## remake requirements.lock from requirements.in (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	uv pip compile --quiet requirements.in --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links -o requirements.lock

format: $(INSTALLED)  ## format the code and the notebooks' cells
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(INSTALLED)  ## measure the speed against the published code (15 minutes)
	$(BIN)/python -m tools.speed.benchmark

kaggle: $(INSTALLED)  ## package it for Kaggle: OWNER=name (and publish it: PUSH=1)
	$(BIN)/python -m tools.kaggle.make_kaggle --owner="$$OWNER" $(if $(PUSH),--push)

clean:  ## remove what was built (to remove the environment, too: rm -r .venv)
	rm -rf _build dist .pytest_cache .ruff_cache .hypothesis srlib.egg-info
	find srlib tests tools chapters \( -name __pycache__ -o -name .ipynb_checkpoints \) \
	  -prune -exec rm -rf {} +

# A file, not a phony target: a second run installs nothing, a half-finished one counts for
# nothing, and a changed lock is installed.
$(INSTALLED): requirements.lock pyproject.toml tools/make_venv.sh
	@sh tools/make_venv.sh $(VENV)
	@touch $@
