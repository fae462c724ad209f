"""/opt/ml is a folder: mounted, or by its name in both directions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from sandbox import container_paths
from sandbox.container_paths import WITHOUT_MOUNTS_VARIABLE, ContainerPaths, why_no_mounts

needs_mounts = pytest.mark.skipif(why_no_mounts() is not None, reason=f"no mounts here: {why_no_mounts()}")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ContainerPaths]:
    """Return paths of a machine that allows no mounts."""
    monkeypatch.setattr(container_paths, "why_no_mounts", lambda: "a test has none")
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


@needs_mounts
def test_where_it_is_mounted_no_text_is_changed(tmp_path: Path) -> None:
    folder = tmp_path / "집 of 'somebody'"
    paths = ContainerPaths(folder, host_names=["algo-1"])
    try:
        process = paths.view.start(["/bin/sh", "-c", "pwd && echo weights > /opt/ml/weights"], stdout=PIPE)
        printed, _ = process.communicate()
        assert (process.returncode, printed) == (0, b"/opt/ml\n")
        assert (folder / "weights").read_text() == "weights\n"
        for text in ("/opt/ml/model", f"in {folder}/model", "s3://b/opt/ml"):
            assert paths.inside(text) == paths.outside(text) == text
        assert paths.name_of(paths.local("/opt/ml/adapters/a")) == "/opt/ml/adapters/a"
    finally:
        paths.remove()


def test_without_a_mount_a_file_has_the_name_of_the_link(paths: ContainerPaths) -> None:
    assert paths.name_of(paths.local("/opt/ml/adapters/a")) == f"{paths.root}/adapters/a"


def test_mounts_can_be_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WITHOUT_MOUNTS_VARIABLE, "1")
    assert why_no_mounts.__wrapped__() == "SANDBOX_WITHOUT_MOUNTS is set"
    monkeypatch.delenv(WITHOUT_MOUNTS_VARIABLE)
    monkeypatch.setattr("sys.platform", "darwin")
    assert why_no_mounts.__wrapped__() == "nothing can be mounted (only Linux has mount namespaces)"


@needs_mounts
def test_a_machine_that_refuses_says_what_it_refused() -> None:
    # In a user namespace that allows no further ones.
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "open('/proc/sys/user/max_user_namespaces', 'w').write('0')\n"
        "open('/proc/sys/user/max_mnt_namespaces', 'w').write('0')\n"
        "from sandbox.container_paths import why_no_mounts; print(why_no_mounts())"
    )
    source = str(Path(container_paths.__file__).parents[1])
    printed = subprocess.run(
        ["unshare", "-Ur", sys.executable, "-c", program, source], capture_output=True, text=True, check=True
    ).stdout
    assert printed == "nothing can be mounted (No space left on device (a user namespace))\n"
