"""Solver presets: the same numbers by factors and by multigrid, with metal as a field and as one; fallbacks are provoked."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from cases import KAPPA, RT_F, Pieces, build, current, layer, rest, um
from interfem import blocks, coupled, solve
from interfem.case import load_case
from interfem.residual import Residual
from interfem.run import run

R1 = Path(__file__).resolve().parents[2] / "bench" / "r1" / "case.toml"

PATCH = {"kind": "patch", "interface": "li|sse", "center": ["5 um", "5 um"], "outer": "2.5 um"}
MESH = {"size": "3 um", "interface_size": "1.5 um", "rim_size": "1 um"}
LI, SSE, REAR = layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 5), layer("rear", "Li", 3)
STEPS = [current(10), current(30)]
HOLD = [{"kind": "voltage", "value": "20 mV", "duration": "1 s", "first_step": "1 s", "max_step": "1 s"}]
UNCOMPARED = ("charge_balance_error", "lithium_audit_error", "work_balance_error", "newton_iterations")


def box(preset: str, layers=(LI, SSE), protocol=STEPS, metal: str = "auto", **more):
    """A box whose interface passes no charge on a disc; degree 1."""
    return build(list(layers), protocol, 10, "box", {"depth": um(10)}, features=[PATCH], mesh=MESH,
                 solver={"preset": preset, "metal": metal, "potential_degree": 1}, **more)  # fmt: skip


def facts(case, folder) -> tuple[dict, dict[str, float]]:
    """What the solver did, and the last scalars."""
    result = run(case, folder)
    assert result.status == "completed", result.reason
    return json.loads((folder / "run.json").read_text())["solver"], {name: entry["last"] for name, entry in result.summary.items()}


def assert_same(found: dict[str, float], wanted: dict[str, float], stress: float = 1e-9) -> None:
    """stress: MPa, below which stresses need not agree; Newton's method judges forces against 1 MPa. Work is balanced by both."""
    assert max(abs(case.get("work_balance_error", 0.0)) for case in (found, wanted)) < 1e-6
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        if name not in UNCOMPARED:
            least = stress if name.endswith("_MPa") else 1e-9
            assert found[name] == pytest.approx(value, rel=1e-6, abs=least), name


CELLS = {  # imposed at a face of the electrolyte, at an electrode, at both ends; a voltage; kinetics whose Jacobian is not symmetric
    "uniform": {"counter": "uniform"},
    "floating": {},
    "two electrodes": {"layers": (LI, SSE, REAR), "interfaces": {"li|sse": {"transfer_coefficient": 0.3}}},
    "voltage": {"protocol": HOLD},
}


@pytest.mark.parametrize("cell", CELLS)
def test_presets_agree(tmp_path, cell):
    """Multigrid with the metal as one, and with its field, gives every scalar of the factors to 1e-6."""
    direct, wanted = facts(box("direct", **CELLS[cell]), tmp_path / "direct")
    assert (direct["preset"], direct["metal"]) == ("direct", "field") and direct["factorisations"] > 0
    for metal, kept in (("auto", "equipotential"), ("field", "field")):
        found, scalars = facts(box("iterative", metal=metal, **CELLS[cell]), tmp_path / metal)
        assert (found["preset"], found["metal"], found["fallbacks"]) == ("iterative", kept, [])
        assert 0 < found["linear_iterations"] < 30 * found["linear_solves"]
        assert found["newton_iterations"] <= direct["newton_iterations"] + 2  # the right corrections, if not as exact ones
        assert_same(scalars, wanted)


SALT = {"transference_number": 0.2, "salt_diffusivity": {"value": "1e-12 m^2/s", "source": "test"}, "exchange_current_density": "1e4 A/m^2",
        "initial_concentration": "1000 mol/m^3", "ionic_conductivity": {"value": "0.01 S/m", "source": "test"}}  # fmt: skip
ALLOY = {"role": "alloy", "law": "elastic", "electronic_conductivity": "1e6 S/m", "diffusivity": "1e-14 m^2/s", "transfer_coefficient": 0.5,
         "maximum_concentration": "40e3 mol/m^3", "initial_concentration": "20e3 mol/m^3", "exchange_current_density": "10 A/m^2",
         "equilibrium_potential": {"table": [[0, "0.6 V"], [1, "0.2 V"]]}}  # fmt: skip
SWELLS = {"youngs_modulus": "8 GPa", "poisson_ratio": 0.3, "partial_molar_volume": "9e-6 m^3/mol"}
LAYER = {"sei_molar_volume": "2.41e-5 m^3/mol", "sei_electronic_conductivity": "2.4e-10 S/m", "sei_ionic_conductivity": "1e-3 S/m",
         "sei_consumed_volume": "1.8e-5 m^3/mol", "reduction_potential": "1.71 V"}  # fmt: skip
FILMS = {"li|sse": {"film_resistance": "2 ohm*cm^2"}, "sse|sep": {"ionic_resistance": "5 ohm*cm^2"}, "foil|li": {"electronic_resistance": "3 ohm*cm^2"}}
FILLED = [current(10, 20, 2), current(-20, 20, 2)]
SPREADING = {  # what is stored, alone and in a body that swells, dissolved, reacts; areal resistances at both carriers and beside charge transfer
    "alloy": {"layers": (layer("li", "A", 4), SSE), "materials": {"A": ALLOY}, "protocol": FILLED},
    "alloy that swells": {"layers": (layer("li", "A", 4), SSE), "materials": {"A": ALLOY | SWELLS}, "protocol": FILLED, "mechanics": {}},
    "salt": {"layers": (LI, layer("sse", "PEO", 4), layer("sep", "Li6PS5Cl", 3), REAR), "materials": {"PEO": SALT},
             "protocol": [current(2, 10, 2), current(20, 10, 2)]},
    "sei": {"sei": {}, "materials": {"Li6PS5Cl": {"ionic_conductivity": "0.2 S/m"} | LAYER}, "protocol": [rest(36000, 3), current(1, 100, 2)]},
    "films": {"layers": (layer("foil", "Cu", 2), layer("li", "Li", 3), layer("sse", "Li6PS5Cl", 3), layer("sep", "Li6PS5Cl", 3)), "interfaces": FILMS},
}  # fmt: skip


@pytest.mark.parametrize("cell", SPREADING)
def test_presets_agree_on_what_spreads(tmp_path, cell):
    """The same with stored lithium, salt, a reaction layer, and areal resistances."""
    _, wanted = facts(box("direct", metal="field", **SPREADING[cell]), tmp_path / "direct")
    found, scalars = facts(box("iterative", metal="field", **SPREADING[cell]), tmp_path / "iterative")
    assert (found["preset"], found["fallbacks"]) == ("iterative", [])
    assert 0 < found["linear_iterations"] < 30 * found["linear_solves"]
    assert_same(scalars, wanted)


def test_symmetric_systems_are_told_apart(tmp_path):
    """CG is for symmetric systems; what the eliminated currents leave is not symmetric at alpha = 0.3."""
    given = {"exchange_current_density": "1e5 A/m^2"}
    for alpha, symmetric in ((0.5, True), (0.3, False)):
        law = {"li|sse": given | {"transfer_coefficient": alpha}}
        case = box("iterative", counter="uniform", protocol=[current(-2e5, 1e-3)], interfaces=law)
        found, _ = facts(case, tmp_path / str(alpha))
        assert found["symmetric"] is symmetric


def test_only_what_changes_is_assembled(tmp_path):
    """Conduction and its couplings once; the kinetics, `D` and `C`, in every iteration."""
    found, _ = facts(box("iterative", counter="uniform", protocol=[current(10, steps=3)]), tmp_path)
    blocks_once, kinetic = 2, 2  # phi-phi and phi-i; i-i and i-phi
    assert found["blocks_assembled"] <= blocks_once + kinetic * found["newton_iterations"]


def test_rows_that_are_linear_are_products(monkeypatch):
    """Conduction and the electrolyte's elasticity are assembled once a solve, and are what a sweep over all cells would give."""
    pieces, assemble, seen = Pieces(bodies("iterative", "norton")), Residual.assemble, []

    def compared(rows, b, held, first):
        assemble(rows, b, held, first)
        if not first:
            found = b.getArray(readonly=True).copy()
            pieces.solver._assemble(b)
            wanted = b.getArray(readonly=True)
            for name in rows.linear:
                part = rows.slices[name]
                off = np.abs(found[part] - wanted[part])
                off[[dof for bc in pieces.solver.conditions(name) for dof in bc.dof_indices()[0]]] = 0.0  # reactions, which are not asked for
                seen.append(off.max(initial=0.0))

    monkeypatch.setattr(Residual, "assemble", compared)
    pieces.advance()
    assert {"phi", "u_s"} <= set(pieces.solver.rows.linear) and not {"phi_m", "u_m", "i"} & set(pieces.solver.rows.linear)
    assert len(seen) > 10 and max(seen) < 1e-11


def test_preconditioner_is_kept_until_it_is_worn(tmp_path, monkeypatch):
    """One for the first step, one for all others; one for every second solve where no iteration more than a new one's is put up with."""
    case = box("iterative", counter="uniform", protocol=[current(10, steps=4)])
    kept, _ = facts(case, tmp_path / "kept")
    assert kept["preconditioners"] == 2 < kept["linear_solves"]
    monkeypatch.setattr(solve, "WORTH", 0.0)
    found, _ = facts(case, tmp_path / "worn")
    assert found["preconditioners"] >= found["linear_solves"] // 2 > 1  # each second solve finds it worn


def test_fallbacks(tmp_path, monkeypatch):
    """Where multigrid is stopped after one iteration, factors take over, told once; the numbers stay."""
    _, wanted = facts(box("direct"), tmp_path / "direct")
    short = tuple((name, options, 1 if options else most) for name, options, most in solve.LADDER)
    monkeypatch.setattr(solve, "LADDER", short)
    monkeypatch.setattr(solve, "LOOSEST", 1e-6)
    found, scalars = facts(box("iterative"), tmp_path / "short")
    assert found["fallbacks"] == ["multigrid failed; stronger multigrid from here on", "stronger multigrid failed; direct from here on"]
    assert_same(scalars, wanted)
    assert (tmp_path / "short/log.txt").read_text().count("direct from here on") == 1


def test_no_unsolved_field_is_returned(tmp_path, monkeypatch):
    """Nothing converges and there is no room for factors: steps shorten, and the run fails without a step."""
    monkeypatch.setattr(solve, "LADDER", tuple((name, options, 1) for name, options, _ in solve.LADDER))
    monkeypatch.setattr(solve, "LOOSEST", 1e-6)
    monkeypatch.setattr(solve, "free_memory", lambda: 0.0)
    monkeypatch.setattr("interfem.march.SHORTEST", 1e-2)
    result = run(box("iterative"), tmp_path)
    assert result.status == "failed" and "step" not in result.summary
    assert "nothing stronger fits in the memory there is" in (tmp_path / "run.json").read_text()


def test_poor_metal_is_solved_for(tmp_path):
    """Metal of 100 S/m: the drop is bounded above 1e-6 of the overpotential, told, and its field solved for; at 1e7 S/m it is bounded rightly."""
    poor = {"Li": {"electronic_conductivity": "100 S/m"}}
    found, scalars = facts(box("iterative", materials=poor), tmp_path / "poor")
    assert found["metal"] == "field" and found["metal_drop"] > 1e-6
    _, wanted = facts(box("direct", materials=poor), tmp_path / "direct")
    assert_same(scalars, wanted)


def test_drop_in_the_metal_is_bounded():
    """The bound lies above the largest potential in the metal, and not a hundred times so, over the overpotential."""
    pieces = Pieces(box("iterative", metal="auto", materials={"Li": {"electronic_conductivity": "1e4 S/m"}}))
    scalars = pieces.advance()[-1]
    metal = pieces.solver.metal
    drop = metal.drop()
    assert pieces.solver.facts.metal == "field" and pieces.solver.facts.metal_drop > 1e-6
    largest = abs(pieces.fields["phi_m"].x.array).max() / (scalars["overpotential_V"] * scalars["asr_charge_transfer_ohm_cm2"]
                                                          / scalars["asr_ohm_cm2"])  # fmt: skip
    assert 0.5 * largest < drop < 100 * largest


VOID = {"kind": "void", "interface": "li|sse", "center": ["0 um", "0 um"], "radius": "2 um", "height": "1 um"}
PRESS = {"kind": "pressure", "to": "1 MPa", "duration": "1 s", "first_step": "0.5 s", "max_step": "0.5 s"}
BODIES = {  # creep about a void, in small strain; a law without a rate, in finite strain; what grows on faces that may part
    "creep": {"law": "norton"},
    "finite": {"law": "j2", "kinematics": "finite", "features": []},
    "sei": {"law": "norton", "sei": {}, "materials": {"Li6PS5Cl": LAYER}, "interfaces": {"li|sse": {"contact": "unilateral"}}},
}


def bodies(preset: str, law: str, kinematics: str = "small", features=(VOID,), **more):
    """A quarter of a void in lithium under an electrolyte: pressed, then plated."""
    layers = [layer("li", "Li", 4, law=law), layer("sse", "Li6PS5Cl", 4)]
    return build(layers, [PRESS, current(-10, 10, 2)], 5, "box", {"depth": um(5)}, features=list(features), mechanics={"kinematics": kinematics},
                 mesh={"size": "2.5 um", "interface_size": "1.5 um", "rim_size": "0.8 um"},
                 solver={"preset": preset, "metal": "field", "potential_degree": 1, "plastic_increment": 0.5}, **more)  # fmt: skip


@pytest.mark.parametrize("kind", BODIES)
def test_presets_agree_on_bodies(tmp_path, kind):
    """Coupled multigrid gives every scalar of the factors to 1e-6 where bodies deform and touch."""
    _, wanted = facts(bodies("direct", **BODIES[kind]), tmp_path / "direct")
    found, scalars = facts(bodies("iterative", **BODIES[kind]), tmp_path / "iterative")
    assert (found["preset"], found["fallbacks"]) == ("iterative", [])
    assert 0 < found["linear_iterations"] < 60 * found["linear_solves"]
    assert_same(scalars, wanted)


SPOT = PATCH | {"center": ["0 um", "0 um"], "outer": "2 um"}  # what is plated beside it lifts the metal off it
LIGHTLY = {"kind": "pressure", "to": "0.1 MPa", "duration": "1 s", "first_step": "1 s", "max_step": "1 s"}


@pytest.mark.parametrize("tangential", ["stick", "frictionless"])
def test_presets_agree_on_faces_that_part(tmp_path, tangential):
    """The same where a gap opens, on which the current depends, and faces stick or slide."""
    wanted = {}
    for preset in ("direct", "iterative"):
        case = build([layer("li", "Li", 4, law="j2"), layer("sse", "Li6PS5Cl", 4)], [LIGHTLY, current(-10)], 5, "box", {"depth": um(5)},
                     features=[SPOT], mechanics={}, interfaces={"li|sse": {"contact": "unilateral", "tangential": tangential}},
                     mesh={"size": "2.5 um", "interface_size": "1.5 um", "rim_size": "0.8 um"},
                     solver={"preset": preset, "metal": "field", "potential_degree": 1})  # fmt: skip
        found, scalars = facts(case, tmp_path / preset)
        assert found["fallbacks"] == []
        wanted = wanted or scalars
    assert wanted["gap_max_um"] > 1e-3
    assert 0 < found["linear_iterations"] < 40 * found["linear_solves"]
    assert_same(scalars, wanted, stress=1e-6)


@pytest.mark.parametrize("kind", ["spring", "fixed", "coulomb"])
def test_presets_agree_on_frames_and_friction(tmp_path, kind):
    """The same where a frame springs or locks after the preload, and where faces slip against friction."""
    law, hold, laws = "norton", {"hold": "fixed" if kind == "fixed" else {"spring": "10 MPa/um"}}, {}
    if kind == "coulomb":
        law, hold, laws = "j2", {}, {"li|sse": {"contact": "unilateral", "tangential": "coulomb", "friction": 0.3}}
    wanted = {}
    for preset in ("direct", "iterative"):
        case = build([layer("li", "Li", 4, law=law), layer("sse", "Li6PS5Cl", 4)], [PRESS | hold, current(-10 if laws else -1)], 5, "box", {"depth": um(5)},
                     features=[VOID], mechanics={}, interfaces=laws, mesh={"size": "2.5 um", "interface_size": "1.5 um", "rim_size": "0.8 um"},
                     solver={"preset": preset, "metal": "field", "potential_degree": 1, "plastic_increment": 0.5})  # fmt: skip
        found, scalars = facts(case, tmp_path / preset)
        assert found["fallbacks"] == []
        wanted = wanted or scalars
    assert kind != "coulomb" or wanted["slip_max_um"] > 1e-6
    assert 0 < found["linear_iterations"] < 40 * found["linear_solves"]
    assert_same(scalars, wanted)


def test_worn_preconditioner_of_bodies_is_made_anew(tmp_path, monkeypatch):
    """Set up as often as it is said to be: PETSc skips a matrix that it takes for unchanged."""
    made, setup = [], coupled.Preconditioner.setUp
    monkeypatch.setattr(coupled.Preconditioner, "setUp", lambda self, pc: (made.append(1), setup(self, pc)))
    monkeypatch.setattr(solve, "WORTH", 0.0)
    found, _ = facts(bodies("iterative", "norton"), tmp_path)
    assert len(made) == found["preconditioners"] > 1


def test_fallback_of_bodies(tmp_path, monkeypatch):
    """Where coupled multigrid is stopped after one iteration, factors take over, told once; the numbers stay."""
    _, wanted = facts(bodies("direct", "norton"), tmp_path / "direct")
    short = tuple((name, options, 1 if options else most) for name, options, most in solve.COUPLED_LADDER)
    monkeypatch.setattr(solve, "COUPLED_LADDER", short)
    found, scalars = facts(bodies("iterative", "norton"), tmp_path / "short")
    assert found["fallbacks"][-1] == "stronger multigrid failed; direct from here on"
    assert_same(scalars, wanted)
    assert (tmp_path / "short/log.txt").read_text().count("direct from here on") == 1


def test_blocks_fit_potentials_only():
    assert blocks.fits(["phi", "phi_m", "i", "V"]) and blocks.fits(["phi", "phi_m", "i"])
    assert not blocks.fits(["phi", "phi_m"]) and not blocks.fits(["phi", "phi_m", "i", "u_m"])


@pytest.mark.parametrize("i0, degree, millivolt, ring", [(10, 1, 30.55, 12.46), (1e4, 2, None, 17.83)])
def test_r1(tmp_path, i0, degree, millivolt, ring):
    """R1: mean potential at the top, and mean current just outside the disc, converged values of three codes; on a coarse mesh."""
    changes = [f'interfaces."li|sse".exchange_current_density={i0} A/m^2', f"solver.potential_degree={degree}", "solver.preset=iterative"]
    _, scalars = facts(load_case(R1, changes), tmp_path)
    assert scalars["rim_current_density[patch]_A_per_m2"] == pytest.approx(ring, rel=6e-3)
    if millivolt:
        assert 1e3 * scalars["cell_voltage_V"] == pytest.approx(millivolt, rel=5e-4)


def test_planar_cell_by_multigrid(tmp_path):
    """V05 in a box: `V = i L/kappa + 4RT/F asinh(i/2 i0)`."""
    given = {"exchange_current_density": "10 A/m^2"}
    case = build([LI, SSE, REAR], [current(10)], 10, "box", {"depth": um(10)}, mesh=MESH,
                 solver={"preset": "iterative", "potential_degree": 1},
                 interfaces={"li|sse": given, "sse|rear": given})  # fmt: skip
    _, scalars = facts(case, tmp_path)
    exact = 10 * 5e-6 / KAPPA + 4 * RT_F * math.asinh(0.5)
    assert scalars["cell_voltage_V"] == pytest.approx(exact, rel=1e-7)
