"""Lithium in slots and flaws: friction along the walls, back pressure, what enters through the mouth."""

import csv
import math
from pathlib import Path

import basix
import numpy as np
import pytest
import ufl
from cases import Pieces
from dolfinx import fem
from path import Run, merge, solve

from interfem.case import CaseError, load_case, parse_case
from interfem.observe.flaws import make_flaws
from interfem.observe.stress import Stress
from interfem.rebase import press_in
from interfem.run import run as run_case

EMPTY = Path(__file__).parents[2] / "models" / "cases" / "extrusion_empty.toml"
FARADAY, OMEGA = 96485.33212, 1.3e-5
RIGID = {"youngs_modulus": "1e4 GPa"}


def slot(depth: float, nu: float = 0.381, **more) -> dict:
    """Half a slot of 1 um full of elastic lithium, in a rigid electrolyte."""
    return merge({
        "geometry": {"kind": "plane", "width": "4 um"},
        "layers": [{"name": "li", "material": "Li", "thickness": "3 um", "law": "elastic"},
                   {"name": "sse", "material": "Li6PS5Cl", "thickness": f"{depth + 3} um"}],
        "materials": {"Li": {"poisson_ratio": nu, "law": "elastic"}, "Li6PS5Cl": RIGID},
        "features": [{"kind": "flaw", "interface": "li|sse", "shape": "slot", "center": "0 um", "width": "1 um", "depth": f"{depth} um"}],
        "mesh": {"size": "2 um", "interface_size": "0.5 um", "tip_size": "0.2 um"}, "mechanics": {}}, more)


def profile(run: Run) -> dict[str, np.ndarray]:
    """Columns of profiles/flaw.csv at its last time."""
    with open(run.folder / "profiles" / "flaw.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows if row["time_s"] == rows[-1]["time_s"]]) for name in rows[0]}


def test_pressure_does_not_zigzag_at_the_mouth(tmp_path):
    """Plated for 2 s under 1 MPa: 9 MPa in the flaw's depth, some 3 at its mouth, and on the face beside it what is pressed there.

    One field continuous around the mouth's edges swings from facet to facet of the face, between 0.2 and 2.4 MPa.
    """
    layers = [{"name": "li", "material": "Li", "thickness": "4 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "6 um"}]
    flaw = {"kind": "flaw", "interface": "li|sse", "shape": "wedge", "center": "4 um", "width": "0.8 um", "depth": "3 um"}
    case = parse_case({"title": "mouth", "temperature": "298.15 K", "geometry": {"kind": "plane", "width": "8 um"}, "layers": layers,
                       "features": [flaw], "mechanics": {}, "mesh": {"size": "2 um", "interface_size": "0.6 um", "tip_size": "0.2 um"},
                       "protocol": [{"kind": "pressure", "to": "1 MPa", "duration": "10 s"},
                                    {"kind": "current", "value": "-1 mA/cm^2", "duration": "2 s"}]})  # fmt: skip
    pieces = Pieces(case)
    steps = pieces.advance()
    gamma, p_c = pieces.domain.submeshes["gamma"].mesh, pieces.fields["p_c"]
    at = {name: np.flatnonzero(pieces.domain.on([name])) for name in pieces.domain.interfaces}
    places, values = gamma.geometry.x[gamma.geometry.dofmaps[0]], p_c.x.array[p_c.function_space.dofmap.list]
    beside = at["li|sse"][(np.abs(places[at["li|sse"], :, 0] - 4) < 1.6).all(axis=1)]
    assert steps[-1]["interface_max_pressure_MPa"] > 3
    assert np.ptp(values[beside]) < 0.4


@pytest.mark.parametrize("kind, nu, kinematics", [("plane", 0.49, "finite"), ("axisymmetric", 0.381, "small")])
def test_friction_bears_what_is_pressed_in(kind, nu, kinematics, tmp_path):
    """A sliding slug (Janssen): p(x) = p(0) exp(-2 mu k x/w) in a slot of width w, exp(-4 mu k x/w) in a hole; k = nu/(1 - nu).

    Within a microsecond, or pressure itself would drive lithium along the walls.
    """
    friction = 0.1
    case = slot(8, nu, geometry={"kind": kind}, mechanics={"kinematics": kinematics},
                interfaces={"flaw|sse": {"contact": "unilateral", "tangential": "coulomb", "friction": friction},
                            "li|sse": {"tangential": "frictionless"}},
                protocol=[{"kind": "pressure", "to": "5 MPa", "duration": "1e-6 s", "first_step": "1e-7 s"}])
    run = solve(case, tmp_path)
    found = profile(run)
    x, p = found["distance_um"], found["contact_pressure_MPa"]
    middle = (x > 1) & (x < 7)
    decay = friction * nu / (1 - nu) * {"plane": 2, "axisymmetric": 4}[kind]
    slope, _ = np.polyfit(x[middle], np.log(p[middle]), 1)
    assert -slope == pytest.approx(decay, rel=0.02)
    assert found["shear_traction_MPa"][middle] == pytest.approx(friction * p[middle], rel=1e-6)  # towards the tip
    side = x < 7.99
    shrunk = np.trapezoid(found["li_pressure_MPa"][side], x[side]) * 3 * (1 - 2 * nu) / 7820
    assert run.last("extrusion_length_um[flaw]") == pytest.approx(shrunk, rel=0.1)  # the pressure at the wall for that of the section
    assert p[~side].min() < run.last("flaw_tip_pressure_MPa[flaw]") < p[~side].max()
    assert run.last("flaw_max_pressure_MPa[flaw]") == pytest.approx(p.max(), rel=1e-6)


@pytest.mark.parametrize("shape, kinematics, walls", [("wedge", "small", {}),
                                                      ("slot", "finite", {"contact": "unilateral", "tangential": "coulomb", "friction": 0.3})])
def test_back_pressure_stops_plating_in_a_flaw(shape, kinematics, walls, tmp_path):
    """At -2 mV the walls of a flaw take lithium until p = F |eta|/Omega = 14.84 MPa all along them; part of it leaves by the mouth."""
    case = slot(4, mechanics={"kinematics": kinematics},
                interfaces={"flaw|sse": {"kinetics": "linear", "resistance": "0.8 ohm*cm^2"} | walls,
                            "li|sse": {"kinetics": "linear", "resistance": "1e12 ohm*cm^2"}},
                protocol=[{"kind": "pressure", "to": "1 MPa"}, {"kind": "voltage", "value": "-2 mV", "duration": "100 s", "first_step": "0.05 s"}])
    case["materials"] = {"Li6PS5Cl": {"ionic_conductivity": "1e6 S/m"}}
    case["features"][0] |= {"shape": shape, "electrons": "collector"}
    run = solve(case, tmp_path)
    found, limit = profile(run), FARADAY * 0.002 / OMEGA * 1e-6
    assert found["contact_pressure_MPa"] == pytest.approx(limit, rel=1e-3)
    assert np.abs(found["current_density_A_per_m2"]).max() < 1e-3 * 0.002 / 0.8e-4
    for name in ("flaw_max_pressure_MPa[flaw]", "flaw_tip_pressure_MPa[flaw]"):
        assert run.last(name) == pytest.approx(limit, rel=1e-3)
    assert run.last("flaw_charge_mAh_per_cm2[flaw]") == pytest.approx(-run.last("areal_charge_mAh_per_cm2"), rel=1e-3)
    assert run.last("extrusion_length_um[flaw]") < 0 < run.ends("extrusion_length_um[flaw]")[0]
    assert math.isfinite(found["li_pressure_MPa"].sum())


def column(kind: str, filled: float, exponent: float, walls: dict, pressure: float, duration: float, **more) -> dict:
    """A slot (or hole) of 1 um, filled to a depth with lithium that creeps at 0.1 (q/MPa)^n 1/s, in a rigid electrolyte that passes no charge."""
    isolating = {"kinetics": "linear", "resistance": "1e6 ohm*cm^2"}
    return merge({
        "geometry": {"kind": kind, "width": "3 um"},
        "layers": [{"name": "li", "material": "Li", "thickness": "3 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": f"{filled + 4} um"}],
        "materials": {"Li": {"law": "norton", "creep_rate": "0.1 1/s", "creep_reference_stress": "1 MPa", "creep_breakdown_stress": "1e5 MPa", "creep_exponent": exponent,
                             "creep_activation_energy": "0 J/mol"}, "Li6PS5Cl": RIGID},
        "features": [{"kind": "flaw", "interface": "li|sse", "shape": "slot", "center": "0 um", "width": "1 um", "depth": f"{filled + 1} um",
                      "filled": f"{filled} um"}],
        "interfaces": {"li|sse": isolating | {"tangential": "frictionless"}, "flaw|sse": isolating | walls},
        "mesh": {"size": "2 um", "interface_size": "0.5 um", "tip_size": "0.2 um"},
        "mechanics": {"kinematics": "finite", "boundaries": {"collector": "platen"}},
        "protocol": [{"kind": "pressure", "to": f"{pressure} MPa", "duration": "0.1 s"}, {"kind": "rest", "duration": f"{duration} s", "max_step": "0.5 s"}]}, more)


@pytest.mark.parametrize("kind, pressure, duration, resistance", [("plane", 3.0, 5.0, 12), ("axisymmetric", 6.0, 3.5, 32)])
def test_viscous_lithium_is_pressed_between_sticking_walls_as_poiseuille_says(kind, pressure, duration, resistance, tmp_path):
    """`dL/dt = p w^2/(12 eta (L + c))` in a slot, 32 for 12 in a hole; eta = 10/3 MPa s. c is what the way to the mouth costs.

    That is less than Sampson's flow through a hole in a wall, half of it: 0.42 w, and 0.29 w in a hole (3 pi/32). The rate must be so
    all along, also just after metal has been laid anew. What enters has left the layer, to 1e-3, with what overlaps,
    which is less than 1e-3 of it (or of a tenth of the width).
    """
    run = solve(column(kind, 3.0, 1.0, {}, pressure, duration), tmp_path)
    t, length = run["time_s"], run["flaw_filled_um[flaw]"]
    laid = run.record["remeshings"]
    assert laid and not any("refused" in entry for entry in laid)
    steady = t > 1
    rates = np.polyfit(t[steady], 0.5 * length[steady] ** 2, 1)[0]
    closed = pressure / (resistance * 10 / 3)
    most = {"plane": 0.42, "axisymmetric": 0.29}[kind]
    assert closed * 3.0 / (3.0 + most) < rates < closed
    through = {"plane": 0.5, "axisymmetric": math.pi / 4}[kind] * (length[steady] - length[steady][0])
    left = {"plane": 3.0, "axisymmetric": 9 * math.pi}[kind] * (run["collector_displacement_um"][steady][0] - run["collector_displacement_um"][steady])
    overlap = run["flaw_overlap_um[flaw]"][steady]
    assert left == pytest.approx(through + through[-1] / (length[-1] - length[steady][0]) * overlap, abs=1e-3 * through[-1])
    assert (np.abs(overlap) < 1e-3 * np.maximum(length[steady] - 3.0, 0.1)).all()
    assert all(abs(entry["relative_changes"]["volume"]) < 1e-6 for entry in laid)


def test_power_law_lithium_rubs_between_sticking_walls_as_poiseuille_says(tmp_path):
    """`v = (w/2)^2 B p'^n (w/2)^(n-1)/(n + 2)`, shear rate `B tau^n`, B = A 3^((n+1)/2): so `tau = p' w/2` on the walls, n = 6.6.

    `p = (2 tau/w) (L + c)`: c is the way to the mouth, less than of a perfectly plastic metal, `(1 + pi/2) w` (Prandtl's punch).
    """
    n, half, pressure = 6.6, 0.5, 3.0
    run = solve(column("plane", 2.0, n, {}, pressure, 1.0), tmp_path)
    t, found = run["time_s"], profile(run)
    late = t > 0.5
    v = np.polyfit(t[late], run["flaw_filled_um[flaw]"][late], 1)[0]
    middle = (found["distance_um"] > 0.7) & (found["distance_um"] < 1.5)
    shear = found["shear_traction_MPa"][middle].mean()
    assert shear == pytest.approx((v * (n + 2) / (half * 0.1 * 3 ** ((n + 1) / 2))) ** (1 / n), rel=0.02)
    assert 0 < half * pressure / shear - run.last("flaw_filled_um[flaw]") < (1 + math.pi / 2) * 2 * half


def test_the_section_loses_what_the_walls_bear():
    """`d<sigma_xx>/dx = 2 tau/w` along the slot, mean over its width: 1 %. The pressure on the walls falls less, by some 8 %.

    The core of power-law metal hardly shears; it keeps the normal stresses with which it was loaded (some 0.2 MPa after 1 s, less by t^(-1/(n - 1))),
    tension along the slot near the head, and none at the walls: `d<sigma_xx - sigma_yy>/dx` is the difference.
    """
    half = 0.5
    pieces = Pieces(parse_case({"title": "section", "temperature": "298.15 K"} | column("plane", 2.0, 6.6, {}, 3.0, 1.0)))
    pieces.advance()
    u = pieces.fields["u_m"]
    stress = Stress(pieces.domain, pieces.case, pieces.fields, "u_m")
    sigma, cells = stress(), np.arange(stress.owned)
    place = fem.Expression(ufl.SpatialCoordinate(stress.mesh) + u, stress.points).eval(stress.mesh, cells).reshape(stress.owned, -1, 2)
    corners = stress.mesh.geometry.x[stress.mesh.geometry.dofmaps[0][cells]]
    area = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2])
    weight = area[:, None] * basix.make_quadrature(stress.mesh.basix_cell(), pieces.domain.degree)[1]
    depths, deep = np.arange(0.6, 1.5, 0.2), place[..., 1] - 3

    def slope(values: np.ndarray) -> float:
        """Of the mean over slices of 0.2 um of the slot."""
        slices = [(place[..., 0] < half) & (deep > low) & (deep < low + 0.2) for low in depths]
        return np.polyfit(depths, [np.average(values[chosen], weights=weight[chosen]) for chosen in slices], 1)[0]

    along, across = sigma[..., 1, 1], sigma[..., 0, 0]
    [flaw] = make_flaws(pieces.case, pieces.domain, pieces.fields, pieces.model)
    found = flaw.profile()
    middle = (found["distance_um"] > 0.6) & (found["distance_um"] < 1.6)
    tau = found["shear_traction_MPa"][middle].mean()
    assert slope(along) == pytest.approx(tau / half, rel=0.01)
    pressed = -np.polyfit(found["distance_um"][middle], found["contact_pressure_MPa"][middle], 1)[0]
    assert pressed == pytest.approx(tau / half - slope(along - across), rel=0.015) and pressed < 0.95 * tau / half


def test_a_column_that_slides_grows_at_a_constant_rate(tmp_path):
    """Janssen with a free head: `p(x) = p(0) exp(-2 mu k x/w)` would press on the head, so `p(0) = 0`: a column that slides bears nothing.

    Its walls are pressed beside the mouth alone, and its growth does not slow down as between sticking walls; the shear is `mu p_c`.
    """
    walls = {"contact": "unilateral", "tangential": "coulomb", "friction": 0.3}
    run = solve(column("plane", 0.8, 1.0, walls, 2.4, 0.7), tmp_path)
    t, length, found = run["time_s"], run["flaw_filled_um[flaw]"], profile(run)
    rates = np.diff(length) / np.diff(t)
    first, last = (np.median(rates[some]) for some in ((t[1:] > 0.12) & (t[1:] < 0.4), t[1:] > 0.5))
    assert length[-1] > 0.87 and last == pytest.approx(first, rel=0.015)
    x, p = found["distance_um"], found["contact_pressure_MPa"]
    sliding = x > 0.15
    assert found["shear_traction_MPa"][sliding] == pytest.approx(0.3 * p[sliding], abs=1e-4)
    assert p[x > 0.7].max() < 0.1 * 2.4


@pytest.mark.parametrize("kind, center", [("plane", 0.0), ("plane", 1.5), ("axisymmetric", 0.0)])
def test_the_head_stays_where_it_is_when_metal_is_laid_anew(kind, center, tmp_path):
    """But for what has been beyond the electrolyte's face, which comes back into the slot; between one wall and the axis, and between two.

    A head whose corners at the walls are cut off springs back by 3e-4 um and more, as the column is pressed together by it.
    """
    walls = {"contact": "unilateral", "tangential": "coulomb", "friction": 0.3}
    case = column(kind, 0.8, 1.0, walls, 5.0, 0.12)
    case["features"][0]["center"] = f"{center} um"
    run = solve(case, tmp_path)
    t, length, overlap = run["time_s"], run["flaw_filled_um[flaw]"], run["flaw_overlap_um[flaw]"]
    assert not any("refused" in entry for entry in run.record["remeshings"])
    laid = [k for k in np.searchsorted(t, [entry["time_s"] * (1 - 1e-9) for entry in run.record["remeshings"]]) if k + 1 < len(t)]
    assert laid
    for k in laid:
        grown = (length[k] - length[k - 1]) / (t[k] - t[k - 1]) * (t[k + 1] - t[k])
        assert length[k + 1] - length[k] - grown == pytest.approx(overlap[k], abs=1e-4)


@pytest.mark.parametrize("pressure, filled, duration", [(2, 0.5, 100), (10, 0.78, 0.008)])
def test_the_head_stays_where_it_is_beside_what_is_plated_and_where_it_has_left_the_walls(pressure, filled, duration, tmp_path, monkeypatch):
    """Lithium on the cells of a study, to 1e-4 um. At 2 MPa 5 nm are plated on the walls from one laying to the next; a depth that leaves them out
    jumps back by 3e-4 um as they become part of the column, whose head is vaulted. At 10 MPa the column leaves the walls by as much: with
    the gaps of the metal that was there before, and p that lets the layer hold what the column lacks, it is 3e-4 um too.
    """
    moved = []

    def watched(old, *given):
        new, record = press_in(old, *given)
        assert new is not None, record
        moved.append(new.observer.columns[0].depth_now() - old.observer.columns[0].depth_now())
        return new, record

    monkeypatch.setattr("interfem.run.press_in", watched)
    changes = ["mesh.refinement=0.4", f'features.flaw.filled="{filled} um"', f'protocol[0].to="{pressure} MPa"', 'protocol[0].duration="0.05 s"',
               f'protocol[1].duration="{duration} s"', "output.figures=false"]
    assert run_case(load_case(EMPTY, changes), tmp_path).status == "completed"
    assert len(moved) > 2 and np.abs(moved).max() < 1e-4


def test_a_slot_becomes_full_and_goes_on_as_one(tmp_path, monkeypatch):
    """`flaw_full` at 2 % of the width; its end is wall like the rest from then on, and bears the pressure of the stack.

    The first time that metal is to be laid anew it is refused, and asked for again.
    """
    answers = [(None, {"refused": "by the test"})]
    monkeypatch.setattr("interfem.run.press_in", lambda *given: answers.pop() if answers else press_in(*given))
    case = column("plane", 0.6, 1.0, {}, 10.0, 1.5)
    case["features"][0]["depth"] = "0.8 um"
    run = solve(case, tmp_path)
    assert [entry["event"] for entry in run.record["events"]][-1] == "flaw_full[flaw]"
    assert ["refused" in entry for entry in run.record["remeshings"]][:2] == [True, False]
    assert run.last("flaw_filled_um[flaw]") == pytest.approx(0.8, abs=1e-9)
    assert run.last("extrusion_length_um[flaw]") == pytest.approx(0.2, abs=2e-3)
    assert run.last("flaw_tip_pressure_MPa[flaw]") == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize("change, told", [
    ({"shape": "wedge"}, 'set shape = "slot"'), ({"filled": "2 um"}, "is not below depth"), ({"filled": "0.05 um"}, "a tenth of the width")])
def test_what_is_not_filled_in_part(change, told):
    case = column("plane", 0.6, 1.0, {}, 10.0, 1.0)
    case["features"][0] |= change
    with pytest.raises(CaseError, match=told):
        parse_case(case | {"title": "refused", "temperature": "298.15 K"})


def test_metal_is_pressed_in_in_finite_strain_alone():
    case = column("plane", 0.6, 1.0, {}, 10.0, 1.0, mechanics={"kinematics": "small"})
    with pytest.raises(CaseError, match="finite strain alone"):
        parse_case(case | {"title": "refused", "temperature": "298.15 K"})


def test_the_walls_stop_metal_that_is_not_laid_on_them(tmp_path, monkeypatch):
    """No new mesh is made: the head comes up against the end, is told to be full once, and stays there."""
    monkeypatch.setattr("interfem.run.press_in", lambda *given: (None, {"refused": "by the test"}))
    case = column("plane", 0.6, 1.0, {}, 10.0, 1.0)
    case["features"][0]["depth"] = "0.8 um"
    run = solve(case, tmp_path)
    assert [entry["event"] for entry in run.record["events"]].count("flaw_full[flaw]") == 1
    assert run.last("flaw_filled_um[flaw]") == pytest.approx(0.8, abs=0.02) and len(run.record["remeshings"]) > 1
