"""Whatever an archive holds, nothing of it lies or leads outside of the folder it is unpacked into."""

from __future__ import annotations

import io
import os
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest

from processes.archives import UnsafeArchiveError, unpack

FILE, FOLDER, LINK, HARD_LINK, FIFO = b"0", b"5", b"2", b"1", b"6"
NUM_RANDOM_ARCHIVES = 150


def archive(*members: tuple[str, bytes, str], mode: int = 0o644) -> io.BytesIO:
    """Return a tar of (name, kind, a file's text or a link's target)."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid = kind, mode, 12345
            body = content.encode() if kind == FILE else b""
            info.size, info.linkname = len(body), "" if kind == FILE else content
            tar.addfile(info, io.BytesIO(body))
    written.seek(0)
    return written


def unpacked(folder: Path, *members: tuple[str, bytes, str], **options: Any) -> Path:
    # As a stream: what SageMaker's archives are read as.
    with tarfile.open(fileobj=archive(*members, **options), mode="r|gz") as tar:
        unpack(tar, folder)
    return folder


def test_files_folders_and_links_inside_are_made(tmp_path: Path) -> None:
    folder = unpacked(
        tmp_path / "model",
        ("./", FOLDER, ""),
        ("./뉴스/요약.json", FILE, "하나"),
        ("code/run.py", FILE, "print(1)"),
        ("code/data", LINK, "../뉴스"),
        ("same.json", HARD_LINK, "뉴스/요약.json"),
        ("empty/", FOLDER, ""),
    )
    assert (folder / "code/data/요약.json").read_text() == (folder / "same.json").read_text() == "하나"
    assert (folder / "code/data").is_symlink()
    assert list((folder / "empty").iterdir()) == []


def test_a_later_member_replaces_an_earlier_one_and_does_not_write_through_it(tmp_path: Path) -> None:
    members = [("a", FILE, "1"), ("b", LINK, "a"), ("b", FILE, "2"), ("a", FILE, "3")]
    folder = unpacked(tmp_path / "model", *members)
    assert ((folder / "a").read_text(), (folder / "b").read_text()) == ("3", "2")


@pytest.mark.parametrize(("mode", "is_program"), [(0o6777, True), (0o755, True), (0o644, False)])
def test_a_program_stays_one_and_gets_nobodys_rights(tmp_path: Path, mode: int, is_program: bool) -> None:
    made = (unpacked(tmp_path / "model", ("run.sh", FILE, ""), mode=mode) / "run.sh").stat()
    assert made.st_mode & 0o7022 == 0
    assert bool(made.st_mode & 0o100) is is_program
    assert made.st_uid == os.geteuid()


@pytest.mark.parametrize(
    "members",
    [
        [("../outside", FILE, "x")],
        [("a/../../outside", FILE, "x")],
        [("/outside", FILE, "x")],
        [("../", FOLDER, "")],
        [("a", LINK, "/")],
        [("a", LINK, "..")],
        [("a/b", LINK, "../../outside")],
        [("a", LINK, "")],
        # Both of these look as if they stayed inside, until the links that they go through are followed.
        [("x/y/top", LINK, "../.."), ("up", LINK, "x/y/top/..")],
        [("up", LINK, "later/../../outside"), ("later", LINK, ".")],
        [("a", LINK, "b"), ("b/", FOLDER, ""), ("a/c", FILE, "x")],
        [("x/y/up", LINK, "../.."), ("up", HARD_LINK, "x/y/up")],
        [("a", HARD_LINK, "../outside")],
        [("a", HARD_LINK, "/outside")],
        [("a", HARD_LINK, "")],
        [("a", FIFO, "")],
        [("", FILE, "x")],
    ],
)
def test_what_would_leave_the_folder_is_refused(
    tmp_path: Path, members: list[tuple[str, bytes, str]]
) -> None:
    (tmp_path / "outside").write_text("as it was")
    with pytest.raises((UnsafeArchiveError, OSError)):
        unpacked(tmp_path / "model", *members)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "outside"]
    assert (tmp_path / "outside").read_text() == "as it was"


def test_no_random_archive_makes_anything_that_lies_or_leads_outside(tmp_path: Path) -> None:
    """Where a link leads is asked of the system, which knows nothing of the rule under test."""
    source, num_links = random.Random(20), 0
    for number in range(NUM_RANDOM_ARCHIVES):
        room = tmp_path / str(number)
        for outside in ("a", "b", "c", "d/a"):
            (room / outside).mkdir(parents=True)
        before = sorted(room.rglob("*"))
        folder = room / "d" / "model"
        with tarfile.open(fileobj=archive(*_random_members(source)), mode="r|gz") as tar:
            for member in tar:  # each on its own, so that a refused one does not end the trial
                one = io.BytesIO()
                body = tar.extractfile(member) if member.isreg() else None
                with tarfile.open(fileobj=one, mode="w") as alone:
                    alone.addfile(member, body)
                one.seek(0)
                try:
                    with tarfile.open(fileobj=one) as again:
                        unpack(again, folder)
                except (tarfile.TarError, OSError):
                    continue
        made = list(folder.rglob("*"))
        num_links += sum(path.is_symlink() for path in made)
        led = {os.path.realpath(path) for path in made}
        assert [path for path in led if not Path(path).is_relative_to(folder.resolve())] == []
        assert sorted(path for path in room.rglob("*") if folder not in (path, *path.parents)) == before
    assert num_links > NUM_RANDOM_ARCHIVES


def _random_members(source: random.Random) -> list[tuple[str, bytes, str]]:
    def path(words: str) -> str:
        return "/".join(source.choices(words.split(), k=source.randint(1, 4)))

    kinds = source.choices([FILE, FOLDER, LINK, LINK, LINK, HARD_LINK], k=25)
    return [(path("a b c .. a b c"), kind, path(".. .. a b c")) for kind in kinds]
