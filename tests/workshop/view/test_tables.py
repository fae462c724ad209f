"""Tables in a notebook: what people read, and that code still reads the columns by their names."""

from __future__ import annotations

import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from pandas import DataFrame, MultiIndex

from workshop.view.heads import KOREAN
from workshop.view.tables import show_tables_for_people, table_html


def test_heads_are_in_both_languages_and_the_table_keeps_its_own() -> None:
    table = DataFrame({"found": ["가"], "my own": ["b"]}).rename_axis("component")
    html = table_html(table)
    assert "발견 found" in html
    assert "컴포넌트 component" in html
    assert ">my own<" in html
    assert list(table.columns) == ["found", "my own"]
    assert table.index.names == ["component"]


def test_figures_stand_right_with_their_heads_and_texts_left() -> None:
    table = DataFrame({"name": ["나", "다"], "mean": [1.5, np.nan], "score": ["85.3 [84.2, 86.4]", "-"]})
    html = table_html(table)
    assert '<td class="figure">1.5</td>' in html
    assert '<td class="figure interval">85.3 [84.2, 86.4]</td>' in html
    assert '<th class="figure">mean</th>' in html
    assert "<td>나</td>" in html
    assert "<th>이름 name</th>" in html


def test_several_levels_of_heads_and_rows_that_share_a_head_are_aligned_too() -> None:
    columns = MultiIndex.from_product([["word ROUGE-L", "text"], ["mean", "all"]])
    index = MultiIndex.from_product([["a", "b"], [1, 2]], names=["case", "runs"])
    table = DataFrame([[1, 2, "x", "y"]] * 4, index=index, columns=columns)
    html = table_html(table)
    assert html.count('<td class="figure">') == 8
    assert html.count("<td>") == 8
    assert "단어 word ROUGE-L" in html


def test_an_empty_table_is_said_in_words() -> None:
    assert "문제 없음 · no problem" in table_html(DataFrame(columns=["found", "expected", "do next"]))
    other = table_html(DataFrame(columns=["train", "total"]))
    assert "해당하는 행 없음 · no row (학습 train, 합계 total)" in other


def test_markup_in_a_cell_stays_text() -> None:
    assert "&lt;script&gt;" in table_html(DataFrame({"text": ["<script>" + "긴 " * 300]}))


def test_a_kernel_shows_tables_so_once_a_notebook_has_started() -> None:
    shell = InteractiveShell.instance()
    try:
        show_tables_for_people()
        data, _ = shell.display_formatter.format(DataFrame({"found": [1]}))
    finally:
        InteractiveShell.clear_instance()
    assert "발견 found" in data["text/html"]
    assert "발견" not in data["text/plain"]


def test_outside_a_kernel_nothing_is_changed() -> None:
    show_tables_for_people()


def test_no_head_is_as_long_as_a_sentence() -> None:
    assert max(map(len, KOREAN.values())) <= 12
    assert all(name.isascii() for name in KOREAN)
