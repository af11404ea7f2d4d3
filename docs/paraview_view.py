"""The standard view of a run in ParaView: bodies with outlines, axes in um, a colour bar with units, the last time under current.

Three-dimensional cells are cut open across y, where the shown field is largest.

    pvpython docs/paraview_view.py RUN [--field max_principal_MPa] [--time 70] [--png view.png]
    paraview --script=docs/paraview_view.py            # after the fields of a run were opened: colours what is there

As a macro (Macros > Import New Macro...) it works on what is open, or asks nothing and does nothing if nothing is.
Rendering without a display needs `xvfb-run -a pvpython ...`.
"""

import argparse
import csv
import os
import sys

import numpy
from paraview import servermanager
from paraview.simple import *  # noqa: F403  (ParaView's own way)
from vtkmodules.numpy_interface import dataset_adapter as dsa

PARTS = ("metal", "mixed", "electrolyte")
FIELDS = ("max_principal_MPa", "current_density_A_per_m2", "potential_V")  # the first that a part has
UNITS = ("MPa", "V", "um", "nm", "K")  # ends of names


def arguments():
    """Words after the script; none in a macro."""
    parser = argparse.ArgumentParser(description="The standard view of a run")
    parser.add_argument("run", nargs="?")
    parser.add_argument("--field")
    parser.add_argument("--time", type=float)
    parser.add_argument("--png")
    return parser.parse_args([] if sys.argv[:1] in ([], [""]) else sys.argv[1:])


def open_parts(run):
    """The bodies of a run; without one those that are open."""
    if run is None:
        return [source for (name, _), source in GetSources().items() if name.split(".")[0] in PARTS]
    files = [(part, os.path.join(run, "fields", part + ".pvd")) for part in PARTS]
    return [PVDReader(registrationName=part + ".pvd", FileName=file) for part, file in files if os.path.exists(file)]


def last_loaded_time(run, times):
    """The last output at which a current passed, as in the figures of the run; the last one if none did."""
    try:
        with open(os.path.join(run, "scalars.csv"), newline="") as file:
            rows = [(float(row["time_s"]), abs(float(row["current_density_A_per_m2"] or 0))) for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError):
        return times[-1]
    top = max(current for _, current in rows)
    loaded = [t for t in times if min(rows, key=lambda row: abs(row[0] - t))[1] > 1e-6 * top > 0]
    return (loaded or times)[-1]


def show(source, view, field):
    """One body, coloured by a field, with its outline."""
    arrays = {name: "CELLS" for name in source.CellData.keys()} | {name: "POINTS" for name in source.PointData.keys()}
    name = next((f for f in ((field,) if field else ()) + FIELDS if f in arrays), None)
    display = Show(source, view)
    display.Representation = "Surface"
    display.Ambient, display.Diffuse, display.Specular = 1.0, 0.0, 0.0  # colours as in the bar
    if name:
        ColorBy(display, (arrays[name], name))
        bar = GetScalarBar(GetColorTransferFunction(name), view)
        bar.TitleColor = bar.LabelColor = [0.0, 0.0, 0.0]
        words, _, unit = name.rpartition("_")
        bar.Title, bar.ComponentTitle = f"{words.replace('_', ' ')} ({unit})" if unit in UNITS else name, ""
        bar.TitleFontSize, bar.LabelFontSize, bar.WindowLocation = 16, 14, "Lower Right Corner"
        bar.RangeLabelFormat = "%-#6.3g"
        display.SetScalarBarVisibility(view, True)
    edges = Show(FeatureEdges(Input=ExtractSurface(Input=source)), view)
    edges.AmbientColor = edges.DiffuseColor = [0.1, 0.1, 0.1]
    edges.Ambient, edges.Diffuse = 1.0, 0.0
    edges.LineWidth, edges.RenderLinesAsTubes = 2.0, 1
    edges.ColorArrayName = [None, ""]
    return name


def opened(sources, field):
    """Three-dimensional bodies cut across y where the first of the fields that they have is largest; others as they are."""
    bounds = [source.GetDataInformation().GetBounds() for source in sources]
    if max(b[5] for b in bounds) - min(b[4] for b in bounds) < 1e-9:
        return sources
    best, place = -1.0, 0.0
    for source in sources:
        data = dsa.WrapDataObject(servermanager.Fetch(MergeBlocks(Input=CellCenters(Input=source))))
        name = next((f for f in ((field,) if field else ()) + FIELDS if f in data.PointData.keys()), None)
        if name:
            values = numpy.asarray(data.PointData[name])
            values = numpy.linalg.norm(values, axis=1) if values.ndim == 2 else numpy.abs(values)
            if values.max() > best:
                best, place = values.max(), numpy.asarray(data.Points)[values.argmax()][1]
    low, high = min(b[2] for b in bounds), max(b[3] for b in bounds)
    place = min(max(place, low + 0.02 * (high - low)), high - 0.02 * (high - low))
    cuts = [Clip(Input=source, ClipType="Plane", Invert=0) for source in sources]
    for cut in cuts:
        cut.ClipType.Origin, cut.ClipType.Normal = [0.0, place, 0.0], [0.0, 1.0, 0.0]
        UpdatePipeline(proxy=cut)
    return cuts


def label(view, run, time):
    """Name of the run and time above, axes with units around."""
    text = Text(registrationName="interfem time")
    text.Text = f"{os.path.basename(os.path.abspath(run))}: t = {time:g} s" if run else f"t = {time:g} s"
    shown = Show(text, view)
    shown.Color, shown.FontSize, shown.WindowLocation = [0.0, 0.0, 0.0], 18, "Upper Center"
    grid = view.AxesGrid
    grid.Visibility = 1
    for axis in "XYZ":
        setattr(grid, axis + "Title", axis.lower() + " (um)")
        for part in ("TitleColor", "LabelColor"):
            setattr(grid, axis + part, [0.0, 0.0, 0.0])
        setattr(grid, axis + "TitleFontSize", 16)
        setattr(grid, axis + "LabelFontSize", 14)
    grid.GridColor = [0.5, 0.5, 0.5]


def set_range(sources, name):
    """One range for all bodies, between the 2nd and 98th percentile, since tips are singular; symmetric if both signs occur."""
    found = []
    for source in sources:
        blocks = dsa.WrapDataObject(servermanager.Fetch(source))
        data = blocks.CellData if name in blocks.CellData.keys() else blocks.PointData
        if name in data.keys():
            values = numpy.asarray(data[name])
            found.append(numpy.linalg.norm(values, axis=1) if values.ndim == 2 else values)
    low, high = numpy.percentile(numpy.concatenate(found), [2.0, 98.0])
    top = max(-low, high)
    GetColorTransferFunction(name).RescaleTransferFunction(*((-top, top) if low < 0 < high else (low, high)))


def main():
    asked = arguments()
    sources = open_parts(asked.run)
    if not sources:
        print("no fields of a run: open fields/metal.pvd and fields/electrolyte.pvd, or name a run folder")
        return
    for source in sources:
        source.UpdatePipelineInformation()
    times = list(getattr(sources[0], "TimestepValues", None) or [0.0])
    time = asked.time if asked.time is not None else last_loaded_time(asked.run or "", times)
    view = GetActiveViewOrCreate("RenderView")
    GetAnimationScene().UpdateAnimationUsingDataTimeSteps()
    GetAnimationScene().AnimationTime = time
    for source in sources:
        UpdatePipeline(time=time, proxy=source)
    sources = opened(sources, asked.field)
    for name in {show(source, view, asked.field) for source in sources} - {None}:
        set_range(sources, name)
    label(view, asked.run, time)
    view.ViewSize = [1400, 900]
    view.UseColorPaletteForBackground = 0
    view.Background = [1.0, 1.0, 1.0]
    view.OrientationAxesLabelColor = [0.0, 0.0, 0.0]
    bounds = [source.GetDataInformation().GetBounds() for source in sources]
    flat = max(b[5] for b in bounds) - min(b[4] for b in bounds) < 1e-9
    view.CameraFocalPoint = [0.0, 0.0, 0.0]
    view.CameraPosition, view.CameraViewUp = ([0.0, 0.0, 1.0], [0.0, 1.0, 0.0]) if flat else ([-1.5, -3.0, 1.5], [0.0, 0.0, 1.0])
    view.CameraParallelProjection = 1
    ResetCamera(view)
    Render(view)
    if asked.png:
        SaveScreenshot(asked.png, view, ImageResolution=[1400, 900])
        print("picture: " + asked.png)


main()
