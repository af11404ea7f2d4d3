"""The C compiler that makes libraries of forms, and the folder in which these stay; both may be missing or broken."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # errors of disks that know none
REMEDY = "forms are compiled at run time: install gcc and the headers of C (Debian: gcc libc6-dev), or name a C compiler that works in CC"


class CompilerError(RuntimeError):
    """Forms cannot be compiled, or not be kept: what is missing, and what to do; one line."""


def compiler() -> list[str]:
    """Its command: $CC, or what Python was built with."""
    words = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    try:
        return shlex.split(words)
    except ValueError as error:
        raise CompilerError(f"CC = {words}: {error}") from None


def compile_once(libraries: Sequence[Path], text: Callable[[Path], str], flags: list[str]) -> None:
    """Those that are not there, by one call of the compiler: `text` gives the C code of each. Raises CompilerError.

    One of all processes does it, while others wait for its locks, which end with it; where the disk knows none, each. All names are of
    one file, which is there as a whole or not at all.
    """
    if all(library.exists() for library in libraries):
        return
    with _kept_in(libraries[0].parent), ExitStack() as stack:
        for library in sorted(set(libraries)):  # in one order, or two would wait for each other
            _lock(stack.enter_context(open(library.with_suffix(".lock"), "a")))
        missing = [library for library in dict.fromkeys(libraries) if not library.exists()]
        if missing:
            _compile("\n".join(map(text, missing)), flags, missing)


@contextmanager
def _kept_in(folder: Path):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise CompilerError(f"{folder}: compiled forms cannot be kept ({error.strerror}); make room, or name another folder in XDG_CACHE_HOME") from None


def _lock(file) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _compile(text: str, flags: list[str], libraries: list[Path]) -> None:
    """In a file of this process's own, as others may be at it where the disk knows no locks."""
    part = libraries[0].with_suffix(f".{socket.gethostname()}.{os.getpid()}.part")
    command = [*compiler(), *flags, "-x", "c", "-", "-lm", "-o", str(part)]
    with tempfile.TemporaryFile("w+", dir=part.parent, encoding="utf-8") as source:
        source.write(text)
        source.seek(0)
        _build(command, source, part, libraries)


def _build(command: list[str], source: IO[str], part: Path, libraries: list[Path]) -> None:
    try:
        _call(command, source)
        _load(command, part)  # of no other machine
        for library in libraries:
            _name(part, library)
    finally:
        part.unlink(missing_ok=True)


def _load(command: list[str], part: Path) -> None:
    try:
        ctypes.CDLL(str(part))
    except OSError as error:
        raise CompilerError(f"{shlex.join(command)}: makes nothing that this machine can load ({error}); {REMEDY}") from None


def _call(command: list[str], source: IO[str]) -> None:
    """From a file: of a compiler that ends before it has read a pipe, PETSc would hear by a signal, and abort."""
    try:
        done = subprocess.run(command, stdin=source, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise CompilerError(f"{command[0]}: {error.strerror}; {REMEDY}") from None
    if done.returncode < 0:
        raise CompilerError(f"{command[0]}: was ended by {_signal(-done.returncode)} (is there memory enough?); {REMEDY}")
    if done.returncode:
        told = done.stderr.splitlines() or [f"status {done.returncode}"]
        raise CompilerError(f"{shlex.join(command)}: {next((line for line in told if 'error' in line), told[-1])}; {REMEDY}")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _name(part: Path, library: Path) -> None:
    """Give it a further name, or a copy where the disk knows no hard links."""
    try:
        os.link(part, library)
    except FileExistsError:
        pass
    except OSError:
        copy = part.with_suffix(".copy")
        try:
            shutil.copy(part, copy)
            copy.replace(library)
        finally:
            copy.unlink(missing_ok=True)
