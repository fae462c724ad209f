"""Tables as people read them: heads in Korean too, text left, figures right, long cells folded.

`show_tables_for_people` makes a notebook's kernel show every pandas table so; `readable_tables` does it for
the tables of a page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workshop.view.heads import in_both

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from pandas import DataFrame

MAX_CELL_CHARS = 280
CELL_START_CHARS = 160

CHECK_COLUMNS = ("found", "expected", "do next")
NO_PROBLEM = "문제 없음 · no problem"
NO_ROW = "해당하는 행 없음 · no row"

# JupyterLab puts everything to the right, by a rule with two classes in it: twice the same class is as exact.
_STYLE = """<style>
div.news-frame{overflow-x:auto}
div.news-frame.news-frame table th,div.news-frame.news-frame table td{text-align:left;vertical-align:top}
div.news-frame table td{white-space:normal;overflow-wrap:break-word;max-width:34rem}
div.news-frame.news-frame table .figure{text-align:right}
div.news-frame table td.figure{white-space:nowrap}
div.news-frame table td.interval{white-space:normal}
div.news-frame summary{cursor:pointer}
</style>"""
# Pandas' own and those of its Styler; tables of the workshop have a look of their own.
_IS_FRAME = re.compile(r'<table[^>]*(?:class="dataframe"|id="T_)')
_FIGURE = re.compile(
    r"^[-+−<>≈]?\s?[$]?[\d,]*\.?\d+(?:e[-+]?\d+)?\s?(?:%|[a-zA-Zµ/]{1,8}|USD)?(?:\s?\[[^\]]*\])?$"
)
_NOTHING = ("", "-", "—", "NaN", "None", "nan", "<NA>", "n/a")


def show_tables_for_people() -> None:
    """Let the kernel of a notebook show every DataFrame by `table_html`; elsewhere do nothing."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None and shell.display_formatter is not None:
        # By name: the first cell shall not wait for pandas.
        shell.display_formatter.formatters["text/html"].for_type_by_name("pandas", "DataFrame", table_html)


def table_html(table: DataFrame) -> str | None:
    """Return a table as HTML; the table itself keeps its names."""
    shown = table.rename(columns=in_both).rename_axis(
        index=[in_both(name) for name in table.index.names],
        columns=[in_both(name) for name in table.columns.names],
    )
    html = shown._repr_html_()
    return html and readable_tables(html)


def readable_tables(html: str) -> str:
    """Return HTML with the tables of pandas in it aligned, narrowed and, where they are empty, in words."""
    if not _IS_FRAME.search(html) or 'class="news-frame"' in html:
        return html
    from bs4 import BeautifulSoup

    page = BeautifulSoup(html, "html.parser")
    for style in page.find_all("style", attrs={"scoped": True}):
        style.decompose()  # pandas' own: heads to the right
    for table in page.find_all("table"):
        _mend(page, table)
    return f'<div class="news-frame">{_STYLE}{page}</div>'


def _mend(page: BeautifulSoup, table: Tag) -> None:
    for row in table.find_all("tr"):
        del row["style"]
    del table["border"]
    rows = [row.find_all(["th", "td"]) for row in table.find_all("tr")]
    body = [row.find_all("td") for row in table.find_all("tr") if row.find("td")]
    if not body:
        heads = [head.get_text() for head in table.find_all("th")]
        nothing = page.new_tag("p", attrs={"class": "none"})
        is_check = all(in_both(name) in heads or name in heads for name in CHECK_COLUMNS)
        nothing.string = NO_PROBLEM if is_check else f"{NO_ROW} ({', '.join(filter(None, heads))})"
        table.replace_with(nothing)
        return
    num_columns = max(map(len, body))
    right = [_is_of_figures([cells[-back].get_text() for cells in body if len(cells) >= back])
             for back in range(num_columns, 0, -1)]  # fmt: skip
    last_head = max(
        (index for index, row in enumerate(rows) if row and row[0].find_parent("thead")), default=-1
    )
    for index, row in enumerate(rows):
        # Cells are counted from the right: heads of rows stand before them, and some of those span rows.
        for back, cell in enumerate(reversed(row), start=1):
            is_head_of_column = cell.name == "th" and index <= last_head and not cell.get("colspan")
            if back <= num_columns and right[-back] and (cell.name == "td" or is_head_of_column):
                has_interval = "[" in cell.get_text()  # wide: it may stand in two lines
                cell["class"] = [*cell.get("class", []), "figure", *["interval"] * has_interval]
            elif cell.name == "td":
                _fold(page, cell)


def _is_of_figures(texts: list[str]) -> bool:
    said = [text.strip() for text in texts if text.strip() not in _NOTHING]
    return bool(said) and all(_FIGURE.match(text) for text in said)


def _fold(page: BeautifulSoup, cell: Tag) -> None:
    text = cell.get_text()
    if len(text) <= MAX_CELL_CHARS or cell.find(True):
        return
    cell.clear()
    details, summary, more = page.new_tag("details"), page.new_tag("summary"), page.new_tag("span")
    more["class"] = "more"
    more.string = f" … {len(text) - CELL_START_CHARS:,}자 더 · more characters"
    summary.append(text[:CELL_START_CHARS])
    summary.append(more)
    details["class"] = "cell"
    details.extend([summary, text[CELL_START_CHARS:]])
    cell.append(details)
