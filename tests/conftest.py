"""What all tests share: the folder of a test is its kind; under mpirun there is one report, and a failed rank ends all."""

import os
import sys
from pathlib import Path

import pytest

from interfem.mpi import world

COMM = world()


def pytest_configure():
    if COMM.rank > 0:
        sys.stdout = open(os.devnull, "w")


def pytest_collection_modifyitems(items):
    """Mark each test by its kind; tests that share what they have solved run in one process, in the order of the suite."""
    for item in items:
        item.add_marker(item.path.relative_to(Path(__file__).parent).parts[0])
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        shipped = parameters.get("name") if item.get_closest_marker("gallery") else None
        item.add_marker(pytest.mark.xdist_group(shipped or item.path.stem))


def pytest_exception_interact(node, report):
    if COMM.size > 1:
        print(f"{report.longreprtext}\n{node.nodeid} failed on rank {COMM.rank} of {COMM.size}", file=sys.stderr, flush=True)
        COMM.Abort(1)
