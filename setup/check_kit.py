"""Print the address of an offline kit's wheels, if the kit is whole and made for this machine and these pins.

    python3 setup/check_kit.py KIT        the folder that `make offline-kit` made

Called by environment.sh before there is an environment, so it needs Python and nothing else.
"""

import hashlib
import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from pins import pins

KIT_NAME = "offline-kit"
FACTS, SUMS, WHEELS = "kit.json", "SHA256SUMS", "wheels"
FORMAT = 1
MAKE_AGAIN = "make it again where there is a network: make offline-kit"
# Of a wheel's name: what it asks of glibc or of macOS, as PEP 600 and its like for macOS write it.
_FLOOR = re.compile(r"(?:manylinux|macosx)_(\d+)_(\d+)_")


def fail(found: str, expected: str, next_step: str) -> NoReturn:
    """End the program with the three lines of environment.sh."""
    sys.exit(f"found     {found}\nexpected  {expected}\ndo next   {next_step}")


def machine() -> dict[str, str]:
    """Return what decides which wheels install here."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return {"system": f"{platform.system()} {platform.machine()}", "python": version}


def floor(wheels: list[str]) -> str:
    """Return the oldest glibc or macOS that every wheel installs on, for example "2.28"; "0.0" for any."""
    found = [[(int(major), int(minor)) for major, minor in _FLOOR.findall(name)] for name in wheels]
    return "{}.{}".format(*max((min(each) for each in found if each), default=(0, 0)))


def system_version() -> str:
    """Return the version of glibc, or of macOS."""
    if platform.system() == "Darwin":
        return platform.mac_ver()[0]
    return os.confstr("CS_GNU_LIBC_VERSION").split()[1]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_facts(kit: Path) -> dict[str, Any]:
    """Return what a kit says of itself; end the program where the folder is none."""
    try:
        facts = json.loads((kit / FACTS).read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            fail(f"a kit of format {facts['format']}: {kit}", f"format {FORMAT}", MAKE_AGAIN)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        inside = kit / KIT_NAME
        is_inside = (inside / FACTS).is_file()
        fail(
            f"no offline kit at {kit} ({FACTS}: {getattr(problem, 'strerror', None) or 'unreadable'})",
            f"the folder {KIT_NAME} that `make offline-kit` made",
            f"KIT='{inside}'" if is_inside else f"name that folder: KIT=/path/to/{KIT_NAME}",
        )
    return facts


def check_machine(facts: dict[str, Any], kit: Path) -> None:
    """End the program where the kit's wheels would not install."""
    here = machine()
    if facts["system"] != here["system"]:
        fail(
            f"a kit for {facts['system']}, on {here['system']}: {kit}",
            f"a kit that was made on {here['system']}",
            "make one on such a machine (make offline-kit), or install with a network, without KIT",
        )
    if facts["python"] != here["python"]:
        fail(
            f"a kit for Python {facts['python']}, and Python {platform.python_version()} ({sys.executable})",
            f"Python {facts['python']}, which its packages are built for",
            f"make sample KIT=... PYTHON=/path/to/python{facts['python']}   (remove a .venv of another)",
        )
    needed, found = (
        [int(part) for part in text.split(".")[:2]] for text in (facts["needs"], system_version())
    )
    if found < needed:
        library = "macOS" if platform.system() == "Darwin" else "glibc"
        fail(
            f"a kit whose packages need {library} {facts['needs']}, and {library} {system_version()}",
            f"{library} {facts['needs']} or newer",
            "make the kit on a system as old as this one, or install with a network, without KIT",
        )


def check_pins(facts: dict[str, Any], kit: Path) -> None:
    """End the program where this clone asks for packages that the kit has not."""
    missing = sorted({f"{name}=={version}" for name, version in pins()} - set(facts["pins"]))
    if missing:
        fail(
            f"{len(missing)} packages of this clone that the kit has not, {missing[0]} first: {kit}",
            "a clone of the version that the kit was made from",
            f"git clone '{kit}/repository.bundle', and there make sample KIT=...; or {MAKE_AGAIN}",
        )


def check_files(kit: Path) -> None:
    """End the program where a file is missing, or not what it was when the kit was made."""
    try:
        lines = (kit / SUMS).read_text(encoding="ascii").splitlines()
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        bad = [name for name, digest in sums.items() if sha256(kit / name) != digest]
    except (OSError, ValueError) as problem:
        name = getattr(problem, "filename", None) or kit / SUMS
        fail(
            f"{name}: {getattr(problem, 'strerror', None) or 'damaged'}",
            f"every file of {SUMS}, as it was when the kit was made",
            f"copy the kit once more, or {MAKE_AGAIN}",
        )
    if bad:
        fail(
            f"{len(bad)} damaged files, {kit / bad[0]} first: its SHA-256 is another",
            f"every file of {SUMS}, as it was when the kit was made",
            f"copy the kit once more, or {MAKE_AGAIN}",
        )


def main() -> int:
    if len(sys.argv) != 2:
        fail(f"{len(sys.argv) - 1} arguments", "one, the kit", "python3 setup/check_kit.py KIT")
    kit = Path(sys.argv[1]).absolute()
    facts = read_facts(kit)
    check_machine(facts, kit)
    check_pins(facts, kit)
    size_mb = sum(path.stat().st_size for path in (kit / WHEELS).glob("*.whl")) / 1e6
    print(f"== offline kit of {facts['made_on']}: checking {size_mb:.0f} MB", file=sys.stderr)
    check_files(kit)
    # An address, since pip and uv part what they are given at spaces and commas: an address has %20 for one.
    print((kit / WHEELS).as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
