"""Members as arrays of Slurm jobs, sent through submitit; what has been sent is noted in the study folder, so that any later process,
a dependent job too, finds it again.

    runs/<study>/slurm/sent.json     job of each member that has been sent and not been gathered; the job that gathers
    runs/<study>/slurm/cancelled     jobs that `interfem study cancel` has given up
    runs/<study>/slurm/<job>_...     submitit's files: what is to run, its result, messages of the batch script
"""

from __future__ import annotations

import json
import logging
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from submitit import JobEnvironment, SlurmExecutor
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError, JobPaths, pickle_load

from ..observe.record import write_json
from .engine import LOOK, Cancelled, Ended, Job, by_srun, end, start
from .file import EngineTable, StudyError, option
from .gather import read_run

log = logging.getLogger("interfem")

AT_ONCE = 32  # members, where the study says nothing
ARRAY = 1000  # members in one array; Slurm's own limit is 1001 unless a site has changed it
SOON, LATE = 1.0, 30.0  # s between looks at the queue: at first, and at most
TOLD = signal.SIGUSR2  # what submitit takes as "your time is nearly over"
FINAL = {  # state of a job that has ended: why a run was cut off
    "COMPLETED": "", "FAILED": "", "TIMEOUT": "out of time", "CANCELLED": "cancelled", "NODE_FAIL": "its node failed",
    "OUT_OF_MEMORY": "out of memory", "PREEMPTED": "preempted", "BOOT_FAIL": "its node did not start", "DEADLINE": "past its deadline",
    "REVOKED": "revoked",
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A job as the scheduler sees it; `why` it waits, if it does."""

    state: str
    why: str = ""


@dataclass
class MemberRun:
    """What a job does on its node: the member's command on its ranks; (exit status, seconds since the first start)."""

    job: Job
    ranks: int
    launcher: str
    grace: float  # s for a run to write its state
    spent: float = 0.0
    began: float = 0.0
    process: subprocess.Popen | None = None

    def __call__(self) -> tuple[int, float]:
        JobEnvironment().paths.result_pickle.unlink(missing_ok=True)  # of an earlier start: Slurm may end submitit as it queues a job again
        self.began = time.monotonic()
        self.process = start(self.job, self.ranks, self.launcher)
        while not self._ended():
            time.sleep(LOOK)
        return self.process.returncode, self.spent + time.monotonic() - self.began

    def _ended(self) -> bool:
        """With `checkpoint` held off, which waits for the process too."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {TOLD})
        ended = self.process.poll() is not None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {TOLD})
        return ended

    def checkpoint(self) -> DelayedSubmission:
        """Called by submitit shortly before the time limit: let the run write its state and end; then submitit queues the job again."""
        if self.process is not None:
            end([self.process], self.grace, self._ask)
        spent = self.spent + time.monotonic() - self.began
        return DelayedSubmission(replace(self, spent=spent, process=None))


    def _ask(self, process: subprocess.Popen) -> None:
        """SIGTERM for the ranks. srun does not pass it on but kills them; Slurm hands it to those that srun has started."""
        if by_srun(self.ranks, self.launcher):
            subprocess.run(["scancel", "--signal=TERM", os.environ["SLURM_JOB_ID"]], stdin=subprocess.DEVNULL)
        else:
            process.terminate()


@dataclass(frozen=True)
class Slurm:
    """A cluster. Closing the iterator, or an exception, leaves jobs in the queue: the next process goes on with them."""

    settings: EngineTable
    folder: Path  # of the study
    study: Path  # its file

    @property
    def ranks(self) -> int:
        return self.settings.ranks

    @property
    def at_once(self) -> int:
        return self.settings.jobs or AT_ONCE

    def under_way(self) -> set[str]:
        return set(read_sent(self.folder)["jobs"])

    def send(self, jobs: list[Job]) -> None:
        """Queue those that are not there yet, and a job that gathers all when they have ended. StudyError if Slurm refuses them."""
        self._let_cancelled_end()
        sent = read_sent(self.folder)
        fresh = [job for job in jobs if job.key not in sent["jobs"] or not job.folder.is_dir()]
        if not fresh:
            return
        absent = [name for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None]
        if absent:
            raise StudyError(f"engine slurm: there is no {absent[0]} on this machine; submit from a node of the cluster, or say --engine local")
        sent |= {"study": str(self.study.absolute()), "ranks": self.ranks}
        for n in range(0, len(fresh), ARRAY):
            after = sorted({number.partition("_")[0] for number in sent["jobs"].values()}) if n else []
            sent["jobs"] |= self._array(fresh[n : n + ARRAY], after)
            write_json(_sent_file(self.folder), sent)
        log.info("sent %d members to Slurm: %s", len(fresh), ", ".join(arrays(sent["jobs"].values())))
        _scancel([sent["collector"]] if sent["collector"] else [])
        sent["collector"] = self._collector(arrays(sent["jobs"].values()))
        write_json(_sent_file(self.folder), sent)

    def run(self, jobs: list[Job]) -> Iterator[Ended]:
        self.send(jobs)
        yield from self.gather(jobs)
        sent = read_sent(self.folder)
        if not sent["jobs"] and sent["collector"]:
            _scancel([sent["collector"]])  # nothing is left to it

    def gather(self, jobs: list[Job]) -> Iterator[Ended]:
        """Those that have been sent, as they end."""
        numbers = read_sent(self.folder)["jobs"]
        left = {job: numbers[job.key] for job in jobs if job.key in numbers}
        began, gone, shown, dropped = time.monotonic(), set(), "", False
        while left:
            given_up, seen, results = read_cancelled(self.folder), look(left.values()), set(os.listdir(self.folder / "slurm"))
            for job, number in list(left.items()):
                ended = self._ended(job, number, seen, results, gone)
                if ended is None:
                    continue
                lost = number in given_up and read_run(job.folder).get("status") != "completed"  # the study is to run it again
                if not lost:
                    yield ended
                dropped |= lost
                _forget(self.folder, job.key, number)
                del left[job]
            told = told_queue(left.values(), seen)
            if told != shown:
                log.info("Slurm: %s", told)
                shown = told
            if left:
                time.sleep(min(LATE, max(SOON, (time.monotonic() - began) / 20)))
        if dropped:
            raise Cancelled

    # ---- one job ------------------------------------------------------------------------------------------------------

    def _ended(self, job: Job, number: str, seen: dict[str, Seen] | None, results: set[str], gone: set[str]) -> Ended | None:
        """How a job has ended; None if it has not, or not for sure: a result may come to sight later than the end of its job."""
        paths, final = JobPaths(self.folder / "slurm", number, 0), _is_final(number, seen)
        if paths.result_pickle.name in results:
            kind, found = pickle_load(paths.result_pickle)
            status, seconds = found if kind == "success" else (1, math.nan)
            if status not in (0, 2) and not final:
                return None  # why it was cut off is not known yet, or it queues again
            if kind != "success":
                return Ended(job, status, seconds, _cut_short(found, self.settings))
            return Ended(job, status, seconds, "" if status in (0, 2) else FINAL.get(seen[number].state, "") if number in seen else "")
        if final and number not in gone:
            gone.add(number)
        elif final:
            return Ended(job, 1, math.nan, _how_it_went(number, seen, paths.stdout))
        return None

    def _let_cancelled_end(self) -> None:
        """Forget what was given up before, once it is out of the way."""
        given_up = read_cancelled(self.folder)
        ending = {key: number for key, number in read_sent(self.folder)["jobs"].items() if number in given_up}
        while ending and not all(_is_final(number, seen) for seen in [look(ending.values())] for number in ending.values()):
            time.sleep(SOON)
        for key, number in ending.items():
            _forget(self.folder, key, number)

    # ---- submission ---------------------------------------------------------------------------------------------------

    def _array(self, jobs: list[Job], after: list[str]) -> dict[str, str]:
        """Job numbers of members, in one array."""
        grace = self.settings.warning / 2
        runs = [MemberRun(job, self.ranks, self.settings.launcher or default_launcher(), grace) for job in jobs]
        for job in jobs:
            job.folder.mkdir(parents=True, exist_ok=True)
        executor = self._executor(self.ranks, self.settings.minutes, after, {"signal": f"B:{TOLD.name[3:]}@{round(self.settings.warning)}"})
        return dict(zip((job.key for job in jobs), (job.job_id for job in _sent(lambda: executor.submit_array(runs)))))

    def _collector(self, after: list[str]) -> str:
        words = [sys.executable, "-m", "interfem.cli", "study", "collect", str(self.folder.absolute())]
        executor = self._executor(1, min(60, self.settings.minutes), after, {})
        return _sent(lambda: executor.submit(subprocess.call, words)).job_id

    def _executor(self, tasks: int, minutes: int, after: list[str], more: dict[str, str]) -> SlurmExecutor:
        """The batch script becomes Python, so that signals reach it; srun, if any, starts the ranks of a run only."""
        table = self.settings
        executor = SlurmExecutor(self.folder / "slurm", max_num_timeout=table.requeues, python=f"exec {shlex.quote(sys.executable)}")
        load = [f"module load {shlex.join(table.modules)} || exit 1"] if table.modules else []
        flags = {"ntasks": tasks, "requeue": True} | more | dict(map(option, table.sbatch))
        executor.update_parameters(
            job_name=f"interfem-{self.folder.absolute().name}", account=table.account, partition=table.partition, time=minutes,
            cpus_per_task=1, array_parallelism=self.at_once, setup=[*load, *table.setup], use_srun=False, stderr_to_stdout=True,
            wckey=None, dependency=f"afterany:{':'.join(after)}" if after else None, additional_parameters=flags,
        )
        return executor


def default_launcher() -> str:
    """conda's MPI is the cluster's, or fits its srun; the one from pip starts its ranks by its own mpirun, on one node."""
    return "srun" if (Path(sys.prefix) / "conda-meta").is_dir() else "mpirun"


def _sent(submit):
    try:
        return submit()
    except (FailedJobError, FailedSubmissionError) as error:
        told = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in str(error).splitlines() if "sbatch: " in line]
        raise StudyError(f"engine slurm: refused: {'; '.join(told) or error}; see the table [engine] of the study or site file") from None


# ---- what has been sent -----------------------------------------------------------------------------------------------


def _sent_file(folder: Path) -> Path:
    return folder / "slurm" / "sent.json"


def read_sent(folder: Path) -> dict:
    """{"jobs": {key of a member: job}, "collector": job, "study": file, "ranks": ranks}; empty if nothing has been sent."""
    try:
        return json.loads(_sent_file(folder).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"jobs": {}, "collector": None, "study": None, "ranks": None}


def _forget(folder: Path, key: str, number: str) -> None:
    """A job that has been gathered, or given up."""
    sent = read_sent(folder)
    if sent["jobs"].get(key) == number:
        del sent["jobs"][key]
        write_json(_sent_file(folder), sent)


def read_cancelled(folder: Path) -> set[str]:
    path = folder / "slurm" / "cancelled"
    return set(path.read_text(encoding="utf-8").split()) if path.is_file() else set()


def cancel(folder: Path) -> int:
    """Take the jobs of a study from the queue and end those that run; how many there were."""
    sent = read_sent(folder)
    numbers = list(sent["jobs"].values())
    if numbers:
        with open(folder / "slurm" / "cancelled", "a", encoding="utf-8") as file:
            file.writelines(f"{number}\n" for number in numbers)
        _scancel([*numbers, *filter(None, [sent["collector"]])])
    return len(numbers)


# ---- the scheduler ----------------------------------------------------------------------------------------------------


def look(numbers: Iterable[str]) -> dict[str, Seen] | None:
    """How jobs stand; those that Slurm no longer knows are left out. None if it does not answer."""
    asked = set(numbers)
    words = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%i|%T|%r"]
    told = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if told.returncode:
        log.warning("squeue does not answer: %s", told.stderr.strip() or f"exit status {told.returncode}")
        return None
    found = {}
    for line in told.stdout.splitlines():
        number, state, why = line.strip().split("|", 2)
        if number in asked:
            found[number] = Seen(state, "" if why == "None" else why)
    return found | _accounted(asked - set(found))


def _accounted(numbers: set[str]) -> dict[str, Seen]:
    """Jobs that have left the queue, where the cluster keeps accounts."""
    if not numbers or shutil.which("sacct") is None:
        return {}
    words = ["sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State", "--jobs", ",".join(arrays(numbers))]
    told = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    rows = [line.split("|", 1) for line in told.stdout.splitlines() if "|" in line]
    return {number: Seen(state.split()[0]) for number, state in rows if number in numbers and state}


def _is_final(number: str, seen: dict[str, Seen] | None) -> bool:
    return seen is not None and (number not in seen or seen[number].state in FINAL)


def arrays(numbers: Iterable[str]) -> list[str]:
    """"12" of "12_3" and "12_4"."""
    return sorted({number.partition("_")[0] for number in numbers}, key=int)


def told_queue(numbers: Iterable[str], seen: dict[str, Seen] | None) -> str:
    """"2 running, 3 pending (Resources), 1 ended": of the last, how it ended is known when it is gathered."""
    def told(number: str) -> str:
        found = (seen or {}).get(number, Seen("unknown"))
        why = f" ({found.why})" if found.why and found.state == "PENDING" else ""
        return "ended" if found.state in FINAL else f"{found.state.lower()}{why}"

    counts = Counter(map(told, numbers))
    return ", ".join(f"{count} {text}" for text, count in sorted(counts.items())) or "no job left"


def _how_it_went(number: str, seen: dict[str, Seen], messages: Path) -> str:
    """Why a job ended that left no result."""
    if number not in seen:
        return f"lost: Slurm knows nothing of job {number} any more, and it left no result"
    state = seen[number].state
    if FINAL[state]:
        return f"{FINAL[state]} (job {number})"
    lines = messages.read_text(encoding="utf-8", errors="replace").splitlines() if messages.is_file() else []
    return f"killed, or never begun: job {number} is {state} without a result; its last words: {' '.join(lines[-1:]) or 'none'}"


def _cut_short(trace: str, settings: EngineTable) -> str:
    """Why submitit ended a run."""
    if "timed-out too many times" in trace:
        return f"out of time: queued again {settings.requeues} times, as often as `requeues` allows"
    return f"the job failed: {trace.strip().splitlines()[-1]}"


def _scancel(numbers: list[str]) -> None:
    if numbers:
        subprocess.run(["scancel", *numbers], capture_output=True, stdin=subprocess.DEVNULL)
