"""Imports point one way: no cycle, nothing private taken from elsewhere, and the layers that know nothing of the finite elements."""

import ast
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import interfem

ROOT = Path(interfem.__file__).parent
PLAIN = ("units", "quantities", "materials", "protocol", "profile", "regions", "case", "checks", "gradings", "populations", "effective",
         "overrides", "explain", "describe", "compare", "geometry", "figures", "report")  # fmt: skip
SOLVERS = {"solve", "blocks", "coupled", "factors", "residual", "eis"}  # the only modules with PETSc objects and options


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ROOT.rglob("*.py")}


def imports(name: str) -> list[tuple[str, str]]:
    """(module, what is taken from it) of every import, inside functions too; modules of the package by their name within it."""
    path, found = MODULES[name], []
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level] + tuple(filter(None, [node.module]))) if node.level else node.module
            for alias in node.names:
                inner = f"{base}.{alias.name}".strip(".")
                found.append((inner, "") if node.level and inner in MODULES else (base, alias.name))
    return found


GRAPH = defaultdict(set)
for module in MODULES:
    GRAPH[module] |= {target for target, _ in imports(module) if target in MODULES and target and target != module}


def below(name: str) -> set[str]:
    """All modules of the package that a module stands on."""
    found, todo = set(), [name]
    while todo:
        fresh = GRAPH[todo.pop()] - found
        found |= fresh
        todo += fresh
    return found


def test_there_is_no_cycle():
    assert len(list(TopologicalSorter(GRAPH).static_order())) >= len(MODULES) - 1


def test_nothing_private_is_taken_from_another_module():
    taken = [(name, target, what) for name in MODULES for target, what in imports(name) if what.startswith("_") and not what.startswith("__")]
    assert not taken


def test_cases_and_geometry_know_no_finite_elements():
    for name in MODULES:
        if name.split(".")[0] in PLAIN:
            heavy = [m for m in {name} | below(name) if any(target.split(".")[0] in ("dolfinx", "ufl", "petsc4py") for target, _ in imports(m))]
            assert not heavy, f"{name} needs the solver through {heavy}"


def test_solver_objects_stay_in_their_modules():
    users = {name for name in MODULES if any(target.split(".")[0] == "petsc4py" for target, _ in imports(name))}
    assert users <= SOLVERS
