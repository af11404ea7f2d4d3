"""Potential and charge transfer against closed forms: contacts, planar cells, kinetics, order of convergence."""

import math

import numpy as np
import pytest
import ufl
from cases import KAPPA, RT_F, Pieces, build, butler_volmer, current, last, layer, rest, rows, um
from dolfinx import fem
from interfem.domain import ELECTRONS, IONS
from interfem.interface.butler_volmer import asinh
from scipy.optimize import brentq
from scipy.special import ellipj, ellipk, ellipkm1

B = 50.0  # um, half width or radius of the cells with a contact
HEIGHT = 3 * B


def contact(kind: str, a: float, resistance: float, inner: bool, rim: float = 1e-3, **more):
    """Cell with linear kinetics (ohm m^2) that touches only for x < a (inner) or only for x > a; rim: edge length over a."""
    patch = {"kind": "patch", "interface": "li|sse"} | ({"inner": um(a), "outer": um(B)} if inner else {"outer": um(a)})
    return build([layer("li", "Li", B / 5), layer("sse", "Li6PS5Cl", HEIGHT)], [current(10)], B, kind, features=[patch],
                 interfaces={"li|sse": {"kinetics": "linear", "resistance": f"{resistance:.12g} ohm*m^2"}},
                 mesh={"rim_size": um(rim * a), "interface_size": um(B / 10), "size": um(B / 4)}, **more)  # fmt: skip


def excess(row: dict) -> float:
    """Areal resistance beyond that of the plain electrolyte, ohm m^2."""
    return row["asr_ohm_cm2"] * 1e-4 - HEIGHT * 1e-6 / KAPPA


# ---- contacts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio, f", [(0.1, 0.85939), (0.5, 0.33961), (0.9, 0.01824)])
def test_disc_contact(tmp_path, ratio, f):
    """V01: Holm's constriction `R_c = f(a/b)/(4 kappa a)` (Negus and Yovanovich 1984); kinetics a millionth of a/kappa."""
    a = ratio * B
    row = last(contact("axisymmetric", a, 1e-6 * a * 1e-6 / KAPPA, inner=True), tmp_path)
    assert excess(row) / (math.pi * (B * 1e-6) ** 2) * 4 * KAPPA * a * 1e-6 == pytest.approx(f, rel=3e-3)


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.5, 0.75, 0.9])
def test_stripe_contact(tmp_path, ratio):
    """V02: `ASR = (2b/(pi kappa)) ln(1/sin(pi a/2b))`, exact; degree 2, graded to 1e-4 a at the edge."""
    a = ratio * B
    row = last(contact("plane", a, 1e-6 * a * 1e-6 / KAPPA, inner=True, rim=1e-4), tmp_path)
    exact = 2 / math.pi * math.log(1 / math.sin(math.pi * ratio / 2))
    assert excess(row) * KAPPA / (B * 1e-6) == pytest.approx(exact, rel=1e-3)


def test_stripe_contact_on_a_thin_electrolyte(tmp_path):
    """Half as thick as wide: `ASR = (b/kappa) K(1-m')/K(m')`, `m' = m sn(K(m) a/b | m)^2`, `K(1-m)/K(m) = L/b`, exact."""
    a, ratio = 0.4 * B, 0.5
    m = brentq(lambda m: ellipkm1(m) / ellipk(m) - ratio, 0.5, 1 - 1e-12)
    inner = m * ellipj(ellipk(m) * a / B, m)[0] ** 2
    patch = {"kind": "patch", "interface": "li|sse", "inner": um(a), "outer": um(B)}
    case = build([layer("li", "Li", B / 5), layer("sse", "Li6PS5Cl", ratio * B)], [current(10)], B, features=[patch],
                 interfaces={"li|sse": {"kinetics": "linear", "resistance": f"{1e-6 * a * 1e-6 / KAPPA} ohm*m^2"}},
                 mesh={"rim_size": um(1e-4 * a), "interface_size": um(B / 10), "size": um(B / 10)})  # fmt: skip
    assert last(case, tmp_path)["asr_ohm_cm2"] * 1e-4 * KAPPA / (B * 1e-6) == pytest.approx(ellipkm1(inner) / ellipk(inner), rel=1e-3)


@pytest.mark.parametrize("abar, edge, asr", [(0.1, 2.054, 2.054), (1, 2.484, 2.527), (3, 3.233, 3.527), (10, 5.007, 6.834),
                                             (100, 14.38, 47.15)])  # fmt: skip
def test_stripe_void_with_kinetics(tmp_path, abar, edge, asr):
    """V03 at b/a = 2: areal resistance over Z, and largest over mean current density; `abar = a/(kappa Z)`."""
    z = B / 2 * 1e-6 / KAPPA / abar
    row = last(contact("plane", B / 2, z, inner=False), tmp_path)
    assert excess(row) / z == pytest.approx(asr, rel=1e-3)
    assert row["current_focusing"] == pytest.approx(edge, rel=1e-3)


# ---- planar cells -----------------------------------------------------------------------------------------------------

SSE_100 = layer("sse", "Li6PS5Cl", 100)
LI, REAR = layer("li", "Li", 5), layer("rear", "Li", 5)
V05 = [(10, 10, 100, 54.454), (10, 100, 100, 10.136), (100, 10, 100, 287.650), (10, 320, 1000, 51.606)]
V05_EXACT = [i * length * 1e-6 / KAPPA + 4 * RT_F * math.asinh(i / (2 * i0)) for i, i0, length, _ in V05]


def planar(i0: float, protocol, length: float = 100, width: float = 50.0, **more):
    """Li | electrolyte | Li with Butler-Volmer kinetics (A/m^2)."""
    given = {"exchange_current_density": f"{i0} A/m^2"}
    return build([LI, layer("sse", "Li6PS5Cl", length), REAR], protocol, width,
                 interfaces={"li|sse": given, "sse|rear": given}, mesh={"size": "50 um"}, **more)  # fmt: skip


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("i, i0, length, millivolt", V05)
def test_planar_cell(tmp_path, i, i0, length, millivolt, sign):
    """V05: `V = i L/kappa + 2 (2RT/F) asinh(i/2i0)`; stripping raises the cell voltage, plating lowers it."""
    row = last(planar(i0, [current(sign * i)], length), tmp_path)
    assert row["cell_voltage_V"] * 1e3 == pytest.approx(sign * millivolt, rel=1e-4)
    assert row["overpotential_V"] == row["cell_voltage_V"]
    assert row["asr_ohm_cm2"] == pytest.approx(millivolt * 1e-3 / i * 1e4, rel=1e-4)
    assert row["current_density_A_per_m2"] == pytest.approx(sign * i, rel=1e-10)
    assert row["current_focusing"] == pytest.approx(1, rel=1e-6)
    assert row["current_density[sse|rear]_A_per_m2"] == pytest.approx(-sign * i, rel=1e-10)


def test_planar_cell_in_every_geometry(tmp_path):
    """V05 axisymmetric and in a box agree with the plane, whose table it is."""
    geometries = {"plane": {}, "axisymmetric": {}, "hollow": {"inner_radius": "20 um"}, "box": {"depth": "50 um"}}
    kinds = {"hollow": "axisymmetric"}
    cases = [planar(10, [current(10)], kind=kinds.get(name, name), geometry=more) for name, more in geometries.items()]
    volts = [last(case, tmp_path)["cell_voltage_V"] for case in cases]
    assert volts == pytest.approx([V05_EXACT[0]] * 4, rel=1e-9)


def test_potentiostatic_step(tmp_path):
    """The current that belongs to a voltage, after a step up, back to zero, and down."""
    steps = [{"kind": "voltage", "value": f"{v} V", "duration": "1 s"} for v in (0.1, 0.0, -0.3)]
    found = rows(planar(10, steps), tmp_path)
    ends = [[row for row in found if row["phase"] == n][-1] for n in range(3)]
    for row, volt in zip(ends, (0.1, 0.0, -0.3)):
        exact = brentq(lambda i: i * 100e-6 / KAPPA + 4 * RT_F * math.asinh(i / 20) - volt, -1e3, 1e3)
        assert row["cell_voltage_V"] == pytest.approx(volt, abs=1e-10)
        assert row["current_density_A_per_m2"] == pytest.approx(exact, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("counter", ["equipotential", "uniform"])
@pytest.mark.parametrize("i", [100.0, -100.0])
def test_asymmetric_kinetics(tmp_path, counter, i):
    """alpha = 0.3, of the cathodic branch, and a film: `eta = V - i L/kappa - i r_film` is on the closed form."""
    given = {"exchange_current_density": "10 A/m^2", "transfer_coefficient": 0.3, "film_resistance": "10 ohm*cm^2"}
    row = last(build([LI, SSE_100], [current(i)], 50, counter=counter, interfaces={"li|sse": given}), tmp_path)
    eta = row["cell_voltage_V"] - i * (100e-6 / KAPPA + 10e-4)
    assert butler_volmer(eta, 10, alpha=0.3) == pytest.approx(i, rel=1e-7)


@pytest.mark.parametrize("i0, alpha", [(1e-3, 0.5), (1e-6, 0.9)])
def test_far_up_the_exponentials(tmp_path, i0, alpha):
    """A thousand A/m^2 at once, up to 1e9 i0, plated and stripped: `V = i L/kappa + eta`, eta of one exponential."""
    given = {"exchange_current_density": f"{i0} A/m^2", "transfer_coefficient": alpha}
    case = build([LI, SSE_100], [current(-1e3), current(1e3)], interfaces={"li|sse": given}, mesh={"size": "50 um"})
    found = rows(case, tmp_path)
    for row, sign, part in zip(found, (-1, 1), (alpha, 1 - alpha)):
        exact = 1e3 * 100e-6 / KAPPA + RT_F / part * math.log(1e3 / i0)
        assert row["cell_voltage_V"] == pytest.approx(sign * exact, rel=1e-7)


def test_given_equilibrium_potential(tmp_path):
    """At rest the cell shows it; under current it is no part of the overpotential."""
    given = {"equilibrium_potential": "50 mV", "exchange_current_density": "10 A/m^2"}
    found = rows(build([LI, SSE_100], [rest(), current(10)], 50, interfaces={"li|sse": given}), tmp_path)
    assert found[0]["cell_voltage_V"] == pytest.approx(0.05, abs=1e-12)
    assert found[0]["overpotential_V"] == pytest.approx(0, abs=1e-12)
    assert found[1]["overpotential_V"] == pytest.approx(found[1]["cell_voltage_V"] - 0.05, abs=1e-12)
    assert found[1]["overpotential_V"] == pytest.approx(5e-3 + 2 * RT_F * math.asinh(0.5), rel=1e-7)


def test_isolated_lithium_passes_no_net_current(tmp_path):
    """A pore filled with Li that nothing connects takes current at one end and gives it back; at rest nothing flows."""
    pore = {"kind": "pore", "layer": "sse", "position": "10 um", "radius": "2 um", "fill": "Li"}
    found = rows(build([LI, layer("sse", "Li6PS5Cl", 20)], [rest(), current(-10), rest()], 10, features=[pore]), tmp_path)
    assert found[1]["current_density[li|sse]_A_per_m2"] == pytest.approx(-10, rel=1e-10)
    assert [row["current_density[pore|sse]_A_per_m2"] for row in found] == pytest.approx([0, 0, 0], abs=1e-9)


# ---- interlayers ------------------------------------------------------------------------------------------------------

FILM = {"Li3N": {"ionic_conductivity": "0.01 S/m"}}
KINETICS = {"exchange_current_density": "100 A/m^2"}


def test_resolved_and_unresolved_film_agree(tmp_path):
    """A meshed interlayer of 0.5 um and its areal resistance give the same voltage: 0.5 um over 0.01 S/m is 0.5 ohm cm^2."""
    meshed = build([LI, layer("film", "Li3N", 0.5), SSE_100], [current(-50)], 20, materials=FILM,
                   interfaces={"li|film": KINETICS})  # fmt: skip
    lumped = build([LI, SSE_100], [current(-50)], 20, interfaces={"li|sse": KINETICS | {"film_resistance": "0.5 ohm*cm^2"}})
    volts = [last(case, tmp_path)["cell_voltage_V"] for case in (meshed, lumped)]
    assert volts[0] == pytest.approx(volts[1], rel=1e-9)
    assert volts[0] == pytest.approx(-50 * (100e-6 / KAPPA + 0.5e-4) - 2 * RT_F * math.asinh(50 / 200), rel=1e-7)


def test_resolved_and_unresolved_film_agree_beside_a_void(tmp_path):
    """So do they in 2D where the film (50 nm, 5 ohm cm^2) is thin against the contact: resistance and focusing."""
    patch = {"kind": "patch", "outer": "5 um"}
    thin, mesh = {"Li3N": {"ionic_conductivity": "1e-4 S/m"}}, {"rim_size": "0.02 um"}
    meshed = build([LI, layer("film", "Li3N", 0.05), SSE_100], [current(-50)], 20, materials=thin,
                   interfaces={"li|film": KINETICS}, features=[patch | {"interface": "li|film"}], mesh=mesh)  # fmt: skip
    lumped = build([LI, SSE_100], [current(-50)], 20, interfaces={"li|sse": KINETICS | {"film_resistance": "5 ohm*cm^2"}},
                   features=[patch | {"interface": "li|sse"}], mesh=mesh)  # fmt: skip
    first, second = (last(case, tmp_path) for case in (meshed, lumped))
    assert first["asr_ohm_cm2"] == pytest.approx(second["asr_ohm_cm2"], rel=2e-3)
    assert first["current_density[li|film]_A_per_m2"] == pytest.approx(second["current_density[li|sse]_A_per_m2"], rel=1e-9)


# ---- order of convergence ---------------------------------------------------------------------------------------------

METAL = {"M": {"role": "metal", "law": "elastic", "electronic_conductivity": "0.05 S/m", "molar_volume": "1.3e-5 m^3/mol"}}


def manufactured_error(degree: int, refinement: float) -> float:
    """Relative L2 error of both potentials for a solution that is given on two conductors with Butler-Volmer kinetics between.

    Metal 0 < y < 10, sigma = 0.05 S/m; electrolyte 10 < y < 25, kappa = 0.2 S/m. `phi_m = cos(pi x/20) sin(pi y/30)` and
    `phi = cos(pi x/20) (25 - y) s/10`, s such that the current is continuous; sources in both volumes and on the interface.
    """
    case = build([layer("m", "M", 10), layer("sse", "Li6PS5Cl", 15)], [{"kind": "voltage", "value": "0 V", "duration": "1 s",
                 "first_step": "1 s", "max_step": "1 s"}], 20, materials=METAL, solver={"potential_degree": degree},
                 interfaces={"m|sse": {"exchange_current_density": "1e3 A/m^2"}},
                 mesh={"size": "2.5 um", "interface_size": "2.5 um", "refinement": refinement})  # fmt: skip
    pieces = Pieces(case)
    domain, fields, model = pieces.domain, pieces.fields, pieces.model
    x, y = domain.x
    wave, sigma, kappa = ufl.cos(math.pi * x / 20), 0.05e6, KAPPA * 1e6
    slope = sigma * math.pi / 30 * math.cos(math.pi / 3) / kappa  # continuous current: sigma phi_m' = kappa phi'
    exact_m, exact = 0.01 * wave * ufl.sin(math.pi * y / 30), -0.01 * wave * slope * (25 - y)
    i = -sigma * ufl.dot(ufl.grad(exact_m), ufl.as_vector([0, 1]))
    f = fem.Constant(domain.mesh, 1 / RT_F)
    eta = exact_m - exact
    fine = {"quadrature_degree": 9}
    (label,) = domain.transfer_labels
    measures = (domain.dx(ELECTRONS), domain.dx(IONS), domain.dS(label))
    metal, electrolyte, surface = (weighted.measure.reconstruct(metadata=fine) for weighted in measures)
    q_m, q, j = (fields.unknowns[name].test for name in ("phi_m", "phi", "i"))
    off = asinh(i / 2e3) - asinh(0.5 * (ufl.exp(0.5 * f * eta) - ufl.exp(-0.5 * f * eta)))  # of the law on the exact solution
    model.residual += (ufl.div(sigma * ufl.grad(exact_m)) * q_m * metal + ufl.div(kappa * ufl.grad(exact)) * q * electrolyte
                       - off("+") * j("+") * surface)  # fmt: skip
    pieces.advance()
    errors = [(fields["phi_m"] - exact_m) ** 2 * metal, exact_m**2 * metal,
              (fields["phi"] - exact) ** 2 * electrolyte, exact**2 * electrolyte]  # fmt: skip
    values = [domain.integral(form) for form in errors]
    return math.sqrt(values[0] / values[1] + values[2] / values[3])


@pytest.mark.parametrize("degree, order", [(1, 2), (2, 3)])
def test_order_of_convergence(degree, order):
    """L2 error of the potentials falls as h^2 (degree 1) and h^3 (degree 2) across an interface of two materials."""
    errors = [manufactured_error(degree, refinement) for refinement in (1, 2, 4)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx([order, order], abs=0.25)
