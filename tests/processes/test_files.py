"""A file that is replaced is the old one or the new one, whatever happens meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from processes import files
from processes.files import atomic_write


@pytest.mark.parametrize("fsync", [False, True])
@pytest.mark.parametrize(
    ("content", "written"),
    [("기사 📰\r\n", "기사 📰\r\n".encode()), (b"\x00\xff\r\n", b"\x00\xff\r\n"), ("", b"")],
)
def test_the_file_holds_what_was_written_and_nothing_lies_beside_it(
    tmp_path: Path, content: str | bytes, written: bytes, fsync: bool
) -> None:
    path = tmp_path / "상태.json"
    path.write_text("old")
    atomic_write(path, content, fsync=fsync)
    assert path.read_bytes() == written
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, problem: BaseException
) -> None:
    path = tmp_path / "state.json"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise problem

    if failing == "write":
        real_open = Path.open

        def open_and_fail(self: Path, *args: object, **options: object) -> object:
            real_open(self, *args, **options).close()
            fail()

        monkeypatch.setattr(Path, "open", open_and_fail)
    else:
        monkeypatch.setattr(files.os, failing, fail)
    with pytest.raises(type(problem)):
        atomic_write(path, "new", fsync=True)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "none" / "state.json", "new")


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("old")
    code = (
        "import os, signal, sys; from pathlib import Path; from processes import files\n"
        "files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.atomic_write(Path(sys.argv[1]), 'new')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.read_text() == "old"
    assert [each.suffix for each in tmp_path.iterdir() if each != path] == [files.PARTIAL_SUFFIX]
