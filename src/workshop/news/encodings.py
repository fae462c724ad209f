"""What the bytes of a file are: compressed, in which encoding, or of a program that is not read here."""

import bz2
import gzip
import io
import lzma
import shlex
from pathlib import Path
from typing import BinaryIO

from workshop.errors import WorkshopError

# The openers of compressed files by extension, and the command that unpacks and packs.
COMPRESSIONS = {".gz": (gzip.open, "gzip"), ".bz2": (bz2.open, "bzip2"), ".xz": (lzma.open, "xz")}
_BYTES_TO_LOOK_AT = 1 << 20
_WEB_PAGES = (b"<html", b"<!doc", b"<table", b"<?xml")
_SAVE_AS_CSV = "open it in Excel, save it as 'CSV UTF-8 (*.csv)', and give that file as news_source"


def is_compressed(path: Path) -> bool:
    """Say whether the name ends like a compressed file's."""
    return path.suffix.lower() in COMPRESSIONS


def kind_of(path: Path) -> str:
    """Return a file's extension in lower case, below its compression: ".csv" for "Train.CSV.gz"."""
    return Path(path.stem).suffix.lower() if is_compressed(path) else path.suffix.lower()


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, unpacking it on the way if its name says that it is compressed."""
    return COMPRESSIONS[path.suffix.lower()][0](path, "rb") if is_compressed(path) else path.open("rb")


def encoding_of(path: Path) -> str:
    """Return "utf-8-sig", or one of UTF-16 and UTF-32 where the first bytes leave no doubt.

    A byte order mark leaves none; nor does a NUL beside one of the first two characters, which text in
    UTF-8 has nowhere.
    """
    with open_bytes(path) as file:
        start = file.read(4)
    if start in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "utf-32"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(start) == 4 and start[1] == start[3] == 0 and start[0] and start[2]:
        return "utf-16-le"
    if len(start) == 4 and start[0] == start[2] == 0 and start[1] and start[3]:
        return "utf-16-be"
    return "utf-8-sig"


def open_text(path: Path, newline: str | None = None) -> io.TextIOWrapper:
    """Open a file as text in the encoding that `encoding_of` finds."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding_of(path), newline=newline)


def refuse_other_programs(path: Path) -> None:
    """Make sure that a file is not another program's under a name that is read here.

    Raises:
        WorkshopError: a workbook of Excel, a web page saved as one, an archive, a pointer of Git LFS, or a
            file that is compressed without saying so.
    """
    with open_bytes(path) as file:
        start = file.read(512)
    if path.suffix.lower() not in COMPRESSIONS and start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        ending = {b"\x1f": ".gz", b"B": ".bz2", b"\xfd": ".xz"}[start[:1]]
        new_name = shlex.quote(f"{path}{ending}")
        raise WorkshopError(
            found=f"{path}, which is compressed ({ending}) and does not say so in its name",
            expected=f"a name that ends in {ending}",
            next_step=f"run `mv {shlex.quote(str(path))} {new_name}` and use {path.name}{ending}",
        )
    if start and not start.strip(b"\0"):
        raise WorkshopError(
            found=f"{path}, which begins with {len(start)} zeros, as a broken copy does",
            expected="text, or Parquet",
            next_step="copy or download it again",
        )
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        raise WorkshopError(
            found=f"{path}, which is a pointer of Git LFS, not the file itself",
            expected="the file that it points to",
            next_step=f"run `git -C {shlex.quote(str(path.parent))} lfs pull`, or download the file again",
        )
    is_web_page = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_WEB_PAGES)
    if start.startswith(b"PK\x03\x04"):
        what = "a workbook of Excel (.xlsx) or another ZIP archive"
    elif start.startswith(b"\xd0\xcf\x11\xe0"):
        what = "a workbook of Excel (.xls)"
    elif is_web_page:
        what = "a web page or XML, which some programs name .xls or .csv"
    else:
        return
    raise WorkshopError(
        found=f"{path}, which is {what} whatever its name says",
        expected="a file of text, or Parquet",
        next_step=_SAVE_AS_CSV + "; unpack an archive first",
    )


def encoding_error(path: Path) -> WorkshopError:
    """Make the error for a file that is not in the encoding it seems to be in.

    The conversion that it names keeps the original beside under a name that nothing reads, so that the
    same news_source works afterwards, in a folder as well.
    """
    if encoding_of(path) != "utf-8-sig":
        return WorkshopError(
            found=f"{path}, which begins in {encoding_of(path).upper()} and does not go on in it",
            expected="one encoding from its first byte to its last, best UTF-8",
            next_step="open it in the program that wrote it and save it again, as UTF-8",
        )
    if (mix := _first_lines_of_a_mix(path)) is not None:
        return WorkshopError(
            found=f"{path}, of which line {mix[0]:,} is encoded in UTF-8 and line {mix[1]:,} in CP949",
            expected="one encoding, UTF-8",
            next_step=f"run {_conversion(path, _CONVERT_LINES)} and the cell again",
        )
    if not _is_cp949(path):
        return WorkshopError(
            found=f"{path} is encoded neither in UTF-8 nor in CP949 or UTF-16",
            expected="UTF-8",
            next_step="find out which program wrote it and export it again as UTF-8",
        )
    return WorkshopError(
        found=f"{path} is encoded in CP949, the encoding of Korean Windows and of Excel's plain CSV",
        expected="UTF-8",
        next_step=f"run {_conversion(path, 'iconv -f CP949 -t UTF-8')} and the cell again"
        + ("; or save it in Excel as 'CSV UTF-8'" if kind_of(path) in (".csv", ".tsv", ".txt") else ""),
    )


# A line that is UTF-8 stays, any other is read as CP949.
_CONVERT_LINES = (
    'python3 -c \'import sys; sys.stdout.buffer.writelines(x if x.decode("utf-8", "ignore").encode() == x '
    'else x.decode("cp949").encode() for x in sys.stdin.buffer)\''
)
# A syllable or two of CP949 may be UTF-8 by chance (짜 is a "¥"); three in a line are not.
_MIN_CHARACTERS = 3


def _conversion(path: Path, command: str) -> str:
    original, kept = shlex.quote(str(path)), shlex.quote(f"{path}.original")
    if is_compressed(path):
        pack = COMPRESSIONS[path.suffix.lower()][1]
        return f"`mv {original} {kept} && {pack} -dc < {kept} | {command} | {pack} > {original}`"
    return f"`mv {original} {kept} && {command} < {kept} > {original}`"


def _first_lines_of_a_mix(path: Path) -> tuple[int, int] | None:
    """Return the numbers of the first line in UTF-8 and of the first in CP949, if a file has both alone."""
    in_utf8 = in_cp949 = None
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            if line.isascii():
                continue
            try:
                num_characters = sum(not character.isascii() for character in line.decode("utf-8"))
                if num_characters >= _MIN_CHARACTERS:
                    in_utf8 = in_utf8 or number
            except UnicodeDecodeError:
                if not _is_hangul_in_cp949(line):
                    return None
                in_cp949 = in_cp949 or number
    return (in_utf8, in_cp949) if in_utf8 and in_cp949 else None


def _is_cp949(path: Path) -> bool:
    """Say whether all of a file is CP949, with Hangul in it."""
    decoder = io.TextIOWrapper(open_bytes(path), encoding="cp949", newline="")
    has_hangul = False
    with decoder as file:
        try:
            while text := file.read(_BYTES_TO_LOOK_AT):
                has_hangul = has_hangul or any("가" <= character <= "힣" for character in text)
        except UnicodeDecodeError:
            return False
    return has_hangul


def _is_hangul_in_cp949(line: bytes) -> bool:
    try:
        return any("가" <= character <= "힣" for character in line.decode("cp949"))
    except UnicodeDecodeError:
        return False
