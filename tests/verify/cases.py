"""Cases as dictionaries, run through the product's own path: case in, run folder out."""

import csv
import math

from interfem import mpi  # noqa: F401  (before dolfinx)
from interfem.case import Case, parse_case
from interfem.domain import read_domain
from interfem.fields import make_fields
from interfem.march import march
from interfem.model import build_model
from interfem.observe.scalars import Observer
from interfem.run import make_mesh, run
from interfem.solve import Solver, Timings

F, R, T = 96485.33212, 8.314462618, 298.15  # C/mol, J/(mol K), K
RT_F = R * T / F  # V
OMEGA = 1.3e-5  # m^3/mol, of Li metal
KAPPA = 0.2  # S/m, of the electrolyte of these cases

SSE = {"Li6PS5Cl": {"ionic_conductivity": f"{KAPPA} S/m"}}


def um(value: float) -> str:
    return f"{value:.12g} um"


def layer(name: str, material: str, thickness: float, **more) -> dict:
    """thickness in um"""
    return {"name": name, "material": material, "thickness": um(thickness)} | more


def current(value: float, duration: float = 1.0, steps: int = 1, **more) -> dict:
    """Constant current (A/m^2) for a time (s), in equal time steps."""
    return {"kind": "current", "value": f"{value:.12g} A/m^2", "duration": f"{duration:.12g} s"} | fixed(duration, steps) | more


def fixed(duration: float, steps: int) -> dict:
    return {"first_step": f"{duration / steps:.12g} s", "max_step": f"{duration / steps:.12g} s"}


def rest(duration: float = 1.0, steps: int = 1) -> dict:
    return {"kind": "rest", "duration": f"{duration:.12g} s"} | fixed(duration, steps)


def build(layers: list[dict], protocol: list[dict], width: float = 10.0, kind: str = "plane",
          geometry: dict | None = None, **more) -> Case:  # fmt: skip
    """Case of a stack at 298.15 K without figures; width in um; `materials` are added to the electrolyte's."""
    materials = SSE | more.pop("materials", {})
    used = {item["material"] for item in layers}
    tree = {"title": "verification", "temperature": f"{T} K", "geometry": {"kind": kind, "width": um(width)} | (geometry or {}),
            "layers": layers, "protocol": protocol, "output": {"figures": False},
            "materials": {name: entry for name, entry in materials.items() if name in used}}
    return parse_case(tree | more)


def rows(case: Case, folder) -> list[dict[str, float]]:
    """Run a case; the rows of scalars.csv as numbers (None where empty). In every row balances hold and resistances add up."""
    result = run(case, folder)
    assert result.status != "failed", result.reason
    with open(folder / "scalars.csv", encoding="utf-8") as file:
        table = [{key: _number(text) for key, text in row.items()} for row in csv.DictReader(file)]
    for row in table:
        assert row.get("charge_balance_error", 0.0) <= 1e-8
        assert row.get("lithium_balance_error", 0.0) <= 1e-8
        assert row.get("lithium_audit_error", 0.0) <= 1e-8
        if row.get("asr_ohm_cm2") and abs(row["current_density_A_per_m2"]) > 1e-6:  # below, quotients of rounding
            parts = resistances(row)
            assert abs(sum(parts) - row["asr_ohm_cm2"]) <= 1e-3 * abs(row["asr_ohm_cm2"]) + 1e-9 * sum(map(abs, parts))
    return table


def resistances(row: dict[str, float]) -> list[float]:
    """Parts of asr_ohm_cm2."""
    return [value for name, value in row.items() if name.startswith("asr_") and name != "asr_ohm_cm2"]


def last(case: Case, folder) -> dict[str, float]:
    return rows(case, folder)[-1]


def _number(text: str):
    try:
        return float(text)
    except ValueError:
        return text or None


class Pieces:
    """What `run` puts together, for tests that look inside: `advance` marches and returns the scalars of each step."""

    def __init__(self, case: Case, comm=None):
        self.case, self.timings = case, Timings()
        comm = comm or mpi.world()
        path = make_mesh(case, comm, self.timings)
        self.domain = read_domain(path, comm, case)
        self.fields = make_fields(self.domain, case)
        self.model = build_model(case, self.domain, self.fields)

    def advance(self) -> list[dict[str, float]]:
        self.solver = Solver(self.case, self.domain, self.fields, self.model, self.timings)
        self.observer = Observer(self.case, self.domain, self.fields, self.model, self.solver)
        return [step.scalars for step in march(self.case, self.domain, self.fields, self.model, self.solver, self.observer)]


def butler_volmer(eta: float, i0: float, alpha: float = 0.5) -> float:
    """Current density of the closed form, A/m^2; eta in V."""
    return i0 * (math.exp((1 - alpha) * eta / RT_F) - math.exp(-alpha * eta / RT_F))
