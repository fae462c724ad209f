"""A guard without Docker, or with one that is gone: files are removed, and what may be left is named."""

from __future__ import annotations

import itertools
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from tests.workshop.programs import program

from workshop.containers import removal
from workshop.containers.guard import ContainerGuard, label_of, new_run_id
from workshop.errors import WorkshopError


@pytest.fixture
def docker(programs: Path) -> Path:
    """A Docker that has nothing of ours."""
    program(programs, "docker")
    return programs / "docker"


def test_files_and_folders_are_gone_at_the_end_and_what_is_kept_stays(docker: Path, tmp_path: Path) -> None:
    keys, folder, kept = tmp_path / "compose.yaml", tmp_path / "folder", tmp_path / "kept"
    with ContainerGuard("guard-test", [keys, folder, kept]) as guard:
        keys.write_text("secret")
        for each in (folder, kept):
            each.mkdir()
            (each / "file").write_text("a")
        guard.keep(kept)
    assert not keys.exists()
    assert not folder.exists()
    assert (kept / "file").exists()
    guard.close()


def test_an_engine_that_has_died_is_named_and_files_are_removed_all_the_same(
    docker: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "compose.yaml"
    guard = ContainerGuard("guard-test", [keys])
    keys.write_text("secret")
    program(docker.parent, "docker", "exit 1")
    with pytest.raises(WorkshopError, match="Docker does not answer") as caught:
        guard.close()
    assert guard.label in str(caught.value)
    assert not keys.exists()
    with pytest.raises(ZeroDivisionError), guard:
        _ = 1 / 0
    assert "Docker does not answer" in capfd.readouterr().err, "beside the error of the cell"
    program(docker.parent, "docker")
    guard.close()


def test_a_second_guard_takes_over_and_the_first_removes_no_file_of_it(docker: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    first, other = ContainerGuard("guard-test", [path]), ContainerGuard("guard", [path])
    path.write_text("of the first")
    with ContainerGuard("guard-test", [path]) as second:
        assert not path.exists(), "what an earlier run left is removed at the start"
        path.write_text("of the second")
        first.close()
        assert path.exists()
        assert first.label != second.label
    assert not path.exists()
    path.write_text("of the other")
    other.close()
    assert not path.exists(), "a guard of another name was not ended"


@pytest.mark.parametrize("name", ["", "a.b", "a b", "-a"])
def test_a_name_that_could_be_anothers_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        ContainerGuard(name)


def test_a_label_is_known_before_there_is_a_guard(docker: Path) -> None:
    run_id = new_run_id()
    with ContainerGuard("guard-test", run_id=run_id) as guard:
        assert guard.options == ("--label", label_of("guard-test", run_id))


def test_a_folder_that_somebody_still_writes_to_is_removed_and_one_that_stays_is_named(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, is_done = tmp_path / "folder", threading.Event()
    folder.mkdir()

    def write() -> None:
        for number in itertools.count():
            if is_done.is_set():
                return
            with suppress(OSError):
                folder.mkdir(exist_ok=True)
                (folder / str(number)).touch()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        monkeypatch.setattr(removal, "_BUSY_S", 0.1)
        while not removal.remove_path(folder):  # it was quicker than the writer for once
            pass
        monkeypatch.undo()
    finally:
        is_done.set()
        writer.join()
    assert removal.remove_path(folder) == ""
    assert not folder.exists()
