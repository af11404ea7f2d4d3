"""Compiled forms on the disk, shared by ranks and runs.

The library makes each form an extension of Python, of which the C code is a third of the work (the rest is Python's headers and setuptools), and
leaves a file behind if the compiler is killed, on which every later run would wait in vain. Here the C code alone is compiled, by one of all
that ask for it at the same time; it is there as a whole or not at all. Where a form is integrated is told to it afterwards.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shlex
import socket
import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import cffi
import ffcx.compiler
import numpy as np
import ufl

from . import mpi  # noqa: F401  (before dolfinx)
from dolfinx import jit
from dolfinx.fem import IntegralType
from ffcx import naming
from ffcx.codegeneration import get_include_path
from ffcx.codegeneration.jit import UFC_EXPRESSION_DECL, UFC_FORM_DECL, UFC_HEADER_DECL, UFC_INTEGRAL_DECL

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # errors of disks that know none
COMPILER = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC"))


@jit.mpi_jit_decorator
def compiled(ufl_object: ufl.Form | tuple, form_compiler_options: dict | None = None, jit_options: dict | None = None):
    """A form, or an expression and its points, as the library's own `ffcx_jit` gives it: (C object, where its `ffi` is, no code)."""
    options, how = ffcx.get_options(form_compiler_options), jit.get_options(jit_options)
    flags = ["-std=c17", "-fPIC", "-shared", *how["cffi_extra_compile_args"]]
    kind, labels = "expression", None
    if isinstance(ufl_object, ufl.Form):
        kind, (ufl_object, labels) = "form", _numbered(ufl_object)
    name = f"interfem_{kind}_{naming.compute_signature([ufl_object], str((sorted(options.items()), COMPILER, flags, sysconfig.get_platform())))}"
    library = Path(how["cache_dir"]) / f"{name}.so"
    if not library.exists():
        _compile_once(ufl_object, name, options, flags, library)
    known = naming.form_name(ufl_object, 0, name) if kind == "form" else naming.expression_name(ufl_object, name)
    place = ctypes.addressof(ctypes.c_char.in_dll(ctypes.CDLL(str(library)), known))
    ffi = _declarations(np.dtype(options["scalar_type"]).name)
    found, module = ffi.cast(f"ufcx_{kind} *", place), SimpleNamespace(ffi=ffi)
    if labels:
        found, module.labels = _labelled(found, labels, ffi)
    return found[0], module, None


def _numbered(form: ufl.Form) -> tuple[ufl.Form, dict[str, list[int]]]:
    """The form with the labels of its integrals counted from 0 for each type, and these labels: forms that differ by them are one."""
    labels = {}
    for integral in form.integrals():
        labels.setdefault(integral.integral_type(), set()).update(_labels(integral))
    labels = {kind: sorted(found) for kind, found in labels.items() if found}
    return ufl.Form([_renamed(integral, labels) for integral in form.integrals()]), labels


def _labels(integral: ufl.Integral) -> tuple[int, ...]:
    """None where it is over everything."""
    label = integral.subdomain_id()
    return () if isinstance(label, str) else label if isinstance(label, tuple) else (label,)


def _renamed(integral: ufl.Integral, labels: dict[str, list[int]]) -> ufl.Integral:
    found = tuple(labels[integral.integral_type()].index(label) for label in _labels(integral))
    return integral.reconstruct(subdomain_id=found) if found else integral


def _labelled(form, labels: dict[str, list[int]], ffi: cffi.FFI):
    """A copy of the compiled form with its own labels, and these, which are to be kept as long."""
    form, offsets = ffi.new("ufcx_form *", form[0]), form.form_integral_offsets
    ids = ffi.new("int[]", [form.form_integral_ids[n] for n in range(offsets[len(IntegralType)])])
    for kind in range(len(IntegralType)):
        for n in range(offsets[kind], offsets[kind + 1]):
            ids[n] = labels[IntegralType(kind).name][ids[n]] if ids[n] >= 0 else ids[n]
    form.form_integral_ids = ids
    return form, ids


@cache
def _declarations(scalar: str) -> cffi.FFI:
    """What forms and expressions look like in C."""
    ffi = cffi.FFI()
    ffi.cdef(UFC_HEADER_DECL.format(scalar) + UFC_INTEGRAL_DECL + UFC_FORM_DECL + UFC_EXPRESSION_DECL)
    return ffi


def _compile_once(ufl_object, name: str, options: dict, flags: list[str], library: Path) -> None:
    """By one process, while the others wait for its lock, which ends with it; where the disk knows none, by each."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with open(library.with_suffix(".lock"), "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        if not library.exists():
            _compile(ffcx.compiler.compile_ufl_objects([ufl_object], options, namespace=name)[0][1], flags, library)


def _compile(text: str, flags: list[str], library: Path) -> None:
    """In files of this process's own, as others may be at it where the disk knows no locks."""
    own = f"{socket.gethostname()}.{os.getpid()}"
    code, part = library.with_suffix(f".{own}.c"), library.with_suffix(f".{own}.part")
    code.write_text(text, encoding="utf-8")
    command = [*COMPILER, *flags, f"-I{get_include_path()}", str(code), "-lm", "-o", str(part)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise RuntimeError(f"{COMPILER[0]}: {error.strerror}; forms are compiled at run time: install gcc, or name a C compiler in CC") from None
    if done.returncode:
        raise RuntimeError(f"a form cannot be compiled: {shlex.join(command)}\n{done.stderr}")
    part.replace(library)
    code.unlink()


jit.ffcx_jit = compiled
