"""The door to MPI: load the libraries in an order that works, refuse a wrong launch, let no rank wait for a dead one.

Import this module before dolfinx: the wheel dolfinx-solver-real needs its own module loaded first (conda builds have none).
"""

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping

if importlib.util.find_spec("dolfinx_solver"):
    importlib.import_module("dolfinx_solver")

from mpi4py import MPI  # noqa: E402

# Ranks of this launch, as the launcher tells each process; the innermost launcher first. SLURM_NTASKS is not among them: it is
# set in all of a batch script, where a serial `interfem check` or a smaller mpirun are in order.
LAUNCHERS = {
    "OMPI_COMM_WORLD_SIZE": "Open MPI's mpirun",
    "PMI_SIZE": "mpirun or srun",
    "SLURM_STEP_NUM_TASKS": "srun",
}


class LaunchError(RuntimeError):
    """The processes that were started do not form the one parallel run that was asked for."""


def world() -> MPI.Intracomm:
    """All ranks of this launch; from here on, an uncaught exception on one rank ends all of them."""
    comm = MPI.COMM_WORLD
    check_size(comm.size, os.environ)
    if comm.size > 1:
        sys.excepthook = abort
    return comm


def check_size(size: int, environment: Mapping[str, str]) -> None:
    """LaunchError when the launcher started another number of ranks than MPI sees, as N separate copies of a serial run."""
    variable = next((name for name in LAUNCHERS if name in environment), None)
    if variable is not None and int(environment[variable]) != size:
        raise LaunchError(
            f"{variable} = {environment[variable]}: {LAUNCHERS[variable]} started that many processes, but MPI sees {size}, "
            "so they would run as separate copies. Launch with the mpirun beside this Python "
            f"({os.path.join(sys.prefix, 'bin', 'mpirun')}), or with a matching `srun --mpi=...` (`srun --mpi=list` shows them)."
        )


def abort(kind, error, trace) -> None:
    """`sys.excepthook` of a parallel run: print the traceback with its rank, then end every rank with exit status 1."""
    comm = MPI.COMM_WORLD
    message = "".join(traceback.format_exception(kind, error, trace))
    print(f"{message}rank {comm.rank} of {comm.size} failed: ending all ranks", file=sys.stderr, flush=True)
    comm.Abort(1)
