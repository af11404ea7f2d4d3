"""Compiled forms on the disk, shared by ranks and runs.

The library makes each form an extension of Python, of which the C code is a third of the work (the rest is Python's headers and setuptools), and
leaves a file behind if the compiler is killed, on which every later run would wait in vain. Here the C code alone is compiled, see `compiler`;
that of forms asked for together at once, each rank its share of them: to start the compiler takes longer than most forms. Where a form is
integrated is told to it afterwards.
"""

from __future__ import annotations

import ctypes
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import cffi
import ffcx.compiler
import numpy as np
import ufl
from mpi4py import MPI

from . import mpi  # noqa: F401  (before dolfinx)
from dolfinx import default_scalar_type, fem, jit
from dolfinx.fem import IntegralType
from ffcx import naming
from ffcx.codegeneration import get_include_path
from ffcx.codegeneration.jit import UFC_EXPRESSION_DECL, UFC_FORM_DECL, UFC_HEADER_DECL, UFC_INTEGRAL_DECL

from .compiler import CompilerError, compile_once, compiler


def compile_forms(tree, entity_maps: Sequence = ()):
    """`fem.form` of a form, or of lists, tuples and dicts of them, in which None stays; compiled together. All ranks ask at once."""
    asked = list(_leaves(tree))
    if asked:
        _have(next(iter(asked[0].subdomain_data())).ufl_cargo().comm, [_order(each, {"scalar_type": default_scalar_type}) for each in asked])
    return _mapped(tree, lambda each: fem.form(each, entity_maps=entity_maps))


def _leaves(tree):
    if isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _leaves(part)
    elif isinstance(tree, ufl.Form):
        yield tree


def _mapped(tree, change):
    if isinstance(tree, dict):
        return {name: _mapped(part, change) for name, part in tree.items()}
    if isinstance(tree, list | tuple):
        return [_mapped(part, change) for part in tree]
    return None if tree is None else change(tree)


@dataclass(frozen=True)
class _Order:
    """A form, or an expression and its points, to be had as C: by what name, with which options, and the labels of a form's integrals."""

    kind: str
    what: ufl.Form | tuple
    name: str
    options: dict
    flags: list[str]
    library: Path
    labels: dict[str, list[int]]

    def text(self) -> str:
        return ffcx.compiler.compile_ufl_objects([self.what], self.options, namespace=self.name)[0][1]

    @property
    def symbol(self) -> str:
        return naming.form_name(self.what, 0, self.name) if self.kind == "form" else naming.expression_name(self.what, self.name)


def _order(what: ufl.Form | tuple, form_compiler_options: dict | None, jit_options: dict | None = None) -> _Order:
    options, how = ffcx.get_options(form_compiler_options), jit.get_options(jit_options)
    flags = ["-std=c17", "-fPIC", "-shared", *how["cffi_extra_compile_args"]]
    kind, labels = "expression", {}
    if isinstance(what, ufl.Form):
        kind, (what, labels) = "form", _numbered(what)
    made_by = str((sorted(options.items()), compiler(), flags, sysconfig.get_platform()))
    name = f"interfem_{kind}_{naming.compute_signature([what], made_by)}"
    return _Order(kind, what, name, options, flags, Path(how["cache_dir"]) / f"{name}.so", labels)


def _have(comm: MPI.Comm, orders: list[_Order]) -> None:
    """Let all be on the disk of each rank. What one cannot compile, all raise."""
    orders = list({order.library: order for order in orders if not order.library.exists()}.values())
    for share in (orders[comm.rank::comm.size], orders):  # the second is for what other ranks have on a disk of their own
        wrong = None
        try:
            _compile(share)
        except Exception as error:  # it may be this rank's alone, and the others wait
            wrong = error
        told = comm.allreduce("" if wrong is None else str(wrong) or type(wrong).__name__, MPI.MAX)
        if wrong is not None and not isinstance(wrong, CompilerError):
            raise wrong
        if told:
            raise CompilerError(told)


def _compile(orders: list[_Order]) -> None:
    if orders:
        by_library = {order.library: order for order in orders}
        compile_once(list(by_library), lambda library: by_library[library].text(), [*orders[0].flags, f"-I{get_include_path()}"])


def compiled(comm: MPI.Comm, what: ufl.Form | tuple, form_compiler_options: dict | None = None, jit_options: dict | None = None):
    """A form, or an expression and its points, as the library's own `ffcx_jit` gives it: (C object, where its `ffi` is, no code)."""
    order = _order(what, form_compiler_options, jit_options)
    _have(comm, [order])
    place = ctypes.addressof(ctypes.c_char.in_dll(ctypes.CDLL(str(order.library)), order.symbol))
    ffi = _declarations(np.dtype(order.options["scalar_type"]).name)
    found, module = ffi.cast(f"ufcx_{order.kind} *", place), SimpleNamespace(ffi=ffi)
    if order.labels:
        found, module.labels = _labelled(found, order.labels, ffi)
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


jit.ffcx_jit = compiled
