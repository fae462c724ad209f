"""The READMEs' pictures of a run: of cells that are there, from their outputs alone, the same every time."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from PIL import Image

from workshop.errors import WorkshopError
from workshop.evaluation.table import side_by_side
from workshop.notebooks import screenshots
from workshop.notebooks.order import list_notebooks
from workshop.notebooks.screenshots import HEIGHT, SCALE, SHOTS, WIDTH, draw, find_browser, page
from workshop.pictures.embed import IMG_DIR
from workshop.settings import find_repo_dir

MAX_BYTES = 150_000
SUMMARIES = next(shot for shot in SHOTS if shot.name == "run-summaries")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Results of a mode, with one executed notebook of two articles."""
    table = side_by_side(
        ["가나시는 3월 축제에 12억 원을 쓴다고 밝혔다."] * 2,
        ["가나시, 축제에 12억 원"] * 2,
        {"lead-3": ["앞 세 문장"] * 2, "untuned": ["질문: 99명"] * 2, "tuned": ["가나시, 12억 원"] * 2},
    )
    output = v4.new_output("execute_result", data={"text/html": table.data, "text/plain": ""})
    cells = [v4.new_code_cell("side_by_side()", id=SUMMARIES.cell, outputs=[output]), v4.new_code_cell("1")]
    (tmp_path / "sample" / "report").mkdir(parents=True)
    nbformat.write(
        v4.new_notebook(cells=cells), tmp_path / "sample" / "report" / f"{SUMMARIES.notebook}.ipynb"
    )
    return tmp_path / "sample"


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_the_cell_is_in_its_notebook_and_the_picture_in_both_texts(shot: screenshots.Shot) -> None:
    (path,) = (one for one in list_notebooks(find_repo_dir() / "notebook") if one.stem == shot.notebook)
    assert shot.cell in [cell["id"] for cell in nbformat.read(path, as_version=4).cells]
    content = (IMG_DIR / f"{shot.name}.png").read_bytes()
    assert len(content) <= MAX_BYTES
    assert Image.open(io.BytesIO(content)).size == (WIDTH * SCALE, HEIGHT * SCALE)
    for name in ("README.md", "README.ko.md"):
        text = (find_repo_dir() / name).read_text(encoding="utf-8")
        (alt,) = re.findall(rf"!\[([^]]+)\]\(img/{shot.name}\.png\)", text)
        assert re.search("[가-힣]{2}", alt)
        assert re.search("[a-z]{3}", alt), name


def test_a_page_shows_the_outputs_and_loads_nothing(home: Path) -> None:
    content = page(SUMMARIES, home)
    assert '<span class="right" title="in the reference">12억' in content
    assert '<span class="wrong" title="not in the article">99' in content
    assert "side_by_side" not in content, "the code is not shown"
    assert SUMMARIES.korean in content
    assert SUMMARIES.english in content
    assert not re.search(r"""(?:src|href)\s*=\s*(?!["']?(?:data:|#))|@import|url\((?!data:)""", content)
    assert content == page(SUMMARIES, home)


def test_in_a_browser_the_same_run_gives_the_same_picture(home: Path) -> None:
    try:
        browser = find_browser()
    except WorkshopError:
        pytest.skip("no chromium here: apt-get install chromium")
    content = page(SUMMARIES, home)
    drawn = draw(content, browser)
    assert drawn == draw(content, browser)
    picture = Image.open(io.BytesIO(drawn)).convert("RGB")
    assert picture.size == (WIDTH * SCALE, HEIGHT * SCALE)
    colours = {pixel for _, pixel in picture.getcolors(maxcolors=1 << 24)}
    assert any(green > red + 40 and green > 150 for red, green, _ in colours), "right numbers are green"
    assert any(red > green + 40 and red > 150 for red, green, _ in colours), "wrong numbers are red"


def test_what_is_missing_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkshopError, match="no executed notebook"):
        page(replace(SUMMARIES, notebook="01-Other"), home)
    with pytest.raises(WorkshopError, match="no outputs of the cell gone"):
        page(replace(SUMMARIES, cell="gone"), home)
    with pytest.raises(WorkshopError, match="drew nothing"):
        draw("", "false")
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(WorkshopError) as caught:
        find_browser()
    assert "apt-get install chromium" in caught.value.next_step
