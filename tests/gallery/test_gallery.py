"""Every shipped case runs coarse, ends as its header says, keeps its balances, and shows what its header says to look for."""

import csv
import json
import re
from math import asinh, log, pi

import pytest

from interfem.case import load_case
from interfem.describe import describe_shipped, shipped_cases
from interfem.regions import is_transfer, kinetics
from interfem.run import run
from interfem.units import FARADAY, GAS_CONSTANT

CASES = shipped_cases()
LOADED = {name: load_case(file) for name, file in CASES.items()}
OHM_CM2 = 1e4  # of 1 ohm m^2
MAH = 36000.0  # C/m^2 of 1 mAh/cm^2

ALLOYS = [name for name, case in LOADED.items() if case.regions[0].stores]
MIXED = [name for name, case in LOADED.items() if any(r.role == "mixed" for r in case.regions)]
BINARY = [name for name, case in LOADED.items() if any(r.binary for r in case.regions)]
GROWING = [name for name, case in LOADED.items() if case.sei is not None]
CLOSING = [name for name, case in LOADED.items() if any(f.kind == "void" for f in case.features) and case.mechanics.kinematics == "finite"]
PRESSED = [name for name, case in LOADED.items() if any(getattr(f, "filled", None) for f in case.features)]
RESISTORS = [name for name in CASES if name not in {*ALLOYS, *MIXED, *BINARY, *GROWING, *CLOSING, *PRESSED}]


@pytest.fixture(scope="session")
def solved(tmp_path_factory):
    """Runs a case once for all tests, coarse; returns the run's result and the rows of scalars.csv as numbers."""
    found = {}

    def solve(name: str):
        if name not in found:
            refinement = 0.25 if LOADED[name].geometry.kind == "box" else 0.4
            case = load_case(CASES[name], [f"mesh.refinement={refinement}", "output.figures=false"])
            result = run(case, tmp_path_factory.mktemp("gallery") / name)
            with open(result.folder / "scalars.csv", newline="") as file:
                found[name] = result, [{key: number(key, text) for key, text in row.items()} for row in csv.DictReader(file)]
        return found[name]

    return solve


def number(key: str, text: str) -> float | str | None:
    return text if key in ("phase_kind", "event") else float(text) if text else None


def at_end(table: list[dict], kind: str, n: int = 0) -> dict:
    """Last row of the n-th protocol step of a kind."""
    phases = list(dict.fromkeys(r["phase"] for r in table if r["phase_kind"] == kind))
    return [r for r in table if r["phase"] == phases[n]][-1]


def features(name: str, kind: str) -> list:
    return [f for f in LOADED[name].features if f.kind == kind]


def filled(name: str) -> list:
    return [f for f in features(name, "flaw") if f.fill != "empty" and f.filled is None]


# ---- all cases --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_ends_as_its_header_says(name, solved):
    result, table = solved(name)
    promised = re.search(r"by the event (\w+)", describe_shipped(name))
    if promised:
        assert (result.status, result.event) == ("stopped", promised[1])
    else:
        assert result.status == "completed", (result.event, result.reason)
    assert result.summary["charge_balance_error"]["max"] <= 1e-8
    for balance in ("lithium_balance_error", "salt_balance_error"):
        assert result.summary.get(balance, {"max": 0.0})["max"] <= 1e-8
    for file in ("log.txt", "scalars.csv", "run.json", "fields/metal.pvd", "fields/electrolyte.pvd", "fields/interface.pvd"):
        assert (result.folder / file).is_file()


@pytest.mark.parametrize("name", CASES)
def test_header_and_title(name):
    text, case = CASES[name].read_text(), LOADED[name]
    assert text.startswith("# ") and "Material values and their sources" in text
    for file in re.findall(r"[\w.\-]+\.toml", text.split("Material values and their sources")[1].split("\n\n")[0]):
        assert (CASES[name].parents[1] / "materials" / file.removeprefix("materials/")).is_file(), file
    assert len(case.title) <= 72 and "\n" not in case.title
    if name not in ("bare", "bare_3d", "bare_axisymmetric", "interlayer", "alloy"):
        assert "Look for:" in text and "stimate" in text
        assert re.search(r"doi:10\.|\d+:\d+", text)  # where the remedy was reported


@pytest.mark.parametrize("name", CASES)
def test_current_drives_the_voltage_its_way(name, solved):
    """At the end of each current step: above equilibrium if lithium is stripped, below if it is plated, by no more than 150 mV."""
    _, table = solved(name)
    for n, step in enumerate(step for step in LOADED[name].protocol if step.kind == "current"):
        row = at_end(table, "current", n)
        assert 0 < row["overpotential_V"] * (1 if step.value > 0 else -1) < 0.15
        assert row["current_density_A_per_m2"] == pytest.approx(step.value, rel=1e-6)


@pytest.mark.parametrize("name", CLOSING)
def test_a_void_closes_and_passes_current_again(name, solved):
    result, table = solved(name)
    assert any(event["event"].startswith("void_closed") for event in json.loads((result.folder / "run.json").read_text())["events"])
    assert table[0]["contact_fraction"] < 0.8 + 1e-6 and table[-1]["contact_fraction"] == pytest.approx(1.0, abs=1e-6)
    assert table[-1]["asr_ohm_cm2"] == pytest.approx(in_series(LOADED[name]), rel=1e-3)


@pytest.mark.parametrize("name", [n for n in CASES if features(n, "void") and n not in CLOSING])
def test_a_void_bears_no_load_and_focuses_current(name, solved):
    result, _ = solved(name)
    assert result.summary["interface_max_pressure_MPa"]["max"] > result.summary["stack_pressure_MPa"]["max"]
    assert result.summary["current_focusing"]["max"] > 1.1


@pytest.mark.parametrize("name", [n for n in CASES if filled(n)])
def test_lithium_plated_in_a_flaw_opens_it(name, solved):
    result, table = solved(name)
    plating = at_end(table, "current")
    assert plating["sse_max_principal_MPa"] > result.summary["stack_pressure_MPa"]["max"]
    assert plating["metal_max_pressure_MPa"] > result.summary["stack_pressure_MPa"]["max"]


# ---- resistances ------------------------------------------------------------------------------------------------------


def in_series(case) -> float:
    """Areal resistance at the first current step of layers and faces in series, if all were flat; ohm cm2."""
    current = abs(next(step.value for step in case.protocol if step.kind == "current"))
    drop = sum(current * resistance(region, case.temperature) for region in case.regions[: len(case.layers)] if region.ions)
    layers = case.regions[: len(case.layers)]
    for a, b in zip(layers, layers[1:]):
        if is_transfer(case, a, b):
            law = kinetics(case, a, b)
            drop += current * law.film_resistance
            drop += 2 * GAS_CONSTANT * case.temperature / FARADAY * asinh(current / (2 * law.exchange_current_density))
    return drop / current * OHM_CM2


def resistance(region, temperature: float) -> float:
    """h/kappa in ohm m^2; exponentially graded: h (1/s1 - 1/s2)/ln(s2/s1)."""
    entry = region.material.get("ionic_conductivity")
    if "ionic_conductivity" in region.grading:
        low, high = (float(region.grading["ionic_conductivity"].at(s)) for s in (0.0, 1.0))
        return region.thickness * (1 / low - 1 / high) / log(high / low)
    return region.thickness / entry.at(temperature)


def measured(name: str, table: list[dict]) -> float:
    """(V - V at rest under pressure)/i at the end of the first current step, ohm cm2."""
    row = at_end(table, "current")
    return (row["cell_voltage_V"] - at_end(table, "pressure", -1)["cell_voltage_V"]) / row["current_density_A_per_m2"] * OHM_CM2


def covered(name: str) -> float:
    """Fraction of the interface under voids."""
    case, share = LOADED[name], 0.0
    for void in features(name, "void"):
        width = case.geometry.width
        if case.geometry.kind == "plane":
            share += void.radius * (1 if void.center[0] in (0.0, width) else 2) / width
        elif case.geometry.kind == "axisymmetric":
            share += (void.radius / width) ** 2
        else:
            share += pi * void.radius**2 / 4 / (width * case.geometry.depth)
    return share


@pytest.mark.parametrize("name", PRESSED)
def test_lithium_enters_an_empty_slot_at_a_steady_rate(name, solved):
    """A column whose head is free bears next to no pressure, and walls along which it slides hardly rub."""
    _, table = solved(name)
    times, depths = ([row[key] for row in table] for key in ("time_s", "flaw_filled_um[flaw]"))
    end, half = times[-1], next(d for t, d in zip(times, depths) if t > 0.5 * times[-1])
    held = next(d for t, d in zip(times, depths) if t > 0.25 * end)  # the pressure is reached by then
    assert depths[0] < held < half < depths[-1]
    assert (depths[-1] - half) / (0.5 * end) == pytest.approx((half - held) / (0.25 * end), rel=0.2)


@pytest.mark.parametrize("name", [n for n in RESISTORS if not filled(n)])
def test_resistance_is_that_of_layers_and_faces(name, solved):
    """A film adds h/kappa. A void takes its share of the face, plus a constriction of at most a fifth of the whole."""
    _, table = solved(name)
    flat, found = in_series(LOADED[name]), measured(name, table)
    if covered(name):
        assert flat < found < 1.2 * flat / (1 - covered(name))
    else:
        assert found == pytest.approx(flat, rel=0.03)  # roughness of small slope


@pytest.mark.parametrize("name", [n for n in RESISTORS if filled(n) and n != "lif_film"])
def test_a_flaw_in_a_conductor_changes_the_resistance_little(name, solved):
    _, table = solved(name)
    assert measured(name, table) == pytest.approx(in_series(LOADED[name]) / (1 - covered(name)), rel=0.2)


def test_a_crack_through_a_resisting_film_bypasses_it(solved):
    result, table = solved("lif_film")
    assert measured("lif_film", table) < 0.6 * in_series(LOADED["lif_film"])
    assert result.summary["current_focusing"]["max"] > 3
    assert result.summary["sse_max_principal_MPa"]["max"] > solved("bare")[0].summary["sse_max_principal_MPa"]["max"]


def test_doux_cell_shows_its_measured_resistance(solved):
    """110 ohm at 1.267 cm2 and 5 MPa; contacts and pellet are of the same source, their sum is not."""
    _, table = solved("lpscl")
    assert measured("lpscl", table) / 1.267 == pytest.approx(110, rel=0.15)


def test_a_better_conductor_focuses_current_less(solved):
    """kappa Z of 75 um against 16 um, the same void."""
    assert 1.1 < solved("cl_rich")[0].summary["current_focusing"]["max"] < solved("bare")[0].summary["current_focusing"]["max"]
    assert measured("cl_rich", solved("cl_rich")[1]) < measured("bare", solved("bare")[1])


def test_graphene_oxide_costs_four_per_cent_of_the_pellet_and_changes_no_stress(solved):
    (plain, one), (coated, two) = solved("li7p3s11"), solved("go_coated")
    pellets = [resistance(LOADED[name].region("sse"), 298.15) * OHM_CM2 for name in ("li7p3s11", "go_coated")]
    assert measured("go_coated", two) - measured("li7p3s11", one) == pytest.approx(pellets[1] - pellets[0], rel=0.1)
    peaks = [run.summary["sse_max_principal_MPa"]["max"] for run in (plain, coated)]
    assert peaks[1] == pytest.approx(peaks[0], rel=0.02)


# ---- reaction layers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, thickness", [("sei_lpscl", 859), ("sei_interlayer", 76), ("sei_lgps", 15190)])
def test_a_reaction_layer_grows_as_its_header_says(name, thickness, solved):
    """Its ions cost thickness/sigma_i more at the end of the case than at its beginning."""
    result, table = solved(name)
    fresh, aged = (at_end(table, "current", n) for n in (0, 1))
    column = next(key for key in aged if key.startswith("sei_mean_nm"))
    assert aged[column] == pytest.approx(thickness, rel=0.01)
    assert aged["asr_film_ohm_cm2"] - fresh["asr_film_ohm_cm2"] == pytest.approx((aged[column] - fresh[column]) * 1e-2, rel=0.05)
    assert result.summary["lithium_audit_error"]["max"] <= 1e-8


# ---- polymers ---------------------------------------------------------------------------------------------------------


def test_peo_polarises_below_its_limiting_current(solved):
    """Flat film at steady state: c0 -+ i (1 - t+) L/(2 F D), here 1200 -+ 415 mol/m3; the wavy one differs by its thickness."""
    result, table = solved("polymer_interlayer")
    region = LOADED["polymer_interlayer"].region("film")
    d = region.material.get("salt_diffusivity").at(333.15)
    half = 10.0 * (1 - region.transference) * region.thickness / (2 * FARADAY * d)
    plated = at_end(table, "current")
    assert plated["salt_max_mol_per_m3"] - 1200 == pytest.approx(half, rel=0.15)
    assert 1200 - plated["salt_min_mol_per_m3"] == pytest.approx(half, rel=0.15)
    assert plated["plated_thickness_um"] == pytest.approx(4.8505, rel=1e-3)
    assert table[-1]["plated_thickness_um"] == pytest.approx(0.0, abs=1e-6)
    assert 0.05 < -plated["overpotential_V"] < 0.15


def test_polymer_coat_costs_kinetics_first_and_leaves_no_tension(solved):
    result, table = solved("polymer_coated")
    case = LOADED["polymer_coated"]
    assert in_series(case) < measured("polymer_coated", table) < 1.5 * in_series(case)  # the salt's polarisation on top
    assert result.summary["sse_max_principal_MPa"]["max"] < 0.1
    assert 1000 < result.summary["salt_max_mol_per_m3"]["max"] < 1500


# ---- alloys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALLOYS)
def test_alloy_holds_what_was_charged(name, solved):
    """Change of the mean filling = charge/(F c_max h), and back; lithium stays within the alloy's limits."""
    result, table = solved(name)
    region = LOADED[name].regions[0]
    filling, low, high = (f"li_fraction_{which}[{region.material.name}]" for which in ("mean", "min", "max"))
    volume = region.thickness * (1 - covered_volume(name))
    full = FARADAY * region.material.get("maximum_concentration").value * volume / MAH
    start = region.material.get("initial_concentration").value / region.material.get("maximum_concentration").value
    for row in (at_end(table, "current"), table[-1]):
        assert row[filling] - start == pytest.approx(-row["areal_charge_mAh_per_cm2"] / full, rel=0.02, abs=1e-6)
    assert 0 < result.summary[low]["min"] and result.summary[high]["max"] <= 1


def covered_volume(name: str) -> float:
    """Fraction of the alloy's section that voids and pores take."""
    case, region = LOADED[name], LOADED[name].regions[0]
    area = sum(pi / 4 * f.radius * f.height for f in features(name, "void")) / (case.geometry.width * region.thickness)
    return area + sum(f.porosity for f in features(name, "pores"))


@pytest.mark.parametrize("name", ALLOYS)
def test_alloy_stands_at_its_potential(name, solved):
    """Before current flows the cell shows U of the initial filling, less the work against the stack pressure (0.7 mV)."""
    _, table = solved(name)
    material = LOADED[name].regions[0].material
    start = material.get("initial_concentration").value / material.get("maximum_concentration").value
    found = at_end(table, "pressure")["cell_voltage_V"]
    assert found == pytest.approx(material.get("equilibrium_potential").interpolate(start), abs=3e-3)


@pytest.mark.parametrize("name", [n for n in ALLOYS if n != "alloy"])
def test_swelling_moves_the_collector(name, solved):
    """Delithiation draws it in (positive: outwards), by no more than the volume that leaves, q Omega/F, and elastic slack."""
    _, table = solved(name)
    row, start = at_end(table, "current"), at_end(table, "pressure")
    omega = LOADED[name].regions[0].material.get("partial_molar_volume").value
    gone = row["areal_charge_mAh_per_cm2"] * MAH * omega / FARADAY
    moved = row["collector_displacement_um"] - start["collector_displacement_um"]
    assert moved * gone < 0
    assert 0.4 < -moved / gone < 1.2


def test_magnesium_stays_and_the_surface_runs_full(solved):
    result, table = solved("li_mg")
    assert result.summary["li_fraction_max[Li-Mg]"]["max"] == pytest.approx(0.999, abs=1e-3)
    assert table[-1]["li_fraction_mean[Li-Mg]"] < 0.9  # though the bulk is not
    stripped = at_end(table, "current")
    assert stripped["li_fraction_min[Li-Mg]"] < stripped["li_fraction_mean[Li-Mg]"] - 0.1


# ---- mixed conductors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in MIXED if n != "agc"])
def test_the_faces_share_the_current_by_their_ways(name, solved):
    """(R1 + L/sigma_e) and (L/sigma_i + R2) in parallel, as in V24, at steady state."""
    _, table = solved(name)
    case, row = LOADED[name], at_end(table, "current")
    film = case.region("film")
    electrons = film.thickness / film.material.get("electronic_conductivity").at(case.temperature)
    ions = film.thickness / film.material.get("ionic_conductivity").at(case.temperature)
    thermal = GAS_CONSTANT * case.temperature / FARADAY
    li, sse = case.region("li"), case.region("sse")
    far, near = (thermal / kinetics(case, *pair).exchange_current_density for pair in ((film, sse), (li, film)))
    share = (far + electrons) / (far + electrons + ions + near)  # plated at the lithium
    found = row["current_density[li|film]_A_per_m2"] / row["current_density_A_per_m2"]
    assert found == pytest.approx(share, abs=0.02)


def test_silver_and_carbon_fill_before_lithium_plates_at_the_collector(solved):
    result, table = solved("agc")
    half = next(r for r in table if r["areal_charge_mAh_per_cm2"] < -0.2)
    assert half["plated_thickness_um"] < 1e-3 and half["cell_voltage_V"] > 0.05
    full = at_end(table, "current")
    assert full["li_fraction_min[Ag-C]"] > 0.95 and result.summary["li_fraction_max[Ag-C]"]["max"] < 1
    assert full["plated_thickness_um"] > 1.0
    assert full["current_density[collector_foil|agc]_A_per_m2"] == pytest.approx(-10.0, rel=1e-3)  # none at the electrolyte
    stored = FARADAY * 20e3 * 9.0 * full["li_fraction_mean[Ag-C]"] / MAH
    assert -full["areal_charge_mAh_per_cm2"] == pytest.approx(stored + full["plated_thickness_um"] / 4.8505, rel=0.02)
