# Everything runs in .venv, made from the lock file; each target works in a fresh clone and again in a used one.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SUITES := .venv-suites
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check parity torture format lock suites clean

help: ## What there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: $(STAMP) ## Train with RND on DoorKey-5x5 (well under a minute), write the report
	$(BIN)/rewardlab run env=doorkey_5x5 reward=rnd frames=100_000 eval.every=10_000 results_dir=demo overwrite=true
	$(BIN)/rewardlab report demo

test: $(STAMP) ## Run the tests
	$(BIN)/python -m pytest -n auto

check: $(STAMP) ## Lint, types, import rules, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto

parity: $(STAMP) ## Step the fast engine beside Farama's MiniGrid, a million steps over all ids (some minutes)
	$(BIN)/python -m tests.gridworld.parity --steps 1000000

suites: $(SUITES)/.installed ## Test MiniHack in an environment of its own: NLE wants an older gymnasium than .venv has
	$(SUITES)/bin/python -m pytest -k minihack tests/envs/external/test_minihack.py tests/envs/grids/test_presets.py \
		tests/config/test_experiment.py tests/contracts/test_every_choice.py

torture: $(STAMP) ## Kill, starve and crowd runs and sweeps; the figures of docs/reliability.md (some ten minutes, root for the disks)
	nice -n 10 $(BIN)/python -m tests.torture

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP) ## Write requirements.lock from what is installed in .venv
	echo "# Exact versions of everything in .venv; made by \`make lock\`." > requirements.lock
	$(BIN)/python -m pip freeze --exclude-editable --exclude rewardlab | sed 's/^torch==\([0-9.]*\).*/torch==\1/' >> requirements.lock

clean: ## Remove .venv and .venv-suites
	rm -rf $(VENV) $(SUITES)

# torch first and by itself, what it needs with the rest. On Linux from PyTorch's own index, too: its CPU build wins over the plain one,
# which brings 5 GB of CUDA. `make demo TORCH_INDEX=` takes the plain one.
ifeq ($(shell uname),Linux)
TORCH_INDEX ?= --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu
endif

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps $(TORCH_INDEX) $$(grep '^torch==' requirements.lock)
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

# All of the lock but what NLE pins otherwise; the extra's packages as pyproject.toml has them.
EXTRA := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["minihack"])

$(SUITES)/.installed: requirements.lock pyproject.toml
	test -x $(SUITES)/bin/python || $(PYTHON) -m venv $(SUITES)
	$(SUITES)/bin/python -m pip install --quiet --no-deps $(TORCH_INDEX) $$(grep '^torch==' requirements.lock)
	grep -v '^gymnasium==' requirements.lock > $(SUITES)/requirements.txt
	$(SUITES)/bin/python -m pip install --quiet --no-deps -r $(SUITES)/requirements.txt
	$(SUITES)/bin/python -m pip install --quiet $$($(SUITES)/bin/python -c '$(EXTRA)')
	$(SUITES)/bin/python -m pip install --quiet --no-deps -e .
	touch $@
