"""What a slide is made of: pieces of HTML that a room can read, each with the height that it takes.

Of long code the letters become smaller, of long outputs the beginning is shown and how much is left out.
"""

from __future__ import annotations

import base64
import html
import math
import re
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workshop.pictures.embed import PICTURE

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

WIDTH = 1160
"""Pixels inside a slide's margins and a frame's."""
MAX_CODE_LINES = 26
MAX_LINES, MAX_ROWS, MAX_TABLE_CHARS = 16, 9, 1000
_MONO = 0.612  # width of a letter of DejaVu Sans Mono in its size is 0.602
_CODE_PX, _SMALL_CODE_PX, _OUTPUT_PX = 22, 15, 19
_COLUMNS_PX, _SENTENCES_PX = 13.5, 17
"""Of text that is laid out in columns, and of other text, the smallest letters before lines are broken."""
_WIDE_CHARS, _DENSE_CHARS = 400, 900
"""A table with more than this in its cells has sentences, and is set in smaller letters, or in small ones."""
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Something to look at.

    Args:
        html: As it stands on the slide.
        height: Pixels that it takes, as estimated.
        is_picture: Whether it has a slide to itself.
    """

    html: str
    height: float
    is_picture: bool = False


def code(source: str, language: str = "python") -> Iterator[Piece]:
    """Yield a cell's code, as many lines as a slide has room for at a time."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    lines = source.strip("\n").split("\n")
    size = _letters(lines, _CODE_PX, _SMALL_CODE_PX, _SMALL_CODE_PX)
    num_parts = math.ceil(len(lines) / MAX_CODE_LINES)
    num_lines = math.ceil(len(lines) / num_parts)
    size = min(size, 545 / 1.4 / num_lines) if num_lines > MAX_CODE_LINES / 2 else size
    for first in range(0, len(lines), num_lines):
        part = "\n".join(lines[first : first + num_lines])
        marked = highlight(part, get_lexer_by_name(language or "text"), HtmlFormatter(nowrap=True))
        shown = f'<pre class="code" style="font-size: {size:.1f}px">{marked.rstrip()}</pre>'
        yield Piece(html=shown, height=_wrapped(part.split("\n"), size) * size * 1.4 + 28)


def text(shown: str) -> Piece:
    """Return a list, a table or a paragraph of a text cell."""
    from bs4 import BeautifulSoup

    page = BeautifulSoup(shown, "html.parser")
    if page.table is not None:
        return Piece(html=shown, height=_table_height(page.table))
    points = page.find_all("li") or [page]
    return Piece(html=shown, height=sum(18 + 46 * math.ceil(_width(one.get_text()) / 66) for one in points))


def output(shown: Any) -> Iterator[Piece]:
    """Yield an output (nbformat, as `readable` leaves it) in parts that stand below each other."""
    data = shown.get("data", {})
    if "image/png" in data:
        png = "".join(data["image/png"]).strip()
        yield Piece(html=f'<img alt="" src="data:image/png;base64,{png}">', height=_image_height(png))
    elif "image/svg+xml" in data:
        yield Piece(html="".join(data["image/svg+xml"]), height=430)
    elif "text/html" in data:
        yield from _parts("".join(data["text/html"]))
    else:
        lines = data.get("text/plain") or [f"{shown.get('ename')}: {shown.get('evalue')}"]
        yield from _parts(f"<pre>{html.escape(''.join(lines).strip())}</pre>")


def _parts(shown: str) -> Iterator[Piece]:
    from bs4 import BeautifulSoup

    if shown.startswith(PICTURE):
        yield Piece(html=shown, height=0, is_picture=True)
        return
    page = BeautifulSoup(shown, "html.parser")
    for style in page.find_all("style"):
        if "news-frame" in style.text or "#T_" in style.text:
            style.decompose()  # of tables that have a look of the deck's own
    for bar in page.find_all(class_="progress"):
        bar["class"] = "meter"  # reveal.js has something else of that name
    for fold in page.find_all("details"):
        _unfold(fold)
    height = _cap_texts(page) + _cap_tables(page)
    said = _SPACE.sub(" ", page.get_text()).strip()
    if page.find("pre") is not None and page.table is None:
        yield Piece(html=str(page), height=height)
    elif said or page.find(["svg", "img"]):
        kind = "frame" + " wide" * (len(said) > _WIDE_CHARS) + " dense" * (len(said) > _DENSE_CHARS)
        height = height or 20 + 40 * math.ceil(_width(said) / 90)
        yield Piece(html=f'<div class="{kind}">{page}</div>', height=height)


def _unfold(fold: Tag) -> None:
    """Leave of a fold what is seen of it while it is shut; more lines of a text go back to it."""
    above, rest = fold.find_previous_sibling(), fold.find("pre")
    is_line = "long" in fold.get("class", "")
    if above is not None and above.name == "pre" and rest is not None and not is_line:
        above.append("\n")
        above.extend(list(rest.contents))
        fold.decompose()
    elif fold.summary is not None:
        shut = fold.summary.extract()
        shut.name = "pre" if is_line else "span" if fold.find_parent(["td", "th"]) else "div"
        fold.replace_with(shut)


def _cap_texts(page: BeautifulSoup) -> float:
    """Leave as many lines as can be read, over all texts; return their height."""
    from bs4 import BeautifulSoup

    height, num_left, num_hidden, last = 0.0, MAX_LINES, 0, None
    for one in page.find_all("pre"):
        lines = one.decode_contents().strip("\n").split("\n")
        plain = one.get_text().strip("\n").split("\n")
        if num_hidden:
            num_hidden += len(plain)
            one.decompose()
            continue
        has_columns = "columns" in one.get("class", [])
        sizes = (_COLUMNS_PX, _COLUMNS_PX) if has_columns else (_SENTENCES_PX, _OUTPUT_PX)
        size = _letters(plain, _OUTPUT_PX, *sizes)
        num_shown = len(lines)
        for index, line in enumerate(plain):
            num_left -= _wrapped([line], size)
            if num_left < -2:  # what hides two lines costs more than it saves
                num_shown = max(1, index - 2)
                break
        one["style"] = f"font-size: {size:.1f}px"
        if num_shown < len(plain):
            one.clear()
            one.append(BeautifulSoup("\n".join(lines[:num_shown]), "html.parser"))
            num_hidden, last = len(plain) - num_shown, one
        height += _wrapped(plain[:num_shown], size) * size * 1.45 + 24
    if last is not None:
        last.insert_after(_more(page, num_hidden, "줄", "lines"))
    return height


def _cap_tables(page: BeautifulSoup) -> float:
    """Leave as many rows as can be read, over all tables; return their height."""
    height, num_chars, num_dropped = 0.0, 0, 0
    last = None
    for table in page.find_all("table"):
        rows = [row for row in table.find_all("tr") if row.find("td")]
        num_before = num_dropped
        num_shown = MAX_ROWS if len(rows) > MAX_ROWS + 2 else len(rows)
        for index, row in enumerate(rows):
            chars = len(row.get_text())
            if (num_chars and num_chars + chars > MAX_TABLE_CHARS) or index >= num_shown or num_dropped:
                num_dropped += 1
                row.decompose()
            num_chars += chars
        if len(rows) == num_dropped - num_before and rows:
            table.decompose()
            continue
        last = table
        height += _table_height(table)
    if num_dropped and last is not None:
        last.insert_after(_more(page, num_dropped, "행", "rows"))
    return height


def _more(page: BeautifulSoup, number: int, korean: str, english: str) -> Tag:
    line = page.new_tag("p", attrs={"class": "more"})
    line.string = f"… {number:,}{korean} 더 · {number:,} more {english}"
    return line


def _table_height(table: Tag) -> float:
    rows = table.find_all("tr")
    num_chars = len(table.get_text())
    line_px = 24 if num_chars > _DENSE_CHARS else 29 if num_chars > _WIDE_CHARS else 34
    num_columns = max((len(row.find_all(["td", "th"])) for row in rows), default=1)
    per_cell = max(8, WIDTH / num_columns / (line_px * 0.36))
    lines = [
        max(math.ceil(_width(cell.get_text()) / per_cell) for cell in row.find_all(["td", "th"]))
        for row in rows
        if row.find(["td", "th"])
    ]
    return sum(18 + line_px * max(1, one) for one in lines)


def _image_height(png: str) -> float:
    width, height = struct.unpack(">II", base64.b64decode(png[:64])[16:24])
    return min(430.0, height * min(1.0, WIDTH / width))


def _letters(lines: list[str], largest: float, smallest: float, of_broken: float) -> float:
    """Return the size of letters at which the longest line fits, or the one for lines that are broken."""
    longest = max(map(_width, lines), default=1) or 1
    fitting = min(largest, WIDTH / (_MONO * longest))
    return fitting if fitting >= smallest else of_broken


def _wrapped(lines: list[str], size: float) -> int:
    per_line = int(WIDTH / (_MONO * size))
    return sum(max(1, math.ceil(_width(line) / per_line)) for line in lines)


def _width(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line)
