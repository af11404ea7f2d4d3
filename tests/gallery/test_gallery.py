"""Every shipped case runs coarse, ends as it should, conserves charge and shows what its header promises."""

from pathlib import Path

import pytest

from interfem.case import load_case
from interfem.run import run

CASES = sorted((Path(__file__).parents[2] / "models" / "cases").glob("*.toml"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_shipped_case_runs_coarse(path, tmp_path):
    case = load_case(path, ["mesh.refinement=0.4" if "3d" not in path.stem else "mesh.refinement=0.45", "output.figures=false"])
    result = run(case, tmp_path / path.stem)
    assert result.status == "completed", (result.event, result.reason)
    assert result.summary["charge_balance_error"]["max"] <= 1e-8
    assert result.summary["interface_max_pressure_MPa"]["max"] > result.summary["stack_pressure_MPa"]["max"]  # the void bears none
    assert result.summary["current_focusing"]["max"] > 1.1  # the void's rim
    assert result.summary["sse_max_principal_MPa"]["max"] > result.summary["stack_pressure_MPa"]["max"]  # tension at the flaw
    for name in ("log.txt", "scalars.csv", "run.json", "fields/metal.pvd", "fields/electrolyte.pvd", "fields/interface.pvd"):
        assert (tmp_path / path.stem / name).is_file()
