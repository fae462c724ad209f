"""Files as their bytes are: compressed, in another encoding, of another program; the advice works."""

import bz2
import gzip
import json
import lzma
import subprocess
from pathlib import Path

import pytest

from workshop.errors import WorkshopError
from workshop.news.load import load

from .conftest import SUMMARY, article, error_of, read, row

OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
HEADER = "document,summary"


def csv_text(num_rows: int = 3) -> str:
    return "\n".join([HEADER, *(f'"{article(number)}","{SUMMARY}"' for number in range(num_rows)), ""])


def rows(num_rows: int = 3) -> list[dict[str, str]]:
    return [row(document=article(number), category="") for number in range(num_rows)]


def follow(error: WorkshopError) -> None:
    """Run the command that an error advises, as it stands there."""
    subprocess.run(error.next_step.split("`")[1], shell=True, check=True)


@pytest.mark.parametrize("ending", OPENERS)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json"])
def test_compressed_text_is_read(kind: str, ending: str, tmp_path: Path) -> None:
    text = {
        "csv": csv_text(1),
        "tsv": csv_text(1).replace(",", "\t", 1).replace('","', '"\t"'),
        "jsonl": json.dumps(rows(1)[0]) + "\n",
        "json": json.dumps(rows(1), indent=2),
    }[kind]
    path = tmp_path / f"News.{kind.upper()}{ending}"
    with OPENERS[ending](path, "wt", encoding="utf-8") as file:
        file.write(text)
    assert read(path) == rows(1)


@pytest.mark.parametrize("ending", OPENERS)
def test_compressed_file_that_is_cut_or_is_none_is_refused(ending: str, tmp_path: Path) -> None:
    whole, path = tmp_path / f"whole.csv{ending}", tmp_path / f"news.csv{ending}"
    with OPENERS[ending](whole, "wt", encoding="utf-8") as file:
        file.write(csv_text(500))
    path.write_bytes(whole.read_bytes()[:-20])
    assert "cannot be unpacked" in error_of(path).found
    path.write_text(csv_text())
    assert "take the ending from its name" in error_of(path).next_step


@pytest.mark.parametrize("ending", OPENERS)
def test_compressed_file_without_its_ending_is_named_by_the_advice(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    with OPENERS[ending](path, "wt", encoding="utf-8") as file:
        file.write(csv_text())
    follow(error_of(path))
    assert read(tmp_path / f"news.csv{ending}") == rows()


@pytest.mark.parametrize("name", ["news.csv", "오늘의 'news'.csv", "news.csv.gz", "news.csv.xz"])
def test_advice_for_cp949_works_under_the_same_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    opener = OPENERS.get(path.suffix, open)
    with opener(path, "wt", encoding="cp949") as file:
        file.write(csv_text())
    follow(error_of(path))
    assert read(path) == rows()


def test_advice_for_cp949_works_in_a_folder(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.csv").write_text(csv_text(), encoding="cp949")
    for _ in range(3):
        with pytest.raises(WorkshopError) as error:
            load(str(tmp_path), "full")
        follow(error.value)
    assert set(load(str(tmp_path), "full").num_loaded.values()) == {3}


def test_file_of_two_encodings_is_told_with_its_lines_and_mended_by_the_advice(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    lines = csv_text(4).splitlines(keepends=True)
    path.write_bytes("".join(lines[:3]).encode() + "".join(lines[3:]).encode("cp949"))
    error = error_of(path)
    assert "line 2 is encoded in UTF-8 and line 4 in CP949" in error.found
    follow(error)
    assert read(path) == rows(4)


def test_syllables_of_cp949_that_are_utf_8_by_chance_make_no_mix(tmp_path: Path) -> None:
    assert "짜".encode("cp949").decode("utf-8") == "¥"
    path = tmp_path / "news.csv"
    path.write_text(csv_text(2) + "짜,짜\n", encoding="cp949")
    assert "is encoded in CP949" in error_of(path).found


@pytest.mark.parametrize("start", ["\ufeff".encode("utf-32-le"), "\ufeff".encode("utf-32-be")])
def test_utf_32_is_read(start: bytes, tmp_path: Path) -> None:
    encoding = "utf-32-le" if start[0] else "utf-32-be"
    path = tmp_path / "news.csv"
    path.write_bytes(start + csv_text().encode(encoding))
    assert read(path) == rows()


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xef\xbb\xbf\n\n", gzip.compress(b"")]
)
@pytest.mark.parametrize("kind", ["csv", "txt", "json", "jsonl"])
def test_file_of_nothing_but_marks_and_blanks_has_no_rows(content: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"news.{kind}{'.gz' if content.startswith(bytes([31])) else ''}"
    path.write_bytes(content)
    error = error_of(path)
    assert "has no rows" in error.found or "is empty" in error.found


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_file_of_zeros_is_told_from_text(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"news.{kind}"
    path.write_bytes(bytes(2_000))
    assert "begins with 512 zeros" in error_of(path).found


def test_utf_16_that_is_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_bytes(csv_text().encode("utf-16")[:-1])
    assert "UTF-16" in error_of(path).found


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00", "workbook of Excel (.xlsx)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook of Excel (.xls)"),
        (b'\xef\xbb\xbf\r\n<html xmlns:o="urn:schemas-microsoft-com:office:office">', "web page"),
        (b"<TABLE><tr><td>document</td></tr></TABLE>", "web page"),
        (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>', "web page or XML"),
    ],
)
@pytest.mark.parametrize("name", ["news.csv", "news.txt", "news.json", "news.parquet"])
def test_another_programs_file_is_told_by_its_first_bytes(
    start: bytes, what: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(start + bytes(600))
    error = error_of(path)
    assert what in error.found
    assert "CSV UTF-8" in error.next_step


def test_pointer_of_git_lfs_is_told_with_the_command_that_fetches_the_file(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.parquet"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    error = error_of(path)
    assert "pointer of Git LFS" in error.found
    assert f"git -C {tmp_path} lfs pull" in error.next_step
