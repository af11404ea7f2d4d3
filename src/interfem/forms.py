"""Compiled forms on the disk, shared by ranks and runs: who waits for whom, and what a killed compiler leaves.

The library notes that a form is being compiled by a file that stays if the compiler is killed, and on which every later run would
wait in vain. Here each compilation holds a lock, which ends with its process.
"""

from __future__ import annotations

import errno
import fcntl
import time
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import IO

import ffcx.codegeneration.jit as compiler
from dolfinx import jit

# s to wait for a form where the disk knows no locks; 10 s are too few on a busy machine
jit.DOLFINX_DEFAULT_JIT_OPTIONS["timeout"] = (120, "Timeout for JIT compilation")

LOOK = 0.1  # s between looks at a form that another process compiles
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # errors of disks that know none
_library = compiler.get_cached_module
_held: list[IO] = []  # lock of what this process compiles


def cached_module(module_name: str, object_names: list[str], cache_dir: Path, timeout: int):
    """A form that is compiled, or (None, None) if this process shall compile it, as the library's own function says.

    A `.c` without `.c.cached`, on which nobody holds the lock, is what a killed compiler has left: it goes.
    """
    source = (Path(cache_dir) / module_name).with_suffix(".c")
    ready = source.with_suffix(".c.cached")
    while _held:  # the last one is compiled
        _held.pop().close()
    if not ready.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        _await_turn(source, ready)
    if not ready.exists():
        return _library(module_name, object_names, cache_dir, timeout)
    module = _loaded(module_name, source.parent)
    return [getattr(module.lib, name) for name in object_names], module


@cache
def _loaded(name: str, folder: Path) -> ModuleType:
    """The compiled module, by its path: the library lists the whole folder each time, thousands of files, to find it there."""
    path = next(path for path in (folder / (name + suffix) for suffix in EXTENSION_SUFFIXES) if path.exists())
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _await_turn(source: Path, ready: Path) -> None:
    """Until the form is compiled, or it is this process that shall compile it."""
    lock = open(source.with_suffix(".lock"), "a")
    while not ready.exists():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK)
            continue
        except OSError as error:
            lock.close()
            if error.errno in NO_LOCKS:
                return
            raise
        if not ready.exists():
            source.unlink(missing_ok=True)
            _held.append(lock)
            return
        break
    lock.close()


compiler.get_cached_module = cached_module
