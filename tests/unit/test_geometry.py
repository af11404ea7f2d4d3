"""Meshes against closed forms: areas, volumes, names, grading, thin films, roughness, cache, own meshes."""

from math import pi

import gmsh
import meshio
import numpy as np
import pytest

from interfem.case import parse_case
from interfem.geometry import GeometryError, build_mesh, describe_mesh, mesh_hash, picture
from interfem.geometry.arrays import faces, neighbours, read_msh
from interfem.geometry.roughness import surface
from interfem.geometry.session import session

STACK = [("li", "Li", "20 um"), ("sse", "Li6PS5Cl", "30 um")]
FILM = [("li", "Li", "20 um"), ("film", "Li3N", "0.5 um"), ("sse", "Li6PS5Cl", "30 um")]
CUBE = [("li", "Li", "10 um"), ("sse", "Li6PS5Cl", "15 um")]
VOID = {"kind": "void", "interface": "li|sse", "center": "12 um", "radius": "5 um", "height": "2.5 um"}
FLAW = {"kind": "flaw", "interface": "li|sse", "center": "30 um", "width": "0.8 um", "depth": "4 um"}


def make(features=(), layers=STACK, mesh=None, gradings=None, **geometry):
    geometry = {"kind": "plane", "width": "40 um"} | geometry
    if geometry["kind"] == "box":
        geometry["depth"] = geometry.get("depth", "20 um")
    return parse_case({
        "title": "mesh", "temperature": "298 K", "geometry": geometry, "features": list(features), "mesh": mesh or {},
        "layers": [{"name": name, "material": material, "thickness": thickness, "grading": (gradings or {}).get(name, {})}
                   for name, material, thickness in layers],
        "protocol": [{"kind": "rest", "duration": "1 s"}],
    })  # fmt: skip


def box(features, layers=CUBE, **mesh):
    return make(features, layers, mesh, kind="box", width="20 um")


def measure(case, folder):
    """describe_mesh of a fresh mesh, which must be sound: right-handed cells, all joined, boundaries closed."""
    path = build_mesh(case, folder)
    mesh = read_msh(path, case.geometry.dimension)
    cells, _ = mesh.all_cells()
    assert (mesh.volumes(cells) > 0).all()
    assert len(np.unique(cells)) == len(mesh.points)
    unique, count = np.unique(faces(cells), axis=0, return_counts=True)
    outer = {tuple(f) for f in unique[count == 1].tolist()}
    between = {tuple(f) for facets in neighbours(mesh).values() for f in facets.tolist()}
    named = [tuple(sorted(f)) for facets in mesh.facets.values() for f in facets.tolist()]
    assert len(named) == len(set(named))
    assert set(named) == outer | between  # every outer face and every interface has one name, and nothing else has
    return describe_mesh(path, case)


def volumes(found):
    return {name: region["volume"] for name, region in found["regions"].items()}


def area(found, name):
    return (found["boundaries"] | found["interfaces"])[name]["area"]


# ---- plane --------------------------------------------------------------------------------------------------------------


def test_void_and_flaw_in_the_plane(tmp_path):
    found = measure(make([VOID, FLAW]), tmp_path)
    assert volumes(found) == pytest.approx({"li": 800 - pi * 5 * 2.5 / 2, "sse": 1200 - 1.6, "flaw": 1.6}, rel=1e-4)
    assert area(found, "void|sse") == pytest.approx(10)
    assert area(found, "li|sse") == pytest.approx(40 - 10 - 0.8)
    assert area(found, "flaw|li") == pytest.approx(0.8)
    assert area(found, "flaw|sse") == pytest.approx(2 * np.hypot(0.4, 4))
    assert {name: area(found, name) for name in ("collector", "counter", "left", "right")} == pytest.approx(
        {"collector": 40, "counter": 40, "left": 50, "right": 50})
    assert 3000 <= found["cells"] <= 4700
    assert found["quality"]["min"] > 0.3
    assert found["edges"]["min"] < 0.06


def test_refinement_divides_edges(tmp_path):
    cells = [measure(make([VOID, FLAW], mesh={"refinement": r}), tmp_path)["cells"] for r in (0.5, 1.0, 2.0)]
    assert 3.0 < cells[1] / cells[0] < 5.0 and 3.3 < cells[2] / cells[1] < 4.6


def test_half_features_on_symmetry_sides(tmp_path):
    features = [VOID | {"center": "0 um", "height": "6 um"}, FLAW | {"center": "40 um", "shape": "ellipse", "fill": "empty"}]
    found = measure(make(features), tmp_path)
    assert volumes(found) == pytest.approx({"li": 800 - pi * 5 * 6 / 4, "sse": 1200 - pi * 0.4 * 4 / 4}, rel=1e-4)
    assert area(found, "left") == pytest.approx(50 - 6)
    assert area(found, "flaw|li") == pytest.approx(0.4)


def test_void_as_a_cap(tmp_path):
    """Segment of a circle, and spherical cap (whole, and a quarter in the corner), a = 5 um, h = 2 um: `pi h (3 a^2 + h^2)/6`, wall `pi (a^2 + h^2)`."""
    radius, angle = 7.25, np.arcsin(5 / 7.25)
    cap = VOID | {"shape": "cap", "height": "2 um"}
    found = measure(make([cap]), tmp_path)
    assert volumes(found)["li"] == pytest.approx(800 - radius**2 * (angle - np.sin(2 * angle) / 2), rel=1e-4)
    assert area(found, "void|li") == pytest.approx(2 * radius * angle, rel=1e-3)
    for center, part in (("10 um", 1.0), ("0 um", 0.25)):
        found = measure(box([cap | {"center": [center, center]}]), tmp_path)
        assert volumes(found)["li"] == pytest.approx(10 * 20**2 - part * pi * 2 * (3 * 25 + 4) / 6, rel=2e-3)
        assert area(found, "void|sse") == pytest.approx(part * 25 * pi, rel=2e-2)
        assert area(found, "void|li") == pytest.approx(part * 29 * pi, rel=2e-2)


def test_upper_interface_of_a_symmetric_cell(tmp_path):
    layers = [*STACK, ("li2", "Li", "10 um")]
    found = measure(make([VOID, VOID | {"name": "upper", "interface": "sse|li2", "center": "30 um"},
                          FLAW | {"interface": "sse|li2"} | {"center": "15 um"}], layers), tmp_path)
    assert volumes(found)["li2"] == pytest.approx(400 - pi * 5 * 2.5 / 2, rel=1e-4)
    assert area(found, "upper|sse") == pytest.approx(10)
    assert area(found, "flaw|li2") == pytest.approx(0.8)


def test_pores_and_patch(tmp_path):
    features = [{"kind": "pore", "name": "hole", "layer": "sse", "center": "10 um", "position": "10 um", "radius": "3 um"},
                {"kind": "pore", "name": "drop", "layer": "sse", "center": "25 um", "position": "15 um", "radius": "2 um",
                 "half_height": "0.4 um", "fill": "Li", "electrons": "collector"},
                {"kind": "patch", "interface": "li|sse", "center": "20 um", "inner": "1 um", "outer": "3 um"}]  # fmt: skip
    found = measure(make(features), tmp_path)
    assert volumes(found) == pytest.approx({"li": 800, "sse": 1200 - 9 * pi - 0.8 * pi, "drop": 0.8 * pi}, rel=3e-3)
    assert area(found, "hole|sse") == pytest.approx(6 * pi, rel=1e-3)
    assert area(found, "patch:patch") == pytest.approx(4)
    assert read_msh(build_mesh(make(features), tmp_path), 2).areas(
        read_msh(build_mesh(make(features), tmp_path), 2).facets["li|sse"]).sum() == pytest.approx(36)


# ---- thin films ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("thickness", "most"), [(0.5, 5500), (0.05, 7000), (0.005, 14000)])
def test_film_needs_few_cells(thickness, most, tmp_path):
    layers = [FILM[0], ("film", "Li3N", f"{thickness} um"), FILM[2]]
    case = make([VOID | {"interface": "li|film"}, FLAW | {"interface": "li|film"}], layers)
    found = measure(case, tmp_path)
    assert found["cells"] < most
    inside = 0.8 * thickness * (1 - thickness / 8)  # of the flaw, in the film
    assert volumes(found) == pytest.approx({"li": 800 - pi * 5 * 2.5 / 2, "film": 40 * thickness - inside,
                                            "sse": 1200 - (1.6 - inside), "flaw": 1.6}, rel=1e-4)  # fmt: skip
    assert area(found, "flaw|film") == pytest.approx(2 * np.hypot(thickness, thickness / 10), rel=1e-6)
    mesh = read_msh(build_mesh(case, tmp_path), 2)
    film = mesh.points[mesh.cells["film"]]
    assert (np.ptp(film[:, :, 1], axis=1) <= thickness / 2 * (1 + 1e-9)).all()  # two elements across, at least
    assert np.ptp(film[:, :, 0], axis=1).max() < 60 * thickness / 2


def test_film_layers(tmp_path):
    case = make([], [FILM[0], ("film", "Li3N", "50 nm"), FILM[2]], {"film_layers": 5})
    mesh = read_msh(build_mesh(case, tmp_path), 2)
    assert np.ptp(mesh.points[mesh.cells["film"]][:, :, 1], axis=1).max() <= 0.01 * (1 + 1e-9)


@pytest.mark.parametrize("thickness", [0.05, 2.0, 20.0])
def test_graded_layer_has_elements_for_its_course(thickness, tmp_path):
    layers = [FILM[0], ("film", "Li3N", f"{thickness} um"), FILM[2]]
    rough = {"kind": "roughness", "interface": "li|film", "amplitude": "0.3 um", "wavelength": "20 um"}
    tree = {"ionic_conductivity": {"from": "1 S/m", "to": "1e-3 S/m", "law": "exponential"}}  # a factor 2 in a tenth
    for features in ([], [rough]):
        case = make(features, layers, gradings={"film": tree})
        mesh = read_msh(build_mesh(case, tmp_path), 2)
        corners = mesh.points[mesh.cells["film"]]
        x, y = corners[:, :, 0], corners[:, :, 1]
        if features:  # back to the flat film: a thin one follows the roughness, a thick one takes it up
            y = y - surface(case.features[0], case, x.ravel(), 0 * x.ravel()).reshape(x.shape)
            if thickness > 5:
                continue
        assert np.ptp(y, axis=1).max() <= thickness / 10 * (1.4 if thickness > 5 else 1 + 1e-6)
    assert mesh_hash(make(layers=layers)) != mesh_hash(make(layers=layers, gradings={"film": tree}))


def test_flaw_through_two_films(tmp_path):
    layers = [STACK[0], ("a", "Li3N", "20 nm"), ("b", "LiF", "0.3 um"), STACK[1]]
    found = measure(make([FLAW | {"interface": "li|a", "shape": "ellipse"}], layers), tmp_path)
    assert volumes(found)["flaw"] == pytest.approx(pi * 0.4 * 4 / 2, rel=1e-3)
    assert {"flaw|a", "flaw|b", "flaw|sse", "flaw|li", "a|b"} <= set(found["boundaries"] | found["interfaces"])


# ---- axisymmetric -------------------------------------------------------------------------------------------------------


def test_axisymmetric(tmp_path):
    features = [VOID | {"center": "0 um"}, FLAW | {"center": "25 um"},
                {"kind": "patch", "interface": "li|sse", "center": "11 um", "outer": "1 um"}]
    found = measure(make(features, kind="axisymmetric"), tmp_path)
    whole = pi * 1600
    groove = 2 * pi * 25 * 1.6
    void = 2 / 3 * pi * 25 * 2.5
    assert volumes(found) == pytest.approx({"li": 20 * whole - void, "sse": 30 * whole - groove, "flaw": groove}, rel=1e-4)
    assert area(found, "void|sse") == pytest.approx(25 * pi)
    assert area(found, "patch:patch") == pytest.approx(44 * pi)
    assert {"axis", "outer", "collector", "counter"} <= set(found["boundaries"])


def test_axisymmetric_pit_and_ring(tmp_path):
    found = measure(make([FLAW | {"center": "0 um"}], kind="axisymmetric"), tmp_path)
    assert volumes(found)["flaw"] == pytest.approx(pi * 0.16 * 4 / 3, rel=1e-6)
    found = measure(make([VOID | {"center": "25 um"}], kind="axisymmetric", inner_radius="10 um"), tmp_path)
    assert volumes(found)["li"] == pytest.approx(20 * pi * 1500 - 2 * pi * 25 * pi * 12.5 / 2, rel=1e-4)
    assert {"inner", "outer"} <= set(found["boundaries"])


# ---- box ----------------------------------------------------------------------------------------------------------------

VOID3 = VOID | {"center": ["6 um", "6 um"], "radius": "4 um", "height": "2 um"}
FLAW3 = FLAW | {"center": ["15 um", "15 um"], "length": "6 um"}


def test_box(tmp_path):
    found = measure(box([VOID3, FLAW3]), tmp_path)
    assert 12000 <= found["cells"] <= 20000
    assert volumes(found) == pytest.approx({"li": 4000 - 2 / 3 * pi * 32, "sse": 6000 - 9.6, "flaw": 9.6}, rel=1e-3)
    assert area(found, "void|sse") == pytest.approx(16 * pi, rel=5e-3)
    assert {name: area(found, name) for name in ("left", "right", "front", "back", "collector", "counter")} == pytest.approx(
        {"left": 500, "right": 500, "front": 500, "back": 500, "collector": 400, "counter": 400})
    assert found["quality"]["min"] > 0.05


def test_quarter_features_in_a_box(tmp_path):
    features = [VOID3 | {"center": ["0 um", "0 um"], "height": "4 um"},
                FLAW3 | {"center": ["20 um", "20 um"], "shape": "ellipse"}]
    found = measure(box(features), tmp_path)
    assert volumes(found)["flaw"] == pytest.approx(2 / 3 * pi * 0.4 * 3 * 4 / 4, rel=0.05)
    assert volumes(found)["li"] == pytest.approx(4000 - 2 / 3 * pi * 64 / 4, rel=1e-3)
    assert area(found, "left") == pytest.approx(500 - 4 * pi, rel=1e-3)


def test_film_pore_and_patch_in_a_box(tmp_path):
    layers = [CUBE[0], ("film", "Li3N", "0.2 um"), CUBE[1]]
    features = [FLAW3 | {"interface": "li|film", "shape": "ellipse", "fill": "empty"},
                {"kind": "patch", "interface": "li|film", "center": ["5 um", "5 um"], "inner": "1 um", "outer": "3 um"},
                {"kind": "pore", "layer": "sse", "center": ["10 um", "0 um"], "position": "8 um", "radius": "2 um"}]  # fmt: skip
    found = measure(box(features, layers, refinement=0.7), tmp_path)
    assert volumes(found)["film"] == pytest.approx(80, rel=0.02)
    assert area(found, "patch:patch") == pytest.approx(8 * pi, rel=0.02)
    assert area(found, "pore|sse") == pytest.approx(8 * pi, rel=0.1)
    flaw = 2 / 3 * pi * 0.4 * 3 * 4
    assert volumes(found)["film"] + volumes(found)["sse"] == pytest.approx(80 + 6000 - flaw - 2 / 3 * pi * 8, rel=2e-3)


def test_thin_flaw_through_thin_films_in_a_box(tmp_path):
    layers = [CUBE[0], ("a", "Li3N", "80 nm"), ("b", "LiF", "0.3 um"), CUBE[1]]
    flaw = FLAW3 | {"interface": "li|a", "shape": "ellipse", "center": ["20 um", "15 um"], "width": "0.2 um", "length": "5 um"}
    found = measure(box([flaw], layers), tmp_path)
    assert volumes(found)["flaw"] == pytest.approx(2 / 3 * pi * 0.1 * 2.5 * 4 / 2, rel=0.03)
    assert {"flaw|li", "flaw|a", "flaw|b", "flaw|sse"} <= set(found["interfaces"])


# ---- roughness ----------------------------------------------------------------------------------------------------------

WAVES = {"kind": "roughness", "interface": "li|film", "amplitude": "1 um", "wavelength": "10 um"}


def test_film_follows_a_wavy_interface(tmp_path):
    case = make([WAVES], FILM)
    found = measure(case, tmp_path)
    assert volumes(found) == pytest.approx({"li": 800, "film": 20, "sse": 1200}, rel=2e-3)
    mesh = read_msh(build_mesh(case, tmp_path), 2)
    for name, level in (("li|film", 20.0), ("film|sse", 20.5)):
        x, y = mesh.points[np.unique(mesh.facets[name])][:, :2].T
        assert y == pytest.approx(level + np.cos(2 * pi * x / 10), abs=1e-9)
    assert np.ptp(mesh.points[np.unique(mesh.facets["counter"])][:, 1]) < 1e-12


def test_coarse_mesh_of_a_rough_thin_film(tmp_path):
    thin = [FILM[0], ("film", "Li3N", "20 nm"), FILM[2]]
    assert measure(make([WAVES], thin, {"refinement": 0.3}), tmp_path)["cells"] < 10000


@pytest.mark.parametrize("kind", ["plane", "box"])
def test_random_roughness(kind, tmp_path):
    random = WAVES | {"interface": "li|sse", "shape": "random", "amplitude": "0.4 um", "wavelength": "5 um", "seed": 7}
    case = box([random]) if kind == "box" else make([random])
    across, deep = (np.arange(400) + 0.5) / 400 * case.geometry.width, (np.arange(50) + 0.5) / 50 * 20
    x, y = (grid.ravel() for grid in np.meshgrid(across, deep))
    height = surface(case.features[0], case, x, y if kind == "box" else np.zeros_like(x))
    assert height.mean() == pytest.approx(0, abs=1e-9) and height.std() == pytest.approx(0.4, rel=1e-3)
    again = [parse_seed(case, seed) for seed in (7, 8)]
    assert (surface(again[0].features[0], case, x, y) == surface(case.features[0], case, x, y)).all()
    assert not np.allclose(surface(again[1].features[0], case, x, y), surface(case.features[0], case, x, y))
    assert sum(volumes(measure(case, tmp_path)).values()) == pytest.approx(10000 if kind == "box" else 2000, rel=1e-9)


def parse_seed(case, seed):
    return case.model_copy(update={"features": (case.features[0].model_copy(update={"seed": seed}),)})


def test_too_rough_is_refused(tmp_path):
    rough = {"kind": "roughness", "shape": "random", "amplitude": "0.4 um", "wavelength": "2 um"}
    case = make([rough | {"interface": "li|film"}, rough | {"name": "other", "interface": "film|sse", "seed": 3}], FILM)
    with pytest.raises(GeometryError, match=r"turned over.*features\[0\].amplitude = 0.4 um.*reduce"):
        build_mesh(case, tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---- cache, description, picture ----------------------------------------------------------------------------------------


def test_cache_by_content(tmp_path):
    path = build_mesh(make([VOID, FLAW]), tmp_path)
    stamp = path.stat().st_mtime_ns
    same = build_mesh(make([VOID, FLAW]).model_copy(update={"title": "other", "temperature": 350.0}), tmp_path)
    assert same == path and path.stat().st_mtime_ns == stamp
    assert build_mesh(make([VOID, FLAW | {"depth": "4.1 um"}]), tmp_path) != path
    assert build_mesh(make([VOID, FLAW], mesh={"refinement": 1.1}), tmp_path) != path
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".msh"] * 3


def test_gmsh_is_silent_and_errors_are_readable(tmp_path, capfd, monkeypatch):
    build_mesh(make([VOID]), tmp_path)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr("interfem.geometry.build.mesh_cells", lambda *_: 1 / 0)
    with pytest.raises(GeometryError, match="division by zero.*mesh.refinement"):
        build_mesh(make([FLAW]), tmp_path)


@pytest.mark.parametrize("case", ["void", "waves", "nothing", "box"])
def test_pictures(case, tmp_path):
    case = {"void": make([VOID | {"interface": "li|film"}], FILM), "waves": make([WAVES], FILM, kind="axisymmetric"),
            "nothing": make(layers=FILM), "box": box([VOID3, FLAW3], refinement=0.5)}[case]  # fmt: skip
    png = picture(build_mesh(case, tmp_path), case, tmp_path / "mesh.png")
    assert png.read_bytes()[:4] == b"\x89PNG" and png.stat().st_size > 20_000


# ---- own meshes ---------------------------------------------------------------------------------------------------------


def own(file, regions=None, boundaries=None, kind="plane", unit="um"):
    return parse_case({
        "title": "own", "temperature": "298 K",
        "geometry": {"kind": kind, "file": str(file), "length_unit": unit,
                     "regions": regions or {"metal": "li", "ceramic": "sse"},
                     "boundaries": boundaries or {"bottom": "collector", "top": "counter"}},
        "layers": [{"name": "li", "material": "Li"}, {"name": "sse", "material": "Li6PS5Cl"}],
        "protocol": [{"kind": "rest", "duration": "1 s"}],
    })  # fmt: skip


POINTS = np.array([[0, 0, 0], [2, 0, 0], [0, 1, 0], [2, 1, 0], [0, 3, 0], [2, 3, 0], [9, 9, 0]], float)  # the last is not used
TRIANGLES = np.array([[0, 1, 3], [0, 2, 3], [2, 3, 5], [2, 5, 4]])  # the second left-handed
LINES = np.array([[0, 1], [4, 5]])
FIELD = {"metal": [1, 2], "ceramic": [2, 2], "bottom": [3, 1], "top": [4, 1]}


def small_mesh(file, **options):
    numbers = [np.array([1, 1, 2, 2]), np.array([3, 4])]
    data = {"gmsh:physical": numbers, "gmsh:geometrical": numbers}
    mesh = meshio.Mesh(POINTS / 1000, [("triangle", TRIANGLES), ("line", LINES)], cell_data=data,
                       field_data={name: np.array(data) for name, data in FIELD.items()})
    if file.suffix == ".vtu":
        mesh.cell_data.pop("gmsh:geometrical")
        mesh.cell_data["part"] = mesh.cell_data.pop("gmsh:physical")
    mesh.write(file, **options)
    return file


@pytest.mark.parametrize("suffix", [".msh", ".vtu"])
def test_own_mesh(suffix, tmp_path):
    file = small_mesh(tmp_path / f"own{suffix}", **({"file_format": "gmsh22", "binary": False} if suffix == ".msh" else {}))
    names = {} if suffix == ".msh" else {"regions": {"1": "li", "2": "sse"}, "boundaries": {"3": "collector", "4": "counter"}}
    case = own(file, unit="mm", **names)
    path = build_mesh(case, tmp_path / "cache")
    mesh = read_msh(path, 2)
    assert (mesh.volumes(mesh.all_cells()[0]) > 0).all() and len(mesh.points) == 6
    found = describe_mesh(path, case)
    assert volumes(found) == pytest.approx({"li": 2.0, "sse": 4.0})
    assert area(found, "collector") == pytest.approx(2) and area(found, "li|sse") == pytest.approx(2)
    assert build_mesh(case, tmp_path / "cache") == path


def test_own_mesh_of_a_built_one(tmp_path):
    built = build_mesh(make(), tmp_path)
    case = own(built, {"li": "li", "sse": "sse"}, {"collector": "collector", "counter": "counter", "left": "left"})
    assert volumes(describe_mesh(build_mesh(case, tmp_path), case)) == pytest.approx({"li": 800, "sse": 1200})


def test_own_mesh_in_space_of_second_order(tmp_path):
    with session():
        gmsh.model.occ.fragment([(3, gmsh.model.occ.addBox(0, 0, 0, 2, 2, 1)), (3, gmsh.model.occ.addBox(0, 0, 1, 2, 2, 3))], [])
        gmsh.model.occ.synchronize()
        for number, name in ((1, "metal"), (2, "ceramic")):
            gmsh.model.addPhysicalGroup(3, [number], name=name)
        for height, name in ((0.0, "bottom"), (4.0, "top")):
            faces_there = gmsh.model.getEntitiesInBoundingBox(-1, -1, height - 0.1, 3, 3, height + 0.1, 2)
            gmsh.model.addPhysicalGroup(2, [tag for _, tag in faces_there], name=name)
        gmsh.model.mesh.generate(3)
        gmsh.model.mesh.setOrder(2)
        gmsh.write(str(tmp_path / "quadratic.msh"))
    case = own(tmp_path / "quadratic.msh", kind="box", unit="mm")
    found = describe_mesh(build_mesh(case, tmp_path), case)
    assert volumes(found) == pytest.approx({"li": 4e9, "sse": 12e9})
    assert area(found, "counter") == pytest.approx(4e6)


@pytest.mark.parametrize(("changes", "message"), [
    ({"regions": {"metal": "li", "glass": "sse"}}, r'regions."glass".*no such group of cells; it has metal, ceramic'),
    ({"boundaries": {"bottom": "collector", "lid": "counter"}}, r'boundaries."lid".*no such group of facets; it has bottom, top'),
    ({"boundaries": {"bottom": "collector"}}, r'names no "counter"'),
    ({"kind": "box"}, r"no such group of cells; it has none"),
    ({"unit": "nm"}, r'length_unit = "nm".*would then be 3e-06 um large.*slip of the unit'),
    ({"unit": "km"}, r'length_unit = "km".*would then be 3e\+06 um large.*slip of the unit'),
    ({"unit": "mm", "boundaries": {"bottom": "counter", "top": "collector"}}, r'"collector" touches none of li'),
    ({"unit": "mm", "regions": {"metal": "sse", "ceramic": "li"}}, r'"collector" touches none of li'),
])  # fmt: skip
def test_own_mesh_faults(changes, message, tmp_path):
    file = small_mesh(tmp_path / "own.msh", file_format="gmsh22", binary=False)
    with pytest.raises(GeometryError, match=message):
        build_mesh(own(file, **changes), tmp_path)


def test_own_mesh_left_over_group_and_doubled_points(tmp_path):
    numbers = [np.array([1, 2, 3, 3]), np.array([4, 5])]
    triangles = TRIANGLES.copy()
    case = {"regions": {"1": "li", "2": "sse"}}
    meshio.Mesh(POINTS, [("triangle", triangles), ("line", LINES)], cell_data={"part": numbers}).write(tmp_path / "three.vtu")
    with pytest.raises(GeometryError, match='group "3".*is given to no layer'):
        build_mesh(own(tmp_path / "three.vtu", **case, boundaries={"4": "collector", "5": "counter"}), tmp_path)
    points = np.vstack([POINTS, POINTS[2:4]])
    triangles[2:] = [[7, 8, 5], [7, 5, 4]]
    numbers = [np.array([1, 1, 2, 2]), np.array([3, 4])]
    meshio.Mesh(points, [("triangle", triangles), ("line", LINES)], cell_data={"part": numbers}).write(tmp_path / "doubled.vtu")
    with pytest.raises(GeometryError, match="some points coincide"):
        build_mesh(own(tmp_path / "doubled.vtu", case["regions"], {"3": "collector", "4": "counter"}), tmp_path)
