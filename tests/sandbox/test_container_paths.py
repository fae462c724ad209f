"""/opt/ml is a folder, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.container_paths import ContainerPaths


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[ContainerPaths]:
    made = ContainerPaths(tmp_path / "집 of 'somebody'" / "news-1")
    yield made
    made.remove()


def test_the_name_of_the_folder_is_short_and_safe_in_a_shell(paths: ContainerPaths) -> None:
    assert len(str(paths.root)) < 70
    assert not set(str(paths.root)) & set(" '\"$")
    (paths.root / "model").mkdir()
    assert (paths.folder / "model").is_dir()


@pytest.mark.parametrize(
    "text",
    [
        "/opt/ml",
        "/opt/ml/model",
        '"/opt/ml/input"',
        "--x=/opt/ml/a:/opt/ml/b",
        "file:///opt/ml/x",
        "(/opt/ml)",
    ],
)
def test_paths_go_in_and_come_out_again(paths: ContainerPaths, text: str) -> None:
    inside = paths.inside(text)
    assert str(paths.root) in inside
    assert "/opt/ml" not in inside
    assert paths.outside(inside) == text


@pytest.mark.parametrize(
    "text", ["s3://bucket/opt/ml/model", "/opt/mlx", "/opt/ml.bak", "/my/opt/ml", "", "a"]
)
def test_what_only_looks_like_it_is_left_alone(paths: ContainerPaths, text: str) -> None:
    assert paths.inside(text) == text


def test_the_folder_itself_comes_out_as_well(paths: ContainerPaths) -> None:
    assert paths.outside(f"in {paths.folder}/model, {paths.root}/a") == "in /opt/ml/model, /opt/ml/a"
    assert paths.outside(f"{paths.folder}-2/model") == f"{paths.folder}-2/model"


def test_only_paths_below_have_a_place(paths: ContainerPaths) -> None:
    assert paths.local("/opt/ml/checkpoints") == paths.folder / "checkpoints"
    for path in ("/tmp/x", "/opt/ml/../x", "relative"):
        with pytest.raises(ValueError, match=r"\S"):
            paths.local(path)


def test_removing_leaves_the_folder(paths: ContainerPaths) -> None:
    (paths.folder / "kept").touch()
    paths.remove()
    assert not paths.scratch.exists()
    assert (paths.folder / "kept").exists()
