"""Plots as data, which ``bench.page`` draws."""

from dataclasses import dataclass
from pathlib import Path

_SIZE_INCHES = (6.4, 3.6)


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve: its points by ``x``."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot.

    ``name`` is its file's name without ending. ``log`` (``x``, ``y``, ``xy``) names the logarithmic axes.
    """

    name: str
    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    log: str = ""

    @classmethod
    def from_json(cls, value: dict[str, object]) -> "Plot":
        """Return the plot that ``dataclasses.asdict`` turned into this value."""
        curves = [
            Curve(curve["name"], tuple((float(x), float(y)) for x, y in curve["points"]))
            for curve in value["curves"]  # type: ignore[attr-defined]  # JSON
        ]
        texts = {key: str(value[key]) for key in ("name", "title", "x", "y", "log")}
        return cls(curves=tuple(curves), **texts)


def draw(plot: Plot, path: Path) -> None:
    """Draw the plot as SVG. The same data gives the same bytes."""
    import matplotlib  # only pages need it, and it takes a second

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": plot.name, "svg.fonttype": "none", "font.size": 9})
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.add_subplot()
    for curve in plot.curves:
        axes.plot(*zip(*curve.points, strict=True), marker="o", markersize=3, label=curve.name)
    axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
    if "x" in plot.log:
        axes.set_xscale("log")
    if "y" in plot.log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if len(plot.curves) > 1:
        axes.legend()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
