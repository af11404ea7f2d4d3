"""What surrounds the impedance: frequencies, capacitances of a case, cases rebuilt from records, labels of pictures."""

import json

import numpy as np
import pytest

from interfem.case import CaseError, load_case, parse_case
from interfem.eis import ImpedanceError, frequencies
from interfem.figures.impedance import draw_bode, draw_nyquist, frequency_text
from interfem.materials import library_folder
from interfem.observe.record import case_of_run

CASES = library_folder().parent / "cases"
FACE = 'interfaces."li|sse"'


def test_frequencies_are_even_in_the_logarithm():
    found = frequencies(1e6, 1e-3, 10)
    assert len(found) == 91 and (found[0], found[-1]) == (pytest.approx(1e6), pytest.approx(1e-3))
    np.testing.assert_allclose(found[:-1] / found[1:], 10**0.1)
    assert len(frequencies(5.0, 5.0, 10)) == 1 and len(frequencies(5.0, 6.0, 1)) == 2
    for wrong in ((0.0, 1.0, 10), (1.0, -1.0, 10), (1.0, float("inf"), 10), (1.0, 2.0, 0)):
        with pytest.raises(ImpedanceError):
            frequencies(*wrong)


def test_capacitances_of_an_interface():
    case = load_case(CASES / "bare.toml", [f"{FACE}.capacitance=10 uF/cm^2", f"{FACE}.film_resistance=2 ohm*cm^2",
                                           f"{FACE}.film_capacitance=10 nF/mm^2"])  # fmt: skip
    face = case.interface("li|sse")
    assert (face.capacitance, face.film_capacitance) == (pytest.approx(0.1), pytest.approx(0.01))
    assert case.interface("flaw|sse").capacitance is None
    for wrong, told in ((f"{FACE}.capacitance=-1 uF/cm^2", "at least 0"), (f"{FACE}.capacitance=1 uF", "areal capacitance"),
                        (f"{FACE}.film_capacitance=1 uF/cm^2", "film_resistance")):  # fmt: skip
        with pytest.raises(CaseError, match=told):
            load_case(CASES / "bare.toml", [wrong])


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.toml")))
def test_the_input_makes_the_same_case(name):
    case = load_case(CASES / f"{name}.toml", ["temperature=310 K", "mesh.refinement=0.7"])
    assert parse_case(json.loads(json.dumps(case.input))).hash == case.hash


def test_a_record_must_give_the_case_that_was_run(tmp_path):
    case = load_case(CASES / "bare.toml")
    with pytest.raises(CaseError, match="no finished run"):
        case_of_run(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(CaseError, match="no record"):
        case_of_run(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"status": "completed", "hash": "0", "input": case.input}))
    with pytest.raises(CaseError, match="has changed"):
        case_of_run(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"status": "completed", "hash": case.hash, "input": case.input}))
    assert case_of_run(tmp_path).hash == case.hash
    assert case_of_run(tmp_path, ["temperature=300 K"]).temperature == 300
    with pytest.raises(CaseError, match="path.to.key=value"):
        case_of_run(tmp_path, ["nonsense"])


@pytest.mark.parametrize("shape", ["arc", "resistor", "capacitor", "one point"])
def test_pictures_of_any_spectrum(tmp_path, shape):
    f = np.geomspace(1e6, 1e-3, 1 if shape == "one point" else 46)
    z = {"arc": 1 + 10 / (1 + 1e-3j * f), "capacitor": 1 - 1j / f}.get(shape, 5 + 0j * f)
    for draw in (draw_nyquist, draw_bode):
        assert draw(f, z, shape, tmp_path / "a.png").stat().st_size > 0


def test_frequencies_as_text():
    assert [frequency_text(f) for f in (1e6, 1.2e4, 1.0, 0.01, 1e-10)] == ["1 MHz", "12 kHz", "1 Hz", "10 mHz", "0.1 nHz"]
