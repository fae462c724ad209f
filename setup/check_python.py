"""Print in a few words why the workshop cannot run on this interpreter, and nothing when it can.

Called by environment.sh for every candidate, so it must run on any Python that somebody may have.
"""

import os
import platform
import struct
import sys


def reason():
    if platform.python_implementation() != "CPython":
        return "is " + platform.python_implementation()
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        return "is Python " + platform.python_version()
    if struct.calcsize("P") != 8:
        return "is a 32-bit build"
    if sys.platform == "darwin" and platform.machine() != "arm64":
        return "is a build for Intel Macs"
    if sys.platform.startswith("linux"):
        try:
            name, libc = os.confstr("CS_GNU_LIBC_VERSION").split()
        except (AttributeError, OSError, ValueError):  # musl's library knows no such name
            return "is not built on glibc (Alpine Linux?)"
        if tuple(int(part) for part in libc.split(".")[:2]) < (2, 28):
            return "runs on " + name + " " + libc
    for module in ("venv", "ensurepip"):  # Debian and Ubuntu bring them in a package of their own
        try:
            __import__(module)
        except ImportError:
            return "is Python " + platform.python_version() + " without its module " + module
    return ""


if __name__ == "__main__":
    print(reason())
