"""A Slurm of our own for tests: munge, a controller and one node, on loopback, without systemd; gone when the test process is."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
PATH = f"{os.environ['PATH']}:/usr/sbin"
CORES = 2

# A job that queues again waits as long as a credential lives, 120 s unless cred_expire says less.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=pmi2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ReturnToService=2
KillWait=30
JobRequeue=1
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=other Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=batch Nodes=ALL MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """The environment in which Slurm's commands find it."""
    with tempfile.TemporaryDirectory(prefix="slurm") as name, ExitStack() as daemons:
        folder, host = Path(name), socket.gethostname().partition(".")[0]
        for inner in ("state", "spool"):
            (folder / inner).mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        configuration = folder / "slurm.conf"
        controller, node = _free_ports()
        configuration.write_text(CONFIGURATION.format(host=host, controller=controller, node=node, folder=folder, cores=CORES,
                                                      user=subprocess.check_output(["id", "-un"], text=True).strip()))  # fmt: skip
        environment = os.environ | {"PATH": PATH, "SLURM_CONF": str(configuration)}
        private = [f"--{option}={folder}/munge.{option.partition('-')[0]}" for option in ("pid-file", "log-file", "seed-file")]
        commands = [
            ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.sock", *private],
            ["slurmctld", "-D", "-c", "-f", configuration],
            ["slurmd", "-D", "-c", "-f", configuration, "-N", host],
        ]
        for command in commands:
            daemons.enter_context(_daemon([str(word) for word in command], folder, environment))
        until = time.monotonic() + 60
        while "idle" not in (told := _told(["sinfo", "--noheader", "--format=%T"], environment)):
            assert time.monotonic() < until, f"no node came up: {told}\n{(folder / 'messages.txt').read_text()}"
            time.sleep(0.2)
        try:
            yield environment
        finally:
            _told(["scancel", "--user", str(os.getuid())], environment)
            while _told(["squeue", "--noheader"], environment).strip() and time.monotonic() < until + 600:
                time.sleep(0.2)


@contextmanager
def _daemon(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with open(folder / "messages.txt", "a") as file:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                   env=environment)  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _told(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, timeout=60)
    return done.stdout + done.stderr


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for door in (first, second):
            door.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
