"""The texts say what was measured: the repository's own, and small ones that are made to be wrong."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from workshop.account import usage
from workshop.errors import WorkshopError
from workshop.figures.__main__ import main
from workshop.figures.estimates import usage_table
from workshop.figures.placeholders import PLACEHOLDER, Figures
from workshop.figures.record import FILE_NAME, read_runs, write_run
from workshop.figures.text import about
from workshop.notebooks.order import list_notebooks
from workshop.settings import find_repo_dir, load_settings

from .conftest import make_run

REPO_DIR = find_repo_dir()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository's texts, notebooks and figures, to be changed."""
    figures = Figures(REPO_DIR)
    for path in [*figures.paths(), REPO_DIR / "notebook" / FILE_NAME]:
        target = tmp_path / path.relative_to(REPO_DIR)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def names(repo_dir: Path) -> list[str]:
    return [path.relative_to(repo_dir).name for path in Figures(repo_dir).stale()]


def placeholders(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [placeholder[1] for placeholder in PLACEHOLDER.findall(text)]


def test_every_text_says_what_was_measured() -> None:
    stale = [str(path.relative_to(REPO_DIR)) for path in Figures(REPO_DIR).stale()]
    assert stale == [], "run: make tables"


def test_both_readmes_give_the_time_of_every_notebook_beside_its_link() -> None:
    for name, language in (("README.md", "en"), ("README.ko.md", "ko")):
        lines = (REPO_DIR / name).read_text(encoding="utf-8").splitlines()
        for path in list_notebooks(REPO_DIR / "notebook"):
            (row,) = [line for line in lines if f"({path.relative_to(REPO_DIR)})" in line]
            assert f"<!-- measured cell {language} {path.stem} -->" in row
        assert {f"total {language}", f"column {language}", f"machines {language}"} <= set(
            placeholders(REPO_DIR / name)
        )


@pytest.mark.parametrize("path", list_notebooks(REPO_DIR / "notebook"), ids=lambda path: path.stem)
def test_every_notebook_opens_with_its_own_time(path: Path) -> None:
    (row,) = [line for line in nbformat.read(path, 4).cells[0].source.splitlines() if "시간 Time" in line]
    assert f"<!-- measured row {path.stem} -->" in row


@pytest.mark.parametrize("path", list_notebooks(REPO_DIR / "notebook"), ids=lambda path: path.stem)
def test_what_costs_opens_with_what_it_is_expected_to_cost(path: Path) -> None:
    """And the list of what notebooks take has every one that makes something that is paid."""
    cells = nbformat.read(path, 4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    known = {one.notebook for one in usage.usages(load_settings(environ={"WORKSHOP_MODE": "debug"}))}
    makes = re.search(r"Endpoint\.create|create_endpoint\(|trainer\.train\(|bring_up|start_server", code)
    assert bool(makes) <= (path.stem in known)
    for row, name in (("시간 Time", "time"), ("비용 Cost", "price")):
        (line,) = [line for line in cells[0].source.splitlines() if row in line]
        assert (f"<!-- estimated {name} {path.stem} -->" in line) is (path.stem in known)


def test_a_changed_figure_makes_every_text_that_gives_it_stale(copy: Path) -> None:
    path = copy / "notebook" / FILE_NAME
    kind, run = next(iter(read_runs(path).items()))
    changed = {**run.notebook_s, "04-SageMaker-Inference": 10 * run.notebook_s["04-SageMaker-Inference"]}
    write_run(path, kind, make_run(**{**vars(run), "notebook_s": changed}))
    assert {"README.md", "README.ko.md", "04-SageMaker-Inference.ipynb"} <= set(names(copy))
    assert "02-Train-Local-KR-News.ipynb" not in names(copy)


def test_a_changed_score_makes_notebook_02_and_the_model_card_stale(copy: Path) -> None:
    path = copy / "notebook" / FILE_NAME
    kind, run = next(iter(read_runs(path).items()))
    run.scores["tuned"]["word_rouge_l"]["mean"] -= 0.1
    write_run(path, kind, run)
    assert [str(one.relative_to(copy)) for one in Figures(copy).stale()] == [
        "src/sample/README.md",
        "notebook/01-naver-news-fsdp-QLoRA/02-Train-Local-KR-News.ipynb",
    ]


@pytest.mark.parametrize("name", ["README.md", "src/sample/README.md"])
def test_a_text_that_was_edited_by_hand_is_found_and_written_again(copy: Path, name: str) -> None:
    path = copy / name
    before = path.read_text(encoding="utf-8")
    placeholder = PLACEHOLDER.search(before)
    path.write_text(before[: placeholder.end(3)] + "99" + before[placeholder.end(3) :], encoding="utf-8")
    assert list(Figures(copy).stale()) == [path]
    assert Figures(copy).write() == [path]
    assert path.read_text(encoding="utf-8") == before


def test_writing_a_notebook_changes_its_places_only(copy: Path) -> None:
    path = copy / "notebook" / FILE_NAME
    kind, run = next(iter(read_runs(path).items()))
    notebooks = list_notebooks(copy / "notebook")
    doubled = {one.stem: 20 * run.notebook_s.get(one.stem, 1.0) for one in notebooks}
    before = [one.read_text(encoding="utf-8").splitlines() for one in notebooks]
    write_run(path, kind, make_run(**{**vars(run), "notebook_s": doubled}))
    Figures(copy).write()
    for one, old in zip(notebooks, before, strict=True):
        new = one.read_text(encoding="utf-8").splitlines()
        changed = [line for line, other in zip(new, old, strict=True) if line != other]
        assert len(changed) == 1, one.name
        assert "시간 Time" in changed[0]


def test_texts_are_written_with_one_class_with_two_and_with_none(copy: Path) -> None:
    path = copy / "notebook" / FILE_NAME
    run = next(iter(read_runs(path).values()))
    for kinds in ((), ("AVX2",), ("AVX2", "Arm + bfloat16"), ("AVX2", "Arm", "AVX512")):
        path.unlink(missing_ok=True)
        for kind in kinds:
            write_run(path, kind, run)
        Figures(copy).write()
        assert names(copy) == []
        readme = (copy / "README.md").read_text(encoding="utf-8")
        assert all(kind.split()[0] in readme for kind in kinds)


def test_the_time_of_one_track_or_of_all_can_stand_beside_that_of_make_sample(copy: Path) -> None:
    path = copy / "notebook" / FILE_NAME
    kind, run = next(iter(read_runs(path).items()))
    path.unlink()
    write_run(path, kind, run)
    page = copy / "README.md"
    places = (f"<!-- measured total ko {track} -->x<!-- /measured -->" for track in ("99", "all"))
    page.write_text(", ".join(places))
    Figures(copy).write()
    shown = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8")).split(", ")
    seconds = (run.notebook_s["99-Cleanup"], sum(run.notebook_s.values()))
    assert shown == [f"약 {about(each, 'ko')}" for each in seconds]


@pytest.mark.parametrize(
    "comment",
    [
        "cell en 09-Gone",
        "cell fr 04-SageMaker-Inference",
        "speed en",
        "total",
        "column en more",
        "usage fr",
        "time 99-Cleanup",
    ],
)
def test_a_place_that_asks_for_what_is_not_there_is_named(copy: Path, comment: str) -> None:
    (copy / "README.md").write_text(f"x <!-- measured {comment} -->1<!-- /measured -->")
    with pytest.raises(WorkshopError, match=rf"measured {comment} --> in README\.md"):
        Figures(copy).stale()


def test_what_the_modes_take_stands_where_one_decides_and_follows_the_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A longest run, a price or minutes that change make all texts stale that give them."""
    texts = {
        **{"README.md": "en", "README.ko.md": "ko"},
        **{"setup/README.md": "en", "setup/README.ko.md": "ko"},
    }
    for name, language in texts.items():
        assert f"usage {language}" in placeholders(REPO_DIR / name)
    monkeypatch.setitem(usage._MINUTES, "04-SageMaker-Inference", (13, 21))
    stale = {str(path.relative_to(REPO_DIR)): text for path, text in Figures(REPO_DIR).stale().items()}
    notebook = "notebook/01-naver-news-fsdp-QLoRA/04-SageMaker-Inference.ipynb"
    assert set(stale) == {*texts, notebook}
    assert "13~21분 · 13 to 21 min" in stale[notebook]
    assert "13 to 21 min" in stale["setup/README.md"]


def test_the_table_has_every_notebook_of_every_mode_on_aws() -> None:
    for language in ("en", "ko"):
        lines = usage_table(language).splitlines()
        assert [line.count("|") for line in lines] == [6] * len(lines)
        for one in usage.usages(load_settings(environ={"WORKSHOP_MODE": "debug"})):
            (row,) = [line for line in lines if line.startswith(f"| {one.notebook}")]
            assert one.quota_name.replace(one.instance_type, "TYPE") in row


def test_half_a_place_is_named(copy: Path) -> None:
    (copy / "README.md").write_text("<!-- measured column en -->AVX2")
    with pytest.raises(WorkshopError, match=r"other half in README\.md"):
        Figures(copy).stale()


def test_a_notebook_in_another_layout_is_left_alone(copy: Path) -> None:
    path = list_notebooks(copy / "notebook")[0]
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))))
    with pytest.raises(WorkshopError, match="another layout"):
        Figures(copy).write()


def test_check_names_what_is_stale(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("workshop.figures.__main__.find_repo_dir", lambda: copy)
    monkeypatch.setattr("workshop.figures.__main__.interrupt_on_signals", lambda: None)
    assert main(["--check"]) == 0
    readme = copy / "README.md"
    edited = readme.read_text(encoding="utf-8").replace("<!-- /measured -->", "!<!-- /measured -->", 1)
    readme.write_text(edited, encoding="utf-8")
    assert main(["--check"]) == 1
    assert "README.md: not what measured.yaml says; run: make tables" in capsys.readouterr().out
    assert main(["--write"]) == 0
    assert main(["--check"]) == 0
