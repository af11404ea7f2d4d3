"""New cells in distorted metal: what it carries is kept, and the run goes on along a closed form. Finite strain."""

import math

import numpy as np
import pytest
from path import Run, merge, solve
from test_finite import LI

from interfem import march
from interfem.case import CaseError, parse_case
from interfem.geometry import renew
from interfem.run import run

INNER, OUTER, HEIGHT = 5.0, 10.0, 10.0
RING = {"title": "ring", "temperature": "298.15 K",
        "geometry": {"kind": "axisymmetric", "inner_radius": f"{INNER} um", "width": f"{OUTER} um"},
        "layers": [{"name": "li", "material": "Li", "thickness": f"{HEIGHT} um"}], "materials": LI, "mesh": {"size": "2 um"},
        "mechanics": {"kinematics": "finite", "boundaries": {"inner": "roller", "outer": "free", "collector": "platen"}},
        "solver": {"on_distortion": "remesh"}, "output": {"figures": False},
        "protocol": [{"kind": "pressure", "to": "2 MPa", "duration": "1e-3 s"},
                     {"kind": "rest", "duration": "3.4 s"}]}  # fmt: skip


def outer_radius(start, height: float):
    """Of what started at a radius: between smooth plates, around a smooth core, the volume within is kept."""
    return np.sqrt(INNER**2 + (start**2 - INNER**2) * HEIGHT / height)


def plastic_strain(start: float, height: float) -> float:
    """Along `v_r/r = (rate/2) (1 - a^2/r^2)`, rate = -dh/dt/h: `int sqrt(2/3 d:d) dt`."""
    log = np.linspace(0.0, math.log(HEIGHT / height), 2001)
    hoop = 0.5 * (1 - INNER**2 / outer_radius(start, HEIGHT * np.exp(-log)) ** 2)
    return float(np.trapezoid(np.sqrt(2 / 3 * (1 + hoop**2 + (1 - hoop) ** 2)), log))


def test_a_ring_is_squeezed_far_beyond_what_its_first_cells_bear(tmp_path):
    """Its flow varies with the radius: where each place has gone to, and the plastic strain there, after two new meshes."""
    found = solve(RING, tmp_path)
    height = HEIGHT + found.last("collector_displacement_um")
    assert height < 1.2  # the first cells bear 1.73
    record = remeshings(found)
    assert len(record) >= 2
    for entry in record:
        assert all(abs(change) < 1e-4 for change in entry["relative_changes"].values())
    grid = found.fields("metal")
    start, moved = grid.points[:, 0], grid.point_data["displacement_um"][:, 0]
    assert start + moved == pytest.approx(outer_radius(start, height), rel=4e-3)
    expected = np.array([plastic_strain(r, height) for r in grid.cell_centers().points[:, 0]])
    assert grid.cell_data["plastic_strain"] == pytest.approx(expected, rel=0.015)
    assert np.mean(grid.cell_data["plastic_strain"] / expected) == pytest.approx(1.0, abs=2e-3)


def remeshings(found: Run) -> list[dict]:
    from interfem.observe.record import read_record

    return read_record(found.folder)["remeshings"]


def test_charge_goes_on_over_a_new_mesh(tmp_path):
    """Lithium plates on an electrolyte while it is squeezed along it: charge, current and audit are those of one run."""
    layers = [*RING["layers"], {"name": "sse", "material": "Li6PS5Cl", "thickness": "4 um"}]
    interface = {"kinetics": "linear", "resistance": "10 ohm*cm^2", "tangential": "frictionless"}
    plating = {"kind": "current", "value": "-10 A/m^2", "duration": "1.8 s"}
    change = {"layers": layers, "interfaces": {"li|sse": interface}, "protocol": [RING["protocol"][0], plating]}
    found = solve(merge(RING, change, {"mesh": {"interface_size": "2 um"}}), tmp_path)
    assert len(remeshings(found)) == 1
    assert found.last("areal_charge_mAh_per_cm2") == pytest.approx(-18 / 36000, rel=1e-9)
    assert found["asr_charge_transfer_ohm_cm2"][-20:] == pytest.approx(10.0, rel=1e-6)
    voltage = found["cell_voltage_V"][found["phase"] == 1]
    assert np.abs(np.diff(voltage)).max() < 1e-4  # it does not jump


def test_metal_that_cannot_be_remeshed_ends_as_without_the_key(tmp_path):
    """Held fast at one end it folds over the corner there: the mesh that is there stays, to its own end."""
    held = {"mechanics": {"boundaries": {"inner": "roller", "outer": "free", "counter": "clamped"}}, "mesh": {"size": "2.5 um"}}
    result = run(parse_case(merge(RING, held)), tmp_path)
    assert (result.status, result.event) == ("stopped", "mesh_distorted")


BAR = merge({key: RING[key] for key in ("title", "temperature", "materials", "solver", "output")}, {
    "geometry": {"kind": "box", "width": "4 um", "depth": "4 um"},
    "layers": [{"name": "li", "material": "Li", "thickness": "4 um"}], "mesh": {"size": "1.2 um"},
    "mechanics": {"kinematics": "finite", "boundaries": {"left": "roller", "front": "roller", "right": "free", "back": "free",
                                                         "counter": "clamped", "collector": "platen"}},
    "protocol": [RING["protocol"][0], {"kind": "rest", "duration": "0.58 s"}]})  # fmt: skip


def test_a_bar_in_3d_is_squeezed_beyond_what_its_first_cells_bear(tmp_path):
    """A quarter of a bar between a smooth plate and one that holds it, so that it bulges."""
    found = solve(BAR, tmp_path)
    assert found.last("collector_displacement_um") < -1.4  # the first cells bear 1.25
    (record,) = remeshings(found)
    assert record["cells"] > 0 and all(abs(change) < 1e-3 for change in record["relative_changes"].values())
    assert np.abs(found["work_balance_error"]).max() < 1e-3


def test_what_follows_in_3d_is_as_without_new_cells(tmp_path, monkeypatch):
    """Taken long before the first ones are worn: the bar goes on as it would have, but for the error of its mesh."""
    short = merge(BAR, {"protocol": [BAR["protocol"][0], {"kind": "rest", "duration": "0.2 s"}], "mesh": {"size": "1 um"}})
    wanted = solve(short, tmp_path / "one")
    monkeypatch.setattr(march, "WORN", 0.85)
    monkeypatch.setattr(renew, "BETTER", 0.0)
    found = solve(short, tmp_path / "two")
    (record,) = remeshings(found)
    assert record["relative_changes"] == pytest.approx({"volume": 0.0, "plastic_strain": 0.0}, abs=2e-4)
    assert found.last("collector_displacement_um") == pytest.approx(wanted.last("collector_displacement_um"), rel=0.04)
    assert found.last("plastic_dissipation_pJ") == pytest.approx(wanted.last("plastic_dissipation_pJ"), rel=0.04)
    rate = [np.gradient(run["collector_displacement_um"], run["time_s"]) for run in (found, wanted)]
    assert rate[0][-1] == pytest.approx(rate[1][-1], rel=0.12)  # goes with the stress to the power 6.6


@pytest.mark.parametrize("change, told", [({"mechanics": {"kinematics": "small"}}, "finite strain alone")])
def test_refused(change, told):
    with pytest.raises(CaseError, match=told):
        parse_case(merge(RING, change))
