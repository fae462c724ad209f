"""Put a new folder in the place of an old one in a single step."""

import ctypes
import errno
import os
import sys
from pathlib import Path

# Ends the name that the old folder has between two renames.
ASIDE = "-old"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_RENAME_SWAP = 2  # macOS sys/stdio.h
# File systems and kernels that cannot exchange (NFS and so Amazon EFS, for one) answer with one of these.
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def exchange(new: Path, old: Path) -> None:
    """Rename `new` to `old`; where there was an `old`, it is at `new` afterwards.

    `os.replace` cannot replace a folder that is not empty, and two renames would leave a moment without
    any. Linux and macOS can exchange two names in one step. Only on a file system that cannot, the two
    renames are done, the old one coming back if the second fails; after a kill between them it is beside,
    under the new one's name and ASIDE.

    Source: renameat2(2) with RENAME_EXCHANGE; renamex_np(2) with RENAME_SWAP.
    """
    if not old.exists():
        new.rename(old)
        return
    try:
        _exchange_names(new, old)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _exchange_by_renaming(new, old)


def _exchange_names(new: Path, old: Path) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(new), os.fsencode(old)
    try:
        if sys.platform == "darwin":
            result = library.renamex_np(*names, _RENAME_SWAP)
        else:
            result = library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    except AttributeError:
        raise OSError(errno.ENOSYS, "this C library cannot exchange names") from None
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(old))


def _exchange_by_renaming(new: Path, old: Path) -> None:
    aside = new.with_name(new.name + ASIDE)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    aside.rename(new)
