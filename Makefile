# `make help` lists the targets. Everything is made in ./.venv, ./build, ./install and ./out.
PYTHON ?= python3
SOURCE ?=
OUT ?= out/demo
FAULTS ?=
MINUTES ?= 5
TOPIC ?=
CAMERA_INFO ?=
RATE ?=
PRESET ?=
PRIVACY ?=
PYTEST_ARGS ?= -n 2 --dist worksteal
WHEELS ?= wheels

VENV := .venv
# The environment of a ROS workspace: the wheels' (or the machine's) ROS below, this package on top.
ENTER := . $(VENV)/bin/activate && . install/setup.sh &&

.PHONY: help demo figures test lint typecheck reliability performance bench-gpu bench-gpu-wheels build clean

help:  ## Show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: build  ## Run the chain on a clip over DDS; SOURCE=video, pictures, bag, camera number; OUT=folder; TOPIC=, CAMERA_INFO=, RATE=, PRESET=, PRIVACY=blur or skeleton
	@$(ENTER) python tools/demo.py --out "$(OUT)" $(if $(SOURCE),--source "$(SOURCE)") \
		$(if $(TOPIC),--topic "$(TOPIC)") $(if $(CAMERA_INFO),--camera-info "$(CAMERA_INFO)") $(if $(RATE),--rate "$(RATE)") \
		$(if $(PRESET),--preset "$(PRESET)") $(if $(PRIVACY),--privacy "$(PRIVACY)")

figures:  ## Write the README's figures from the last `make demo`, docs/measured and the models' cards
	@$(PYTHON) tools/bootstrap.py --tests
	@$(ENTER) python tools/figures.py

build:  ## Make .venv and install/ (at once when nothing changed)
	@$(PYTHON) tools/bootstrap.py

test:  ## Install what the tests need and run them; PYTEST_ARGS=…
	@$(PYTHON) tools/bootstrap.py --tests
	@$(ENTER) python -m pytest $(PYTEST_ARGS)

lint:  ## Style and formatting
	@$(PYTHON) tools/bootstrap.py --tests
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

typecheck:  ## mypy --strict over posemo_ros and train
	@$(PYTHON) tools/bootstrap.py --tests
	@$(VENV)/bin/mypy

reliability: build  ## Hurt running nodes and write down what happened (docs/reliability.md); FAULTS="kill run" MINUTES=5
	@$(ENTER) python tools/reliability.py $(FAULTS) --minutes $(MINUTES) $(if $(FAULTS),,--write)

performance: build  ## Write the tables of docs/performance.md anew from the files in docs/bench
	@$(ENTER) python tools/performance.py

bench-gpu:  ## Measure on a GPU, without network: docs/performance_gpu.md; WHEELS=folder of wheels
	@$(PYTHON) tools/bench_gpu.py --wheels "$(WHEELS)"

bench-gpu-wheels:  ## Collect the wheels for that, on a machine with a network; WHEELS=folder
	@$(PYTHON) tools/bench_gpu.py --wheels "$(WHEELS)" --collect

clean:  ## Remove everything that was made here, .venv included
	rm -rf $(VENV) .venv-gpu build install log out
