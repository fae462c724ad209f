"""Write setup/wheels.txt: which Python every pinned version asks for, and what its packages are built for.

    .venv/bin/python setup/record_wheels.py     after a pin changed; takes about a minute

tests/setup/test_wheels.py holds the record against the systems that the README names, without a network.
The package index is asked through pip's own configuration (mirror, proxy, certificates), which only pip's
internals read; nothing of where an answer came from is written down.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.tags import parse_tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version
from pins import pins

RECORD_PATH = Path(__file__).with_name("wheels.txt")
NUM_CONNECTIONS = 8
_PLATFORM = re.compile(r"any|(manylinux|linux|macosx)\w*_(x86_64|aarch64|arm64|universal2)")
HEADER = """\
# What the package index says of every pin: version, Requires-Python (- for none), and the tags of its wheels
# for Linux and macOS on Python 3.11 and 3.12, or sdist where there is none. Written by record_wheels.py.
"""


def line_of(name: str, version: str, links: list[Any]) -> str:
    """Return the record's line of a pin.

    Args:
        name: Canonical.
        version: As pinned.
        links: Every file that the index has of the package.

    Raises:
        LookupError: The index has no file of that version, or has withdrawn it.
    """
    tags, requires, is_there = set(), "-", False
    for link in links:
        if link.yanked_reason is not None or not _is_of(link.filename, name, version):
            continue
        is_there = True
        requires = (link.requires_python or requires).replace(" ", "")
        if link.filename.endswith(".whl"):
            tags |= {str(tag) for tag in parse_tag("-".join(link.filename[:-4].split("-")[-3:]))}
    if not is_there:
        raise LookupError(f"{name}=={version} is not on the index")
    kept = sorted(tag for tag in tags if _is_for_us(tag))
    return " ".join([f"{name}=={version}", requires, *(kept or ["sdist"])])


def _is_of(filename: str, name: str, version: str) -> bool:
    try:
        if filename.endswith(".whl"):
            found_name, found_version = parse_wheel_filename(filename)[:2]
        else:
            found_name, found_version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename):  # of long ago
        return False
    return (found_name, found_version.public) == (name, str(Version(version)))


def _is_for_us(tag: str) -> bool:
    python, abi, platform = tag.rsplit("-", 2)
    is_python = python.startswith("py3") or abi == "abi3" or python in ("cp311", "cp312")
    return is_python and abi in ("none", "abi3", "cp311", "cp312") and bool(_PLATFORM.fullmatch(platform))


def links_of(names: list[str]) -> Iterator[list[Any]]:
    """Yield what the index lists for each package."""
    from pip._internal.commands import create_command
    from pip._internal.index.collector import parse_links

    command = create_command("download")
    options, _ = command.parse_args(["nothing"])
    with command.main_context():
        collector = command._build_package_finder(options, command._build_session(options))._link_collector

        def ask(name: str) -> list[Any]:
            sources = collector.collect_sources(name, candidates_from_page=lambda _: [])
            pages = [source.link for source in sources.index_urls if source and source.link]
            return [
                link for page in pages if (it := collector.fetch_response(page)) for link in parse_links(it)
            ]

        with ThreadPoolExecutor(NUM_CONNECTIONS) as threads:
            yield from threads.map(ask, names)


def main() -> int:
    wanted = pins()
    lines = [
        line_of(name, version, links)
        for (name, version), links in zip(wanted, links_of([name for name, _ in wanted]), strict=True)
    ]
    RECORD_PATH.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{RECORD_PATH.name}: {len(lines)} pins")
    return 0


if __name__ == "__main__":
    sys.exit(main())
