# The project's commands. Those that need the local node run as root; see README.md.
.DEFAULT_GOAL := help
.PHONY: help up down env status image test test-long check format bench bench-mesh clean lock venv any-venv
PYTHON := .venv/bin/python

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | sed 's/\$$\$$/$$/' | expand -t 19

up: venv ## from a fresh machine to a running canary; safe to repeat
	@$(PYTHON) -m local up

down: any-venv ## end the local nodes, leaving nothing behind; their data stays for the next `make up`
	@$(PYTHON) -m local down
	@[ ! -d .local/second ] || $(PYTHON) -m tests.harness.second_clone

status: any-venv ## which nodes there are, and what runs on each
	@$(PYTHON) -m local status

image: venv ## bring an image of your own to the nodes: IMAGE=name:tag [ARCHIVE=file.tar]
	@$(PYTHON) -m local image "$(IMAGE)" $(if $(ARCHIVE),"$(ARCHIVE)")

env: venv ## what a shell needs for plain pulumi and kubectl: eval "$$(make -s env)"
	@$(PYTHON) -m local env

PYTEST := $(PYTHON) -m pytest --numprocesses=3 --no-loadscope-reorder

test: venv ## what each change has to pass, on local nodes; PYTEST_ARGS="tests/unit" for a part
	@$(PYTHON) -m local build
	@$(if $(PYTEST_ARGS),$(PYTHON) -m pytest $(PYTEST_ARGS),$(PYTEST) -m "not long")

# The long tests on the nodes wait most of the time: two sets of them (docs/decisions/0021).
test-long: venv ## the tests of what takes minutes: faults, TLS, topologies, rollouts
	@$(PYTHON) -m local build
	@$(PYTEST) -m long --second-nodes

check: venv ## format, lint, types
	@local/check.sh

format: venv ## put the sources into the form that `make check` asks for
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix --quiet .
	@gofmt -w $$(git ls-files '*.go')

bench: venv ## speed and memory, each against a floor or a peer in the same run
	@$(PYTHON) -m bench

bench-mesh: venv ## what the mesh costs by path and TLS; on a cluster with BENCH_ARGS=cluster
	@$(PYTHON) -m bench.mesh $(BENCH_ARGS)

clean: ## `make down`, and remove all that these commands have made in this folder
	@[ ! -d .local ] || { local/venv.sh --any && $(PYTHON) -m local down; }
	@[ ! -d .local/second ] || $(PYTHON) -m tests.harness.second_clone
	rm -rf .local .venv policy/.venv Pulumi.local.yaml .mypy_cache .ruff_cache .pytest_cache .hypothesis

LOCK := env -u PIP_FIND_LINKS .venv/bin/uv pip compile --quiet
HASHED := --universal --generate-hashes --no-emit-index-url --no-emit-find-links

lock: venv ## write the lock files anew from pyproject.toml
	$(LOCK) pyproject.toml $(HASHED) -o requirements.txt
	$(LOCK) pyproject.toml --group dev $(HASHED) -o requirements-dev.txt
	$(LOCK) --group policy $(HASHED) -o policy/requirements.txt

venv:
	@local/venv.sh

any-venv:
	@local/venv.sh --any
