"""The notebooks about inference components begin and end in the same way, each on its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

NOTEBOOK_DIR = Path(__file__).parents[2] / "notebook" / "02-naver-news-llama3-inference"
BASICS = "02-SageMaker-Inference-Component"
OPTIONS = ("02-1-Option-Adapter-AB", "02-2-Option-Rolling-Update", "02-3-Option-Scale-to-Zero")


def cells_with(name: str, call: str) -> list[str]:
    cells = json.loads((NOTEBOOK_DIR / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [source for source in sources if call in source]


@pytest.mark.parametrize(("call", "names"), [("bring_up(", OPTIONS), ("delete_or_keep(", (BASICS, *OPTIONS))])
def test_the_shared_cell_is_the_same_in_all_of_them(call: str, names: tuple[str, ...]) -> None:
    found = {name: cells_with(name, call) for name in names}
    assert all(len(cells) == 1 for cells in found.values()), found
    assert len({cells[0] for cells in found.values()}) == 1, found


def test_what_is_made_only_where_it_is_missing_says_so_by_a_name() -> None:
    asked = {name: cells_with(name, "_is_missing(") for name in (BASICS, *OPTIONS)}
    assert len(asked[BASICS]) == 5
    assert len(asked[OPTIONS[0]]) == 1
    for cell in (cell for cells in asked.values() for cell in cells):
        assert re.search(r"^( *)is_missing = \w+_is_missing\(.*\)\n\1if is_missing:$", cell, re.MULTILINE), (
            cell
        )
        assert not re.search(r"if \w+\(", cell), cell


def test_no_notebook_asks_for_an_update_without_asking_whether_one_runs() -> None:
    for name in (BASICS, *OPTIONS):
        for cell in cells_with(name, "sagemaker.update_inference_component("):
            before = cell.split("sagemaker.update_inference_component(")[0]
            assert "is_needed = is_update_needed(" in before
            assert "if is_needed:" in before
        for cell in cells_with(name, "sagemaker.update_inference_component_runtime_config("):
            before = cell.split("sagemaker.update_inference_component_runtime_config(")[0]
            assert "wait_for_component(" in before
            assert "DesiredCopyCount" in before
