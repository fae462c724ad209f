"""A tar archive into a folder, and nothing outside of it, on every Python 3.11.

The standard library's filter for this, `extractall(filter="data")`, exists from 3.11.4 on, and two of the
systems that this runs on bring an older one: Debian 12 has 3.11.2, Ubuntu 22.04 has 3.11.0rc1.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

_BLOCK_BYTES = 1 << 20
_OWNER_MAY_EXECUTE = 0o100


class UnsafeArchiveError(tarfile.TarError):
    """A member would lie, or point, outside of the folder, or is neither a file, a folder nor a link."""


def unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack an archive into a folder, which is made if need be.

    Why nothing lands outside: every path is made from the folder and plain names, and each name on the way
    is a real folder, never a link. Why no link leads outside: it may climb at its start alone, and not above
    the folder, so wherever the names after that lead, by other links too, none of them climbs any more.

    Owners, times and permissions are not taken over, except that a program stays one.

    Args:
        archive: Open for reading; a stream will do.
        folder: Where to. Nothing in it is a link yet, or what is one was made here.

    Raises:
        UnsafeArchiveError: A member is refused; those before it are there.
        tarfile.TarError: The archive is damaged.
        OSError: A name is both a file's and a folder's, or the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for member in archive:
        names = _names(member, member.name)
        if member.isdir():
            _real_folder(member, folder, names)
        elif not names:
            raise UnsafeArchiveError(f"{member.name!r} is the folder itself, and no folder")
        else:
            path = _real_folder(member, folder, names[:-1]) / names[-1]
            if path.is_symlink() or path.is_file():
                path.unlink()  # of a member with the same name: it is replaced, and not written through
            _make(archive, member, folder, path, depth=len(names) - 1)


def _make(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, path: Path, *, depth: int) -> None:
    """Make a file or a link that is not there yet, `depth` folders below the folder."""
    if member.isreg():
        with archive.extractfile(member) as source, path.open("xb") as target:
            shutil.copyfileobj(source, target, _BLOCK_BYTES)
        if member.mode & _OWNER_MAY_EXECUTE:
            path.chmod(0o755)
    elif member.issym():
        _check_link(member, depth)
        path.symlink_to(member.linkname)
    elif member.islnk():
        names = _names(member, member.linkname)
        source = folder.joinpath(*names)
        # Never a second name of a symbolic link: in a folder less deep it would lead elsewhere.
        _real_folder(member, folder, names[:-1])
        if source.is_symlink():
            raise UnsafeArchiveError(f"{member.name!r} is another name of the link {member.linkname!r}")
        os.link(source, path)
    else:
        raise UnsafeArchiveError(f"{member.name!r} is neither a file, a folder nor a link")


def _names(member: tarfile.TarInfo, path: str) -> list[str]:
    """Return the names that a member's path consists of."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if path.startswith("/") or ".." in names or "\0" in path:
        raise UnsafeArchiveError(f"{member.name!r} would be outside of the folder")
    return names


def _real_folder(member: tarfile.TarInfo, folder: Path, names: list[str]) -> Path:
    """Return a folder below the folder, made if need be, that is reached through no link."""
    for name in names:
        folder = folder / name
        if folder.is_symlink():
            raise UnsafeArchiveError(f"{member.name!r} goes through the link {name!r}")
        folder.mkdir(exist_ok=True)
    return folder


def _check_link(member: tarfile.TarInfo, depth: int) -> None:
    names = [name for name in member.linkname.split("/") if name not in ("", ".")]
    num_up = names.count("..")
    is_path = bool(names) and "\0" not in member.linkname and not member.linkname.startswith("/")
    if not is_path or num_up > depth or ".." in names[num_up:]:
        raise UnsafeArchiveError(f"{member.name!r} is a link to {member.linkname!r}, outside of the folder")
