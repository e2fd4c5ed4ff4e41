# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything that needs matplotlib: empty figures in the report's style, and figures as files and as SVG text."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_diffdenoise.data.atomic import atomic_file
from monai_diffdenoise.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure

__all__ = ["ACCENT", "ENDINGS", "INK", "PALE", "SECOND", "blank", "log_scale", "one_axes", "save_figure", "svg_text"]

ENDINGS = (".png", ".svg", ".pdf")
"""Kinds of files a figure can be written to."""

INK, PALE, ACCENT, SECOND = "#333333", "#bbbbbb", "#2166ac", "#b35806"
"""Text and axes, what stands back, and two colors that everybody can tell apart."""

# In the page these take the colors of its theme, light or dark.
_VARIABLES = {INK: "var(--ink)", PALE: "var(--pale)", ACCENT: "var(--accent)", SECOND: "var(--second)"}


def blank(width: float, height: float) -> Figure:
    """An empty figure that belongs to no window, sizes in inches.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "figures need matplotlib, which is not installed: pip install 'monai-diffdenoise[report]'"
        ) from error
    # Not pyplot: it keeps figures for ever and may look for a screen.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def one_axes(xlabel: str = "", ylabel: str = "", **limits: Any) -> tuple[Figure, Axes]:
    """A small figure with one pair of axes, legible when it is as narrow as a telephone.

    Args:
        xlabel: of the horizontal axis.
        ylabel: of the vertical axis.
        limits: further properties of the axes, such as ``xlim``.
    """
    figure = blank(4.6, 3.1)
    axes = figure.subplots()
    axes.set(xlabel=xlabel, ylabel=ylabel, **limits)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(PALE)
    axes.tick_params(which="both", labelcolor=INK, labelsize=9, color=PALE)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, size=9.5)
    axes.grid(True, color=PALE, lw=0.4, alpha=0.5)
    axes.set_axisbelow(True)
    return figure, axes


def log_scale(axes: Axes) -> None:
    """A logarithmic vertical axis whose numbers are plain text, which fits into any font of a page.

    Args:
        axes: with all its data, since a short range needs more numbers.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5, 7)))
    axes.yaxis.set_minor_formatter(plain if high < 20 * low else NullFormatter())


def save_figure(figure: Figure, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a figure, complete or not at all; the same figure gives the same file.

    Args:
        figure: of this package or of the user.
        path: .png, .svg or .pdf.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: another ending, or a file that must not be replaced.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(f"got figure {path}; expected a name that ends in {', '.join(ENDINGS)}")
    # No date.
    quiet: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(ending, {})
    with atomic_file(path, overwrite=overwrite) as stream:
        figure.savefig(stream, format=ending[1:], dpi=110, metadata=quiet)


def svg_text(figure: Figure, name: str, label: str) -> str:
    """A figure as an SVG element for a page: its text is text, its colors are those of the page.

    Args:
        figure: drawn with the colors of this module.
        name: put before all ids, which must be unique in a page.
        label: what the figure shows, for those who do not see it.
    """
    import matplotlib

    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report", "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    # the style would hold for the whole page
    for part in (r"<metadata>.*?</metadata>", r"<style.*?</style>"):
        text = re.sub(part, "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'( id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'xlink:href="', 'href="', text)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    # what matplotlib draws in plain black without being told
    text = text.replace("#000000", "var(--ink)")
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 var(--sans)", text)
    size = re.search(r'viewBox="[^"]*"', text)
    box = size.group(0) if size else ""
    return re.sub(r"<svg[^>]*>", f'<svg class="chart" {box} role="img" aria-label="{label}">', text, count=1)
