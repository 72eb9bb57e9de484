"""What a chart says where one points at it: places in the drawing with their words.

They lie in the SVG itself as circles without line or fill, each with a `<title>`: whoever opens the file in a browser
reads them under the pointer, a page lays them over the picture, and a printed page, on which nobody points, has none.
"""

import re
from dataclasses import dataclass
from html import escape, unescape
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from lab.reports.blocks import printable_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS_PER_INCH = 72
RADIUS = 5
_END = b"</svg>"
_noted: "WeakKeyDictionary[Figure, list[tuple[Axes, float, float, str]]]" = WeakKeyDictionary()
_SIZE = re.compile(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_MARK = re.compile(rf'<circle cx="([\d.]+)" cy="([\d.]+)" r="{RADIUS}"><title>([^<]*)</title></circle>')


@dataclass(frozen=True, slots=True)
class Mark:
    """A place of a chart that has something to say."""

    x: float
    """From the left, in the units of the SVG."""
    y: float
    """From the top."""
    text: str


@dataclass(frozen=True, slots=True)
class Marks:
    """Those of one chart, in the order in which they are read."""

    width: float
    height: float
    marks: tuple[Mark, ...]


def mark(axes: "Axes", x: float, y: float, text: str) -> None:
    """Note what the chart says at a place, in the data's coordinates."""
    _noted.setdefault(axes.figure.get_figure(root=True), []).append((axes, x, y, text))


def with_marks(svg: bytes, figure: "Figure") -> bytes:
    """The drawing with the marks of its figure, which has got its final limits."""
    width, height = (side * POINTS_PER_INCH for side in figure.get_size_inches())
    lines = []
    for axes, x, y, text in _noted.pop(figure, ()):
        across, up = (axes.transData + figure.transFigure.inverted()).transform((x, y))
        words = escape(printable_text(text.replace("\n", " ").replace("\t", " ")), quote=False)
        place = f'cx="{across * width:.1f}" cy="{(1 - up) * height:.1f}" r="{RADIUS}"'
        lines.append(f"<circle {place}><title>{words}</title></circle>")
    if not lines:
        return svg
    group = '<g fill="none" stroke="none" pointer-events="all">\n' + "\n".join(lines) + "\n</g>\n"
    before, end, after = svg.rpartition(_END)
    return before + group.encode() + end + after


def marks_of(svg: bytes) -> Marks | None:
    """What a chart of ours says where; `None` if it says nothing, as those of former releases."""
    size = _SIZE.search(svg)
    found = _MARK.findall(svg.decode("utf-8", "replace")) if size else []
    if size is None or not found:
        return None
    marks = tuple(Mark(float(x), float(y), unescape(text)) for x, y, text in found)
    return Marks(float(size[1]), float(size[2]), marks)
