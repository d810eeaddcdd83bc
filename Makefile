# Short names for the commands a newcomer needs. Each is one line through docker/dev.sh, which sets up what is missing;
# DEV="bash docker/dev.sh --host" keeps to this machine's Python where a Docker engine answers.
DEV ?= bash docker/dev.sh
ENV ?= FetchReach-v4
SEEDS ?= 0-99
OUT ?= checkpoints/first

.DEFAULT_GOAL := help
.PHONY: help setup image shell test test-docker test-slurm lint format train eval doctor tensorboard clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything, once
	$(DEV) python --version

image: ## build the container's image (again)
	bash docker/build.sh

shell: ## a shell with everything set up
	$(DEV)

test: ## run the tests
	$(DEV) pytest

test-docker: ## run the container for real, too
	bash docker/dev.sh --host pytest -m docker

test-slurm: ## run sweeps on the Slurm cluster of this machine, too
	bash docker/dev.sh --host pytest -m slurm

lint: ## check style
	$(DEV) ruff check .

format: ## sort imports and fix what can be fixed
	$(DEV) ruff check --fix .

train: ## train SAC with hindsight on ENV, write to OUT
	$(DEV) python train.py --algo sac --her --env $(ENV) --seed 0 --out $(OUT)

eval: ## evaluate OUT on ENV, an episode for each of SEEDS
	$(DEV) python eval.py --ckpt $(OUT).zip --env $(ENV) --seeds $(SEEDS) --deterministic --json-out $(OUT).eval.json

doctor: ## what this machine can do
	$(DEV) python scripts/doctor.py

tensorboard: ## curves of the runs at http://localhost:6006
	$(DEV) bash -c 'exec tensorboard --logdir runs --host "$${TENSORBOARD_HOST:-localhost}"'

clean: ## remove both environments and all caches; runs and checkpoints stay
	rm -rf .venv .venv-host build *.egg-info .pytest_cache .ruff_cache .hypothesis
