from __future__ import annotations

from pathlib import Path

import pytest

from workshop.errors import WorkshopError
from workshop.notebooks.order import DEFAULT_TRACKS, choose_tracks, heading_above, list_notebooks, list_tracks
from workshop.settings import find_repo_dir

IN_ORDER = [
    "01-naver/01-Prepare.ipynb",
    "01-naver/02-Train-Local.ipynb",
    "01-naver/03-SageMaker-Training.ipynb",
    "01-naver/03-1-Option-SageMaker-Training.ipynb",
    "01-naver/10-Later.ipynb",
    "02-inference/01-Local-Test.ipynb",
    "03-operate/01-Evaluate.ipynb",
    "99-Cleanup.ipynb",
]


@pytest.fixture
def notebook_dir(tmp_path: Path) -> Path:
    for name in [*reversed(IN_ORDER), "01-naver/.ipynb_checkpoints/01-Prepare-checkpoint.ipynb"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def chosen(notebook_dir: Path, *names: str) -> list[str]:
    return [str(path.relative_to(notebook_dir)) for path in choose_tracks(notebook_dir, names)]


def test_notebooks_come_in_the_order_of_their_numbers(notebook_dir: Path) -> None:
    assert [str(path.relative_to(notebook_dir)) for path in list_notebooks(notebook_dir)] == IN_ORDER


def test_a_track_is_a_numbered_folder_or_a_notebook_beside_them(notebook_dir: Path) -> None:
    assert list(list_tracks(notebook_dir)) == ["01", "02", "03", "99"]


def test_the_first_two_tracks_run_unless_another_is_asked_for(notebook_dir: Path) -> None:
    assert chosen(notebook_dir, *DEFAULT_TRACKS) == IN_ORDER[:6]
    assert chosen(notebook_dir, "03") == chosen(notebook_dir, "3") == IN_ORDER[6:7]
    assert chosen(notebook_dir, "all") == IN_ORDER


def test_tracks_run_in_their_order_not_in_that_of_their_names(notebook_dir: Path) -> None:
    assert chosen(notebook_dir, "99", "02", "02") == [IN_ORDER[5], IN_ORDER[7]]


def test_an_unknown_track_names_those_there_are(notebook_dir: Path) -> None:
    with pytest.raises(WorkshopError, match=r"no track 07[\s\S]*01, 02, 03, 99; or all"):
        choose_tracks(notebook_dir, ["01", "07"])


def test_the_default_tracks_are_there() -> None:
    notebook_dir = find_repo_dir() / "notebook"
    assert set(DEFAULT_TRACKS) <= set(list_tracks(notebook_dir))
    assert choose_tracks(notebook_dir, DEFAULT_TRACKS)


def test_the_heading_of_a_cell_is_the_last_one_above_it() -> None:
    cells = [
        {"cell_type": "code", "source": "# a comment"},
        {"cell_type": "markdown", "source": "# 01. 준비 · Prepare\n\n## 1. 뉴스\ntext"},
        {"cell_type": "code", "source": "x = 1"},
        {"cell_type": "markdown", "source": "only text"},
        {"cell_type": "code", "source": "x = 2"},
    ]
    assert [heading_above(cells, index) for index in (0, 2, 4)] == ["", "1. 뉴스", "1. 뉴스"]
