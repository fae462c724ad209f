"""What every picture is made of: boxes, words in Korean and English, arrows; one look, and nothing cut.

A picture brings its own light ground with an edge: JupyterLab and VS Code have a theme of their own, which an
SVG in <img> does not learn (prefers-color-scheme there is the system's), so that letters without a ground
would vanish in one theme or the other. Fonts are the system's; where a box is too small for its words in the
widest of the usual ones, drawing fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from math import hypot

WIDTH = 1000
"""Of every picture, in its own units: with letters of 16 and more it is read from the back at 1280 x 720."""
FONTS = "system-ui, 'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans KR', NanumGothic, sans-serif"
MONO = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans KR', NanumGothic, monospace"
GROUND, EDGE, INK, QUIET = "#ffffff", "#c3ccd6", "#16212e", "#4a5a6a"
HEADING, KOREAN, SMALL = 22, 19, 16
"""Sizes of letters: a picture's heading, Korean words in a box, everything else."""
_WIDE_EM = 1.0
"""Of a Hangul letter: 0.87 to 0.95 in the usual fonts, 1 in those that give every such letter a square."""


@dataclass(frozen=True, kw_only=True)
class Tone:
    """A colour: of lines, of a box's ground, and of words in it."""

    line: str
    fill: str
    ink: str


# Okabe and Ito's colours, as in the plots; words in a darker shade of them.
BLUE = Tone(line="#0072b2", fill="#e3f1fa", ink="#004f7c")
RED = Tone(line="#d55e00", fill="#fdeadd", ink="#833700")
GREEN = Tone(line="#00805d", fill="#def4ec", ink="#005a41")
PINK = Tone(line="#a8558a", fill="#f8e8f2", ink="#7c3263")
GREY = Tone(line="#6b7683", fill="#eef1f4", ink="#3a4653")
PLAIN = Tone(line=INK, fill=GROUND, ink=INK)
FAINT = Tone(line=EDGE, fill="#e4e8ed", ink=INK)
TONES = (BLUE, RED, GREEN, PINK, GREY, PLAIN)


def on_ground(tone: Tone) -> Tone:
    """Return a tone for words that stand on the picture's own ground."""
    return replace(tone, fill=GROUND)


@dataclass(frozen=True, kw_only=True)
class Words:
    """A line of words as it was drawn, for who wants to measure it.

    Args:
        text: The words.
        left, right: What they may take.
        start, end, top, bottom: What they take in the widest of the usual fonts.
        colour, ground: Of the letters, and of what is below them.
        size: Of the letters.
    """

    text: str
    left: float
    right: float
    start: float
    end: float
    top: float
    bottom: float
    colour: str
    ground: str
    size: int


@dataclass(frozen=True)
class Line:
    """A line of a box: its words and how they are set."""

    text: str
    size: int = SMALL
    is_bold: bool = False
    is_mono: bool = False
    is_quiet: bool = False


def korean(text: str) -> Line:
    return Line(text, size=KOREAN, is_bold=True)


def bold(text: str, size: int = 18) -> Line:
    return Line(text, size=size, is_bold=True)


def english(text: str) -> Line:
    return Line(text)


def quiet(text: str) -> Line:
    return Line(text, is_quiet=True)


def mono(text: str) -> Line:
    return Line(text, is_mono=True)


class TooWideError(ValueError):
    """Words that would be cut."""


class Canvas:
    """A picture in the making.

    Args:
        name: Of its file, without .svg.
        height: In the picture's units.
        alt: What somebody who does not see it is told, Korean and English.
        heading: Its words above everything, Korean and English.
    """

    def __init__(self, name: str, height: int, *, alt: str, heading: tuple[str, str]) -> None:
        self.name, self.height, self.alt = name, height, alt
        self.words: list[Words] = []
        self._parts: list[str] = []
        words = (Line(heading[0], size=HEADING, is_bold=True), Line(heading[1], size=18, is_quiet=True))
        gap_after = self._width_of(words[0]) + 36
        self.text(24, 38, words[0], anchor="start")
        self.text(gap_after, 38, words[1], anchor="start")

    def box(
        self, x: float, y: float, width: float, height: float, *lines: Line, tone: Tone = BLUE,
        is_dashed: bool = False, radius: float = 8, line_width: float = 2, top: float | None = None,
    ) -> None:  # fmt: skip
        """Draw a box with lines of words in its middle, or from `top` units below its upper edge."""
        dashes = ' stroke-dasharray="7 5"' if is_dashed else ""
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(radius)}"'
            f' fill="{tone.fill}" stroke="{tone.line}" stroke-width="{_n(line_width)}"{dashes}/>'
        )
        heights = [line.size * 1.32 for line in lines]
        baseline = y + (top if top is not None else (height - sum(heights)) / 2)
        for line, line_height in zip(lines, heights, strict=True):
            baseline += line_height
            self.text(
                x + width / 2, baseline - line_height * 0.26, line,
                within=(x + 5, x + width - 5), tone=tone,
            )  # fmt: skip
        if baseline > y + height - 1:
            raise TooWideError(f"{self.name}: {[line.text for line in lines]} is higher than its box")

    def fill(
        self, x: float, y: float, width: float, height: float, colour: str, *, line: str = GROUND
    ) -> None:
        """Draw a cell without words: a slice of a matrix, a token, a block."""
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="2"'
            f' fill="{colour}" stroke="{line}" stroke-width="1.5"/>'
        )

    def text(
        self, x: float, y: float, line: Line | str, *, anchor: str = "middle",
        within: tuple[float, float] = (6, WIDTH - 6), tone: Tone = PLAIN,
    ) -> None:  # fmt: skip
        """Write words on the baseline y.

        Args:
            anchor: start, middle or end: where x is.
            within: Left and right edge that they may not cross.
            tone: Whose ink they have, and on whose ground they stand.

        Raises:
            TooWideError: They cross it.
        """
        line = Line(line) if isinstance(line, str) else line
        width = self._width_of(line)
        left = x - {"start": 0, "middle": width / 2, "end": width}[anchor]
        if left < within[0] - 0.5 or left + width > within[1] + 0.5:
            raise TooWideError(
                f"{self.name}: {line.text!r} takes {left:.0f} to {left + width:.0f} of {within[0]:.0f} to"
                f" {within[1]:.0f}"
            )
        colour = QUIET if line.is_quiet else tone.ink
        self.words.append(
            Words(
                text=line.text, left=within[0], right=within[1], start=left, end=left + width,
                top=y - 0.8 * line.size, bottom=y + 0.22 * line.size, colour=colour, ground=tone.fill,
                size=line.size,
            )
        )  # fmt: skip
        kind = "".join(
            (' font-weight="700"' if line.is_bold else "", f' font-family="{MONO}"' if line.is_mono else "")
        )
        at = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{line.size}" fill="{colour}"{at}{kind}>'
            f"{escape(line.text, quote=False)}</text>"
        )

    def arrow(
        self, *points: tuple[float, float], tone: Tone = GREY, is_dashed: bool = False,
        is_double: bool = False,
    ) -> None:  # fmt: skip
        """Draw a line through points with a head at its end, or at both ends."""
        dashes = ' stroke-dasharray="7 5"' if is_dashed else ""
        drawn = list(points)
        heads = [_head(points[-2], points[-1])]
        drawn[-1] = _before(points[-2], points[-1])
        if is_double:
            heads.append(_head(points[1], points[0]))
            drawn[0] = _before(points[1], points[0])
        path = " L".join(f"{_n(x)} {_n(y)}" for x, y in drawn)
        self._parts.append(
            f'<path d="M{path}" fill="none" stroke="{tone.line}" stroke-width="2.5"{dashes}/>'
            + "".join(f'<path d="{head}" fill="{tone.line}"/>' for head in heads)
        )

    def line(
        self, *points: tuple[float, float], tone: Tone = GREY, width: float = 2, is_dashed: bool = False
    ) -> None:
        """Draw a line without a head."""
        dashes = ' stroke-dasharray="7 5"' if is_dashed else ""
        path = " L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        self._parts.append(
            f'<path d="M{path}" fill="none" stroke="{tone.line}" stroke-width="{_n(width)}"{dashes}/>'
        )

    def svg(self) -> str:
        """Return the file's text."""
        alt = escape(self.alt)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height}"'
            f' viewBox="0 0 {WIDTH} {self.height}" font-family="{FONTS}" role="img" aria-label="{alt}">\n'
            f'<rect x="1" y="1" width="{WIDTH - 2}" height="{self.height - 2}" rx="12" fill="{GROUND}"'
            f' stroke="{EDGE}" stroke-width="2"/>\n' + "\n".join(self._parts) + "\n</svg>\n"
        )

    def _width_of(self, line: Line) -> float:
        widths = _advances(line.is_bold)
        narrow = sum(0.61 if line.is_mono else widths(ord(one)) for one in line.text if ord(one) < 0x1100)
        wide = sum(_WIDE_EM for one in line.text if ord(one) >= 0x1100 and not 0x2000 <= ord(one) < 0x2E80)
        signs = sum(max(0.6, widths(ord(one))) for one in line.text if 0x2000 <= ord(one) < 0x2E80)
        return line.size * (narrow + wide + signs)


def row(
    canvas: Canvas, boxes: Sequence[tuple[Sequence[Line], Tone]], *, x: float, y: float, width: float,
    height: float, gap: float,
) -> None:  # fmt: skip
    """Draw boxes from left to right with an arrow from each to the next."""
    for index, (lines, tone) in enumerate(boxes):
        left = x + index * (width + gap)
        canvas.box(left, y, width, height, *lines, tone=tone)
        if index:
            canvas.arrow((left - gap + 3, y + height / 2), (left - 3, y + height / 2))


@cache
def _advances(is_bold: bool) -> Callable[[int], float]:
    """Return the widths of DejaVu Sans, the widest Latin of the usual fonts; matplotlib brings it along."""
    from pathlib import Path

    import matplotlib
    from fontTools.ttLib import TTFont

    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    font = TTFont(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, lazy=True)
    units, glyphs, metrics = font["head"].unitsPerEm, font.getBestCmap(), font["hmtx"]
    known = {number: metrics[glyph][0] / units for number, glyph in glyphs.items() if number < 0x3000}
    return lambda number: known.get(number, 1.0)


def _head(before: tuple[float, float], tip: tuple[float, float]) -> str:
    (x0, y0), (x, y) = before, tip
    length = hypot(x - x0, y - y0)
    dx, dy = (x - x0) / length, (y - y0) / length
    back = (x - 11 * dx, y - 11 * dy)
    return (
        f"M{_n(x)} {_n(y)} L{_n(back[0] - 6 * dy)} {_n(back[1] + 6 * dx)}"
        f" L{_n(back[0] + 6 * dy)} {_n(back[1] - 6 * dx)} Z"
    )


def _before(before: tuple[float, float], tip: tuple[float, float]) -> tuple[float, float]:
    """Return where the line ends, so that it does not stick out of its head."""
    (x0, y0), (x, y) = before, tip
    length = hypot(x - x0, y - y0)
    return x - 9 * (x - x0) / length, y - 9 * (y - y0) / length


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
