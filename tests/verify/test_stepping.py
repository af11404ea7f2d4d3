"""Steps that follow the flow of lithium by themselves, from milliseconds to weeks; no case here says how long a step is."""

import numpy as np
import pytest
from interfem import solve as solving
from interfem.case import parse_case
from interfem.run import run
from interfem.solve import Solver
from path import Run, merge, solve
from test_laws_rates import BAR, EXPONENT, HELD, LOAD, MASIAS, SPRING, lithium, sprung

WEEKS = {"kind": "rest", "duration": "300 h"}


@pytest.mark.parametrize("part, within, most", [(0.1, 0.04, 100), (0.04, 0.02, 160)])
def test_relaxation_from_milliseconds_to_weeks(tmp_path, part, within, most):
    """Held bar, 0.9 MPa in 1 ms, then 300 h: `q^(1-n) = q0^(1-n) + (n - 1) HELD A t` over 8 decades, at every step."""
    press = {"kind": "pressure", "to": f"{LOAD} MPa", "duration": "1 ms"}
    found = solve(sprung(BAR | {"materials": lithium()}, SPRING) | {"protocol": [press, WEEKS], "solver": {"relaxation": part}}, tmp_path)
    held = found["phase"] == 1
    time, stress = found["time_s"][held] - 1e-3, found["metal_max_von_mises_MPa"]
    start = stress[~held][-1]
    exact = (start ** (1 - EXPONENT) + (EXPONENT - 1) * HELD * MASIAS * time) ** (1 / (1 - EXPONENT))
    assert time[0] < 1e-2 and time[-1] == pytest.approx(300 * 3600)
    assert stress[held] == pytest.approx(exact, rel=within)
    assert len(time) < most and found["newton_iterations"].max() <= 6
    assert found["work_balance_error"].max() < 1e-6


@pytest.mark.parametrize("kinematics", ["small", "finite"])
def test_pressure_jumps_between_long_rests(kinematics, tmp_path):
    """0.2 MPa for 300 h, 1 MPa at once for 30 s, 0.2 MPa for 300 h: shorter by `A p^n t` each, logarithmic in finite strain."""
    steps = [(0.2, 300 * 3600), (1.0, 30), (0.2, 300 * 3600)]
    protocol = []
    for load, seconds in steps:
        protocol += [{"kind": "pressure", "to": f"{load} MPa", "duration": "1 ms"}, {"kind": "rest", "duration": f"{seconds} s"}]
    case = merge(BAR, {"mechanics": {"kinematics": kinematics}}) | {"materials": lithium(), "protocol": protocol}
    found = solve(case, tmp_path)
    strain = found.ends("collector_displacement_um") / 10
    strain = -np.log(1 + strain) if kinematics == "finite" else -strain
    flown = np.diff(np.append(0.0, strain[1::2]))
    assert flown == pytest.approx([MASIAS * load**EXPONENT * seconds for load, seconds in steps], rel=5e-3)
    assert found["newton_iterations"].max() <= 6 and len(found["time_s"]) < 200
    assert found["work_balance_error"].max() < 1e-3


def test_one_failed_factorisation_is_got_over(tmp_path, monkeypatch):
    """A matrix that MUMPS cannot factor costs one attempt: the next one, shorter, gets through."""
    assembled, count = Solver._assemble_jacobian, []

    def once_singular(self, snes, x, A, P):
        assembled(self, snes, x, A, P)
        count.append(snes)
        if len(count) <= 2:  # both line searches
            A.zeroEntries()

    monkeypatch.setattr(Solver, "_assemble_jacobian", once_singular)
    press = {"kind": "pressure", "to": "0.5 MPa", "duration": "1 s"}
    found = solve(BAR | {"materials": lithium(), "protocol": [press]}, tmp_path)
    assert found.last("metal_max_von_mises_MPa") == pytest.approx(0.5, rel=1e-6)
    assert found["dt_s"][0] < 0.5e-3


def test_a_distorted_run_keeps_its_state(tmp_path):
    """Squeezed until its elements are worn out: the event's own state and fields are whole, and the balances held up to it."""
    free = {"kinematics": "finite", "boundaries": {"outer": "free"}}
    rest = {"kind": "rest", "duration": "800 s"}
    tree = merge(BAR, {"title": "squeezed", "temperature": "298.15 K", "output": {"figures": False}, "mesh": {"size": "5 um"}})
    press = {"kind": "pressure", "to": "1 MPa", "duration": "1 ms"}
    tree |= {"mechanics": free, "materials": lithium(), "protocol": [press, rest]}
    result = run(parse_case(tree), tmp_path)
    assert (result.status, result.event) == ("stopped", "mesh_distorted")
    kept = Run(result)
    with np.load(tmp_path / "state.npz") as state:
        assert float(state["time"]) == pytest.approx(kept.last("time_s"), rel=1e-11)
        assert all(np.isfinite(state[name]).all() for name in state.files)
        assert state["hardening of u_m/old"].max() == pytest.approx(kept.last("max_plastic_strain"), rel=1e-9)
    assert kept.times("metal")[-1] == pytest.approx(kept.last("time_s"))
    assert np.isfinite(kept.fields("metal").point_data["displacement_um"]).all()
    assert kept["work_balance_error"].max() < 1e-3


NOTCHED = {
    "title": "void and flaw", "temperature": "298.15 K", "geometry": {"kind": "plane", "width": "10 um"},
    "mesh": {"size": "4 um", "interface_size": "2 um", "rim_size": "0.8 um", "tip_size": "0.8 um"}, "mechanics": {}, "output": {"figures": False},
    "layers": [{"name": "li", "material": "Li", "thickness": "5 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "8 um"}],
    "features": [{"kind": "void", "interface": "li|sse", "radius": "2 um", "height": "1 um"},
                 {"kind": "flaw", "interface": "li|sse", "center": "6 um", "width": "1 um", "depth": "2 um", "fill": "Li"}],
    "protocol": [{"kind": "pressure", "to": "1 MPa", "duration": "10 s"}, {"kind": "current", "value": "-10 mA/cm^2", "duration": "20 s"}]}  # fmt: skip


def test_iterations_at_round_off_move_no_step(tmp_path, monkeypatch):
    """How many there are is chance, and differs between numbers of ranks. A tolerance below round-off costs more of them, and nothing else."""
    found = solve(NOTCHED, tmp_path / "plain")
    for name, value in solving.TOLERANCE.items():
        monkeypatch.setitem(solving.TOLERANCE, name, 1e-3 * value)
    for name in ("ROUNDING", "ROUNDING_OF_POTENTIAL"):
        monkeypatch.setattr(solving, name, 1e3 * getattr(solving, name))
    close = solve(NOTCHED, tmp_path / "close")
    assert close["newton_iterations"].sum() > found["newton_iterations"].sum() + 5
    assert len(close["dt_s"]) == len(found["dt_s"]) > 20 and close["dt_s"] == pytest.approx(found["dt_s"], rel=1e-7)


def test_a_limit_load_ends_the_run(tmp_path):
    """Lithium without hardening between rough plates, six times as wide as thick: Prandtl's `(3/4 + w/4h) 2 Y/sqrt(3)` for long ones."""
    tree = {"geometry": {"kind": "plane", "width": "6 um"}, "mesh": {"size": "0.7 um", "interface_size": "0.5 um"},
            "layers": [{"name": "li", "material": "Li", "thickness": "2 um", "law": "j2"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "2 um"}],
            "materials": {"Li": {"yield_stress": "1 MPa", "hardening_modulus": "0 MPa"}},
            "interfaces": {"li|sse": {"kinetics": "linear", "resistance": "1e8 ohm*cm^2"}},
            "mechanics": {"boundaries": {"collector": "platen", "right": "free"}},
            "protocol": [{"kind": "pressure", "to": "6 MPa", "duration": "60 s"}], "solver": {"max_steps": 300}}
    result = run(parse_case(tree | {"title": "limit load", "temperature": "298.15 K", "output": {"figures": False}}), tmp_path)
    found = Run(result)
    assert (result.status, result.event) == ("stopped", "limit_load")
    assert found.last("stack_pressure_MPa") == pytest.approx((0.75 + 6 / (4 * 2)) * 2 / 3**0.5, rel=0.04)
    assert len(found["time_s"]) < 200
