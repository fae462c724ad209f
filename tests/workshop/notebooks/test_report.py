"""The report of an executed notebook: what is on the page, and what of it only this machine would know."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from nbformat import read
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pandas import DataFrame, option_context

from workshop.notebooks.order import list_notebooks
from workshop.notebooks.outputs import LINE_START_CHARS, MAX_LINES, merged
from workshop.notebooks.report import cell_seconds, hidden_places, write_report
from workshop.notebooks.run import NotebookRun, run_notebook
from workshop.settings import find_repo_dir

HANGUL, LATIN = re.compile("[가-힣]"), re.compile("[A-Za-z]")
CELLS = [
    # as every notebook begins; then what the SageMaker SDK does, and whether tables are shown for people
    "from workshop.start import start\nsettings = start('99-Cleanup')",
    "import logging\nlogging.basicConfig(level=logging.INFO)\nlogging.info('of no use to ' + 'anybody')\n"
    "formatter = get_ipython().display_formatter.formatters['text/html']\n"
    "print(('pandas', 'DataFrame') in formatter.deferred_printers)",
    # a streamed answer, a token at a time
    "for token in ('달', '꽃', '교육청', '이 ', '열었다'):\n    print(token, end='', flush=True)",
    "from tqdm.notebook import tqdm\nfor _ in tqdm(range(7), desc='answers'):\n    pass\n"
    "for _ in tqdm(range(1000), desc='gone', leave=False, mininterval=60):\n    pass",
    "import sys\nprint('INFO:sagemaker.config:Applied value', file=sys.stderr)\n"
    "print('/x/site-packages/a/b.py:3: UserWarning: no wait\\n  warnings.warn(', file=sys.stderr)\n"
    "print('out of memory', file=sys.stderr)",
    "print('\\n'.join(f'line {number}' for number in range(200)))\nprint('가' * 5000)",
    "print(sys.executable)\nprint('http://127.0.0.1:4000/app/auth?auth' + 'Token=abc#/runs')",
]
EMPTY = DataFrame([], columns=["found", "expected", "do next"])
TABLE = DataFrame(
    {
        "article": ["긴 글 " * 100, "짧은 글"],
        "score": [1.5, 20.25],
        "time": ["8 ms", "1,200 ms"],
        "no": ["", "-"],
    }
)
HEAD = (
    "# 01. 처음 · First\n\n[둘째](02-Second.ipynb) [file](../README.md) [docs](https://docs.aws.amazon.com/a)"
    "\n\n> In English."
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a notebook that was executed, and of one that was not."""
    import nbformat

    folder = tmp_path_factory.mktemp("report")
    path = folder / "01-First.ipynb"
    cells = [new_markdown_cell(HEAD), *map(new_code_cell, CELLS)]
    nbformat.write(new_notebook(cells=cells), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKSHOP_HOME", str(folder / "home"))
        patch.delenv("WORKSHOP_MODE", raising=False)
        run = run_notebook(path, 60)
    assert not run.failure, run.failure
    cells = [new_markdown_cell("# 02. 다음 · Next"), timed_cell(7.25), *map(cell_with_table, (EMPTY, TABLE))]
    second = NotebookRun(path=folder / "02-Second.ipynb", notebook=new_notebook(cells=cells), seconds=8.0)
    report = folder / "home" / "sample" / "report" / "report.html"
    report.parent.mkdir(parents=True)
    write_report(report, [run, second], "sample")
    return report.read_text(encoding="utf-8")


def cell_with_table(table: DataFrame) -> object:
    with option_context("display.max_colwidth", None):
        data = {"text/html": table._repr_html_(), "text/plain": ""}
    return new_code_cell("table", outputs=[new_output("execute_result", data=data)])


def timed_cell(seconds: float) -> object:
    cell = new_code_cell("wait()")
    cell.metadata["execution"] = {
        "iopub.execute_input": "2026-11-29T21:17:20.000000Z",
        "shell.execute_reply": f"2026-11-29T21:17:{20 + seconds:09.6f}Z",
    }
    cell.metadata["workshop"] = {"silent_s": 6.5, "silent_from_s": 0.25}
    return cell


def test_a_notebook_that_has_started_shows_tables_for_people_and_no_noise(page: str) -> None:
    assert ">True</pre>" in page
    assert "of no use to anybody" not in page


def test_a_streamed_answer_is_one_line(page: str) -> None:
    assert "달꽃교육청이 열었다</pre>" in page


def test_neighbours_of_one_stream_are_joined_and_what_a_terminal_overwrote_is_gone() -> None:
    pieces = [("stdout", "10 %\r"), ("stdout", "100 %\n"), ("stderr", "e"), ("stdout", "a"), ("stdout", "b")]
    outputs = merged([new_output("stream", name=name, text=text) for name, text in pieces])
    assert [(one.name, one.text) for one in outputs] == [
        ("stdout", "100 %\n"),
        ("stderr", "e"),
        ("stdout", "ab"),
    ]


def test_a_bar_is_shown_at_its_end_and_one_that_was_taken_away_is_not(page: str) -> None:
    bar = re.search(r'<div class="progress">.*?</div>', page)
    assert bar
    assert "answers: 100%" in bar[0]
    assert "width:100%" in bar[0]
    assert "7/7" in bar[0]
    assert "gone: " not in page
    assert "0%|" not in page


def test_what_libraries_say_of_themselves_is_left_out_and_errors_are_not(page: str) -> None:
    outputs = page.split("out of memory</pre>")
    assert len(outputs) == 2
    assert "Applied value</pre>" not in page
    assert "warnings.warn(</pre>" not in page
    assert ">INFO:" not in page


def test_an_empty_table_of_checks_says_that_there_is_no_problem(page: str) -> None:
    assert "문제 없음 · no problem" in page
    assert "Empty DataFrame" not in page


def test_texts_of_a_table_stand_left_figures_right_and_a_long_text_is_folded(page: str) -> None:
    table = re.search(r'<div class="news-frame">.*?</table>', page, re.DOTALL)
    assert table
    assert re.search(r'<td class="figure">20\.25</td>', table[0])
    assert re.search(r'<td class="figure">1,200 ms</td>', table[0])
    assert re.search(r'<th class="figure">score</th>', table[0])
    assert "<td>짧은 글</td>" in table[0]
    assert re.search(r"<details class=\"cell\"><summary>긴 글.*?more characters", table[0], re.DOTALL)
    assert "text-align: right" not in table[0]


def test_a_long_text_and_a_long_line_are_folded_and_complete(page: str) -> None:
    assert f"… {201 - MAX_LINES}줄 더 · more lines" in page
    assert "line 199" in page
    assert f"… {5000 - LINE_START_CHARS:,}자 더" in page
    assert "가" * 5000 in page


def test_nothing_on_the_page_leads_to_this_machine(page: str) -> None:
    assert sys.prefix not in page
    assert str(find_repo_dir()) not in page
    assert "http://127.0.0.1:4000/app/auth</pre>" in page
    assert "authToken" not in page
    assert 'href="http://127.' not in page
    assert '<a href="#notebook-2">둘째</a>' in page
    assert "<span>file</span>" in page
    assert 'href="https://docs.aws.amazon.com/a"' in page


def test_the_contents_have_the_time_of_each_notebook_and_of_each_slow_cell(page: str) -> None:
    before = page.split('<section id="notebook-1">')[0]
    assert re.search(r'href="#notebook-2">02-Second</a></td><td class="figure">8\.0 s<', before)
    assert re.search(r'href="#cell-id=2-1">02. 다음 · Next</a></td><td class="figure">7\.2 s<', before)
    assert before.count('<td class="figure">6.5 s</td></tr>') == 1, (
        "of the slow cell, how long it stood still"
    )
    assert 'id="cell-id=2-1"' in page
    assert "#cell-id=2-2" not in before, "it took no time"
    assert re.search(r"이 파일 하나\(\d+\.\d MB\)", before)


def test_a_cell_without_times_took_none() -> None:
    assert cell_seconds(new_code_cell("a")) == 0
    assert cell_seconds(timed_cell(3.5)) == 3.5


def test_dark_systems_get_a_dark_page_with_code_and_pictures_that_can_be_read(page: str) -> None:
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    dark = style.split("@media (prefers-color-scheme: dark)", 1)[1]
    assert "--paper: #14171b" in dark
    assert ".highlight .k" in dark
    assert ".output_area img { background: #fff" in style
    assert "white-space: pre-wrap" in style


def test_a_switch_hides_every_english_quote_without_a_script(page: str) -> None:
    box = page.index('<input type="checkbox" id="korean-only">')
    assert box < page.index("<h1>") < page.index("<section"), "a style reaches what comes after the box"
    assert '<label class="korean-only" for="korean-only">' in page
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    hidden = re.search(r"#korean-only:checked ~ blockquote,\s([^{]*)\{ display: none; \}", style)
    assert hidden[1].split() == ["#korean-only:checked", "~", "section", ".text_cell_render", "blockquote"]
    quote = page.index("<p>In English.</p>")
    assert '<div class="text_cell_render' in page[page.rindex("<blockquote>", 0, quote) - 400 : quote]
    assert "<script" not in page


@pytest.mark.parametrize("path", list_notebooks(find_repo_dir() / "notebook"), ids=lambda path: path.stem)
def test_a_quote_is_english_and_no_other_paragraph_is(path: Path) -> None:
    texts = [cell.source for cell in read(path, as_version=4).cells if cell.cell_type == "markdown"]
    without_code = [re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE) for text in texts]
    blocks = [block for text in without_code for block in re.split(r"\n\s*\n", text)]
    quotes = [block for block in blocks if block.startswith(">")]
    assert len(quotes) > 5
    hidden_korean = [one for one in quotes if 3 * len(HANGUL.findall(one)) > len(LATIN.findall(one))]
    # Not read for their language: headings, tables, pictures, HTML.
    prose = [block for block in blocks if not re.match(r"\s*[>#|!<]", block)]
    shown_english = [one for one in prose if not HANGUL.search(one) and len(LATIN.findall(one)) > 20]
    assert (hidden_korean, shown_english) == ([], [])


def test_folders_of_this_machine_are_named_from_the_repository_and_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home" / "sample"
    hide = hidden_places(home)
    assert hide(f"in {home}/data, at {home}.") == "in $WORKSHOP_HOME/sample/data, at $WORKSHOP_HOME/sample."
    usual = find_repo_dir() / ".workshop" / "sample"
    assert hidden_places(usual)(f"in {usual}/data") == "in .workshop/sample/data"
    assert hide(f"{find_repo_dir()}/src") == "./src"
    assert hide(f"{find_repo_dir()}-other/src") == f"{find_repo_dir()}-other/src"
    assert hide("s3://bucket/home/sample") == "s3://bucket/home/sample"
    assert hide("http://localhost:4/a?token=1 b") == "http://localhost:4/a b"
