# The front door of interfem. `make demo` and `make test` do their own set-up, in .venv.
# Needs Linux on x86-64 (glibc >= 2.34), Python >= 3.12 with venv, gcc, and the X and OpenGL libraries that
# Gmsh's wheel links against and off-screen rendering loads; `make system` installs all but Python on Debian or Ubuntu.

RANKS ?= 2
JOBS ?= 2
BIN := .venv/bin
MPIRUN := $(BIN)/mpirun
CASES := bare interlayer alloy
DEBIAN := gcc libc6-dev python3-venv \
    libfontconfig1 libegl1 libgl1 libglu1-mesa libgomp1 libxcursor1 libxext6 libxfixes3 libxft2 libxinerama1 libxrender1
VIEWERS := chromium python3-paraview xvfb xauth
SLURM := slurmctld slurmd slurm-client munge
APT := apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
export OMP_NUM_THREADS := 1
export MPLBACKEND := Agg
export PYVISTA_OFF_SCREEN := true
unexport PYTHONPATH PYTHONHOME

.PHONY: help setup system system-viewers system-slurm demo test bench peers docs lock clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    solve the bare, interlayer and alloy cases on $(RANKS) ranks and compare them in runs/demo"
	@echo "make test    all tests: unit, verify, gallery, then tests/mpi on 2 and 3 ranks"
	@echo "make setup   only build .venv from requirements.lock (PYTHON=/path/to/python chooses the interpreter)"
	@echo "make system  as root, install the Debian or Ubuntu packages it needs; for its tests, make system-viewers: browser and ParaView,"
	@echo "             make system-slurm: a Slurm that they start themselves"
	@echo "make bench   speed and size, as JSON        make docs   build docs/build/index.html"
	@echo "make peers   interfem beside other codes, which are installed apart"
	@echo "make lock    renew requirements.lock (uv)   make clean  remove .venv, runs/ and cached meshes"

demo: setup
	for case in $(CASES); do \
	    $(MPIRUN) -n $(RANKS) $(BIN)/interfem run models/cases/$$case.toml --out runs/demo/$$case </dev/null; \
	done
	$(BIN)/interfem compare $(CASES:%=runs/demo/%) --out runs/demo
	@echo "Look at runs/demo (table and figures); fields for ParaView: $(CASES:%=runs/demo/%/fields)"

test: setup
	timeout --foreground -k 10 2400 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile </dev/null
	timeout --foreground -k 10 1200 $(MPIRUN) -n 2 $(BIN)/python -m pytest tests/mpi </dev/null
	timeout --foreground -k 10 1200 $(MPIRUN) -n 3 $(BIN)/python -m pytest tests/mpi -k "not state and not (goes_on and loaded) and not disk and not remesh" </dev/null

bench: setup bench/run.py
	$(BIN)/python bench/run.py

# R1 and R2 beside plain DOLFINx, NGSolve and scikit-fem, which get an environment of their own; hours. For less, PEERS="R1 --unknowns 5e4".
peers: setup bench/peers.py
	@test -e "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" \
	    || { echo "Plain DOLFINx compiles forms against the headers of Python, and this one has none (Python.h): install python3-dev"; exit 1; }
	test -x .venv-peers/bin/python || python3 -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement bench/requirements-peers.txt
	$(BIN)/python bench/peers.py --peers .venv-peers/bin/python $(PEERS)

docs: setup docs/build.py
	$(BIN)/python docs/build.py

setup: .venv/ready

.venv/ready: .venv/locked pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# About 350 MB of wheels, 1.4 GB installed. Root on Debian or Ubuntu gets system packages too; others are told what is missing.
.venv/locked: requirements.lock
	-@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then $(MAKE) --no-print-directory system; fi
	@python=; \
	for candidate in "$(PYTHON)" python3 python3.14 python3.13 python3.12 "$$HOME"/.pyenv/versions/3.1[2-4]*/bin/python; do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	test -n "$$python" || { echo "No Python >= 3.12 found: install one, or say make PYTHON=/path/to/python"; exit 1; }; \
	echo "Setting up .venv with $$("$$python" --version) ($$python)"; \
	"$$python" -m venv --clear .venv
	@command -v gcc >/dev/null || { echo "No gcc found, and forms are compiled at run time: make system, or install gcc"; exit 1; }
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	@$(BIN)/python -c 'import ctypes, gmsh; ctypes.CDLL("libEGL.so.1")' \
	    || { echo "Gmsh or rendering lacks a system library: make system, as root, or install the like of $(DEBIAN)"; exit 1; }
	@touch $@

# As root, on Debian or Ubuntu.
system:
	@dpkg --status $(DEBIAN) >/dev/null 2>&1 || { $(APT) update -qq && $(APT) install -y -qq --no-install-recommends $(DEBIAN); }

# As root, on Debian: a browser for the pages, ParaView for the field files (340 MB to fetch, 1.7 GB installed, a minute). Tests that need them skip without.
system-viewers:
	@dpkg --status $(VIEWERS) >/dev/null 2>&1 || { $(APT) update -qq && $(APT) install -y -qq --no-install-recommends $(VIEWERS) >/dev/null; }

# As root, on Debian or Ubuntu: Slurm, of which tests start a cluster of their own (40 MB installed, 15 s). They skip without.
system-slurm:
	@dpkg --status $(SLURM) >/dev/null 2>&1 || { $(APT) update -qq && $(APT) install -y -qq --no-install-recommends $(SLURM) >/dev/null; }

lock:
	uv pip compile --quiet --upgrade --python-version 3.12 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	    --extra test --extra docs --output-file requirements.lock pyproject.toml requirements.in

clean:
	rm -rf .venv .venv-peers runs dist .pytest_cache .ruff_cache
	rm -rf meshes/*.*
