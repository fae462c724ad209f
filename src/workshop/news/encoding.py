"""Say in which encoding a file is that is not UTF-8, and how to convert it."""

from pathlib import Path

from workshop.errors import WorkshopError

_BYTES_TO_LOOK_AT = 1 << 20


def encoding_error(path: Path) -> WorkshopError:
    """Make the error for a file that is not in UTF-8; CP949 and UTF-16 are recognised."""
    with path.open("rb") as file:
        start = file.read(_BYTES_TO_LOOK_AT)
        # ASCII says nothing: the encoding shows where the first other byte is.
        while start.isascii() and (more := file.read(_BYTES_TO_LOOK_AT)):
            start = more
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding, name = "UTF-16", "UTF-16"
    elif _is_cp949(start):
        encoding, name = "CP949", "CP949, the encoding of Korean Windows and of Excel's plain CSV"
    else:
        return WorkshopError(
            found=f"{path} is encoded neither in UTF-8 nor in CP949 or UTF-16",
            expected="UTF-8",
            next_step="find out which program wrote it and export it again as UTF-8",
        )
    converted = path.with_name(f"{path.stem}-utf8{path.suffix}")
    return WorkshopError(
        found=f"{path} is encoded in {name}",
        expected="UTF-8",
        next_step=f"run `iconv -f {encoding} -t UTF-8 '{path}' > '{converted}'` and use {converted.name}; "
        "or save it in Excel as 'CSV UTF-8'",
    )


def _is_cp949(start: bytes) -> bool:
    text = start.decode("cp949", errors="ignore")
    # Where the bytes are cut, one may be left over; bytes of another encoding leave many.
    num_lost = len(start) - len(text.encode("cp949"))
    return num_lost <= 1 and any("가" <= character <= "힣" for character in text)
