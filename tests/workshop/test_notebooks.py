from __future__ import annotations

from pathlib import Path

from workshop.notebooks import heading_above, list_notebooks

IN_ORDER = [
    "01-naver/01-Prepare.ipynb",
    "01-naver/02-Train-Local.ipynb",
    "01-naver/03-SageMaker-Training.ipynb",
    "01-naver/03-1-Option-SageMaker-Training.ipynb",
    "01-naver/10-Later.ipynb",
    "02-inference/01-Local-Test.ipynb",
    "99-Cleanup.ipynb",
]


def test_notebooks_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in [*reversed(IN_ORDER), "01-naver/.ipynb_checkpoints/01-Prepare-checkpoint.ipynb"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [str(path.relative_to(tmp_path)) for path in list_notebooks(tmp_path)] == IN_ORDER


def test_the_heading_of_a_cell_is_the_last_one_above_it() -> None:
    cells = [
        {"cell_type": "code", "source": "# a comment"},
        {"cell_type": "markdown", "source": "# 01. 준비 · Prepare\n\n## 1. 뉴스\ntext"},
        {"cell_type": "code", "source": "x = 1"},
        {"cell_type": "markdown", "source": "only text"},
        {"cell_type": "code", "source": "x = 2"},
    ]
    assert [heading_above(cells, index) for index in (0, 2, 4)] == ["", "1. 뉴스", "1. 뉴스"]
