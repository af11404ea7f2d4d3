"""Steps that follow the flow of lithium by themselves, from milliseconds to weeks; no case here says how long a step is."""

import numpy as np
import pytest
from path import merge, solve
from test_laws_rates import BAR, EXPONENT, HELD, LOAD, MASIAS, SPRING, lithium, sprung

WEEKS = {"kind": "rest", "duration": "300 h"}


def test_relaxation_from_milliseconds_to_weeks(tmp_path):
    """Held bar, 0.9 MPa in 1 ms, then 300 h: `q^(1-n) = q0^(1-n) + (n - 1) HELD A t` within 4 % at every step, over 8 decades."""
    press = {"kind": "pressure", "to": f"{LOAD} MPa", "duration": "1 ms"}
    run = solve(sprung(BAR | {"materials": lithium()}, SPRING) | {"protocol": [press, WEEKS]}, tmp_path)
    held = run["phase"] == 1
    time, stress = run["time_s"][held] - 1e-3, run["metal_max_von_mises_MPa"]
    start = stress[~held][-1]
    exact = (start ** (1 - EXPONENT) + (EXPONENT - 1) * HELD * MASIAS * time) ** (1 / (1 - EXPONENT))
    assert time[0] < 1e-2 and time[-1] == pytest.approx(300 * 3600)
    assert stress[held] == pytest.approx(exact, rel=0.04)
    assert len(time) < 100 and run["newton_iterations"].max() <= 6
    assert run["work_balance_error"].max() < 1e-6


@pytest.mark.parametrize("kinematics", ["small", "finite"])
def test_pressure_jumps_between_long_rests(kinematics, tmp_path):
    """0.2 MPa for 300 h, 1 MPa at once for 30 s, and back for 300 h: shortens by `A p^n t` in each, logarithmic in finite strain."""
    steps = [(0.2, 300 * 3600), (1.0, 30), (0.2, 300 * 3600)]
    protocol = []
    for load, seconds in steps:
        protocol += [{"kind": "pressure", "to": f"{load} MPa", "duration": "1 ms"}, {"kind": "rest", "duration": f"{seconds} s"}]
    case = merge(BAR, {"mechanics": {"kinematics": kinematics}}) | {"materials": lithium(), "protocol": protocol}
    run = solve(case, tmp_path)
    strain = run.ends("collector_displacement_um") / 10
    strain = -np.log(1 + strain) if kinematics == "finite" else -strain
    flown = np.diff(np.append(0.0, strain[1::2]))
    assert flown == pytest.approx([MASIAS * load**EXPONENT * seconds for load, seconds in steps], rel=5e-3)
    assert run["newton_iterations"].max() <= 6 and len(run["time_s"]) < 200
    assert run["work_balance_error"].max() < 1e-3
