"""What all tests share: the folder of a test is its kind; under mpirun there is one report, and a failed rank ends all."""

import os
import sys
from pathlib import Path

from interfem.mpi import world

COMM = world()


def pytest_configure():
    if COMM.rank > 0:
        sys.stdout = open(os.devnull, "w")


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(item.path.relative_to(Path(__file__).parent).parts[0])


def pytest_exception_interact(node, report):
    if COMM.size > 1:
        print(f"{report.longreprtext}\n{node.nodeid} failed on rank {COMM.rank} of {COMM.size}", file=sys.stderr, flush=True)
        COMM.Abort(1)
