"""A room can read what is on a slide: letters as large as fits, of long outputs the beginning."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.workshop.slides.notebooks import code_cell, html, notebook, plot, text_cell
from tests.workshop.slides.pages import LOADED, look_at, out_of_sight

from workshop.slides.cut import cut
from workshop.slides.deck import REVEAL_DIR, deck_html
from workshop.slides.pieces import MAX_CODE_LINES, MAX_LINES, MAX_ROWS, code

REPO_DIR = Path(__file__).parents[3]
LONG_LINE = (
    "channels += [InputData(channel_name=name, data_source=data_uris[name]) for name in names]  # 한국어 주석"
)
LONGEST_CELL = "\n".join([LONG_LINE] * 24)
SENTENCE = "해운 운임이 두 달째 올라 수출 기업의 부담이 커졌다고 협회가 밝혔다. "
TABLE = "<table><thead><tr><th>system</th><th>text</th></tr></thead><tbody>{}</tbody></table>"


def table(num_rows: int, text: str) -> str:
    return TABLE.format("".join(f"<tr><td>{number}</td><td>{text}</td></tr>" for number in range(num_rows)))


def bodies(*outputs: Any) -> list[str]:
    slides = cut(notebook(text_cell("# 제목 · Title"), text_cell("## 하나 · One"), code_cell("x", *outputs)))
    return [part for one in slides[1:] for part in one.body[one.name == "하나" :]]


def size_of(shown: str) -> float:
    return float(re.search(r"font-size: ([\d.]+)px", shown)[1])


def test_letters_of_code_are_as_large_as_its_lines_and_their_number_let_them() -> None:
    short, wide, tall = (next(iter(code(one))) for one in ("call()", LONG_LINE, "\n".join(["call()"] * 24)))
    assert size_of(short.html) == 22 > size_of(wide.html) > size_of(next(iter(code(LONG_LINE * 2))).html)
    assert size_of(short.html) > size_of(tall.html) > 15
    assert tall.height < 600


def test_code_that_is_longer_than_a_slide_goes_on_on_the_next() -> None:
    lines = [f"line_{number}" for number in range(2 * MAX_CODE_LINES - 2)]
    parts = list(code("\n".join(lines)))
    assert len(parts) == 2
    assert re.findall(r"line_\d+", "".join(one.html for one in parts)) == lines


def test_a_long_text_is_its_beginning_and_how_many_lines_are_left() -> None:
    [shown] = bodies("\n".join(f"<row {number}>" for number in range(70)))
    assert "&lt;row 0&gt;" in shown
    num_shown = shown.count("&lt;row ")
    assert num_shown <= MAX_LINES
    assert (
        f"{70 - num_shown}줄 더 · {70 - num_shown} more lines" in shown
    )  # the report's own fold is one with it
    assert shown.count("more lines") == 1
    [broken] = bodies(
        "\n".join(["first", "x" * 5000, *("last" for _ in range(30))])
    )  # whose long line is folded
    assert broken.count("<pre") == 3
    assert broken.count("more lines") == 1
    assert broken.count("last") < MAX_LINES
    [whole] = bodies("\n".join("row" for _ in range(MAX_LINES + 2)))
    assert "more lines" not in whole


def test_a_table_has_as_many_rows_as_can_be_read() -> None:
    [many] = bodies(html(table(40, "값")))
    assert many.count("<tr>") == 1 + MAX_ROWS
    assert f"{40 - MAX_ROWS} more rows" in many
    [long] = bodies(html(table(5, SENTENCE * 12)))
    assert 1 < long.count("<tr>") < 5
    [several] = bodies(html(table(1, SENTENCE * 30) * 3))
    assert several.count("<table>") == 1
    assert "2 more rows" in several


def test_what_is_folded_or_has_a_name_of_reveals_is_neither() -> None:
    [fold] = bodies(html("<details><summary>처음</summary>나머지</details>"))
    assert "처음" in fold
    assert "나머지" not in fold
    [bar] = bodies(html('<div class="progress"><i><b style="width:50%"></b></i><span>3/6</span></div>'))
    assert 'class="meter"' in bar
    assert bodies(html("<style>.x {color: red}</style>")) == []


@pytest.fixture(scope="module")
def deck() -> str:
    """The worst that a notebook may have, and more."""
    wide_table = TABLE.format("<tr>" + f"<td>{SENTENCE * 2}</td>" * 7 + "</tr>")
    cells = [
        code_cell(LONGEST_CELL, "x" * 3000, seconds=12),
        code_cell("print(text)", "\n".join(SENTENCE * 3 for _ in range(60))),
        code_cell("columns", "\n".join("  ".join(f"{number:>9}" for number in range(24)) for _ in range(30))),
        code_cell("table", html(table(40, SENTENCE * 4)), html(table(8, SENTENCE * 3)), html(wide_table)),
        code_cell("plot", plot(2400, 900), plot(1000, 2400)),
        code_cell("error", html(f"<pre>{'/a/long/path' * 60}</pre>")),
        code_cell("\n".join(["call()"] * 100)),
    ]
    texts = [
        f"## {number}. 절 · Section\n\n{SENTENCE * 9}\n\n> {'English words ' * 60}" for number in range(1, 8)
    ]
    title = text_cell(
        f"# 01. 긴 제목이 있는 노트북 · A notebook whose title is long\n\n{SENTENCE * 5}\n\n> {'Words ' * 80}"
    )
    words = text_cell("## 정리 · Cleanup\n\n" + f"{SENTENCE * 12}\n\n" * 3)
    points = text_cell("## 요약 · Summary\n\n" + "\n".join(f"- {SENTENCE * 3}" for _ in range(9)))
    pairs = [one for text, cell in zip(texts, cells, strict=True) for one in (text_cell(text), cell)]
    return deck_html(cut(notebook(title, *pairs, words, points)), REPO_DIR / REVEAL_DIR)


def test_nothing_is_cut_and_all_is_readable_at_1280_by_720(deck: str, tmp_path: Path) -> None:
    assert LOADED.findall(deck) == []
    seen = look_at(deck, tmp_path)
    assert len(seen["slides"]) > 16
    assert not out_of_sight(seen["slides"])
    assert min(one["letters"] for one in seen["slides"]) > 10
    assert all(one["notes"] > 50 for one in seen["slides"][:-1])
    assert sorted(seen["fonts"]) == ["Deck 400 loaded", "Deck 700 loaded"]
