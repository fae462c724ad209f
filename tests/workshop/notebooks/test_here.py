"""The line at the top of a notebook: its track in a row, this one marked, every other one a click away."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from workshop.errors import WorkshopError
from workshop.figures.placeholders import Figures
from workshop.notebooks.here import track_line
from workshop.notebooks.order import list_notebooks, list_tracks

REPO_DIR = Path(__file__).parents[3]
NOTEBOOK_DIR = REPO_DIR / "notebook"
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)(?: \"([^\"]+)\")?\)")


@pytest.mark.parametrize("path", list_notebooks(NOTEBOOK_DIR), ids=lambda path: path.stem)
def test_a_notebook_says_below_its_title_where_it_stands(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = "".join(cells[0]["source"]).splitlines()
    start = f"**여기 · You are here** <!-- linked here {path.stem} -->"
    assert lines[2].startswith(start), f"below the title: {start}<!-- /linked -->, then make tables"
    row = next(paths for paths in list_tracks(NOTEBOOK_DIR).values() if path in paths)
    linked = {(path.parent / target).resolve() for _, target, _ in LINK.findall(lines[2])}
    assert set(row) - {path} <= linked
    assert path not in linked
    assert all(target.is_file() for target in linked)
    assert len(re.findall(r"\*\*\d", lines[2])) == 2, "the track and the notebook are marked, nothing else"


def test_titles_are_those_of_the_notebooks_with_english_where_the_mouse_rests() -> None:
    line = track_line(NOTEBOOK_DIR, "02-Train-Local-KR-News")
    assert "**02 로컬 학습**" in line
    assert '[03 SageMaker 학습](03-SageMaker-Training.ipynb "Train on SageMaker")' in line
    assert "선택" not in line


def test_a_renamed_notebook_makes_the_lines_of_its_track_stale(tmp_path: Path) -> None:
    for path in (*list_notebooks(NOTEBOOK_DIR), NOTEBOOK_DIR / "measured.yaml"):
        copy = tmp_path / path.relative_to(REPO_DIR)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    renamed = tmp_path / "notebook" / "02-naver-news-llama3-inference" / "02-1-Option-Adapter-AB.ipynb"
    text = renamed.read_text(encoding="utf-8")
    renamed.write_text(re.sub(r'"# 02-1\. [^·]+ ·', '"# 02-1. 다른 제목 ·', text), encoding="utf-8")
    stale = Figures(tmp_path).stale()
    assert {path.parent.name for path in stale} == {"02-naver-news-llama3-inference"}
    assert all("02-1 다른 제목" in text for text in stale.values())


def test_a_name_that_is_no_notebook_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        track_line(NOTEBOOK_DIR, "05-Nothing")
    (tmp_path / "notebook").mkdir()
    (tmp_path / "notebook" / "measured.yaml").write_bytes((NOTEBOOK_DIR / "measured.yaml").read_bytes())
    page = tmp_path / "README.md"
    page.write_text("<!-- linked here 05-Nothing --><!-- /linked -->", encoding="utf-8")
    with pytest.raises(WorkshopError, match="here 05-Nothing"):
        Figures(tmp_path).render(page)
