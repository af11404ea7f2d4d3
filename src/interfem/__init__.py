"""interfem: finite-element simulator of the lithium / sulfide-electrolyte interface.

from interfem import load_case, run

result = run(load_case("models/cases/bare.toml"), "runs/bare")
print(result.status, result.last("asr_ohm_cm2"))
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["CaseError", "Result", "load_case", "run"]

_HOMES = {"CaseError": "case", "load_case": "case", "Result": "run", "run": "run"}


def __getattr__(name: str):
    """Public names are imported when first used: `import interfem` takes no time."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return found


def __dir__():
    return sorted([*globals(), *__all__])
