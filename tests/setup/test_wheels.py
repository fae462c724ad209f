"""Every pin installs on Python 3.11.0 and 3.12.0, on Linux (x86-64, Arm) and on macOS, as far as wheels tell.

What the package index says is in setup/wheels.txt, since tests have no network; what is installed here says
whether that record can be believed. Nobody needs the systems themselves for this, and nothing here shows that
the packages run there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name

REPO_DIR = Path(__file__).parents[2]
RECORD_PATH = REPO_DIR / "setup" / "wheels.txt"
KERNEL_FILES = ("requirements.txt", "src/train/requirements.txt", "setup/constraints.txt")
LAB_FILE = "setup/lab-requirements.txt"
OTHER_FILES = ("setup/tgi-libraries.txt", "setup/slides.txt", "setup/browser.txt")
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)(?: *;.*)?$", re.M)
GLIBC_MINOR = 28  # 2.28: Debian 10, Ubuntu 20.04, RHEL 8 and later
MACOS = (14, 0)
# The first of each: whoever has a later one has more. Ubuntu 22.04's 3.11.0rc1 counts as 3.11.0 for pip and
# uv, which leave the suffix away before they compare; markers see it.
PYTHONS = ("3.11.0rc1", "3.11.0", "3.12.0")
SYSTEMS = ("Linux x86_64", "Linux aarch64", "Darwin arm64")
# Built on the machine itself. Only what needs no compiler may be here, which is asked of what is installed.
SOURCES_ONLY = {"rouge-score", "kiwipiepy-model"}
# Belong to torch's builds with CUDA, which bring their own versions.
OF_CUDA_BUILDS = re.compile(r"nvidia-.*|cuda-.*|triton")


class Entry(NamedTuple):
    version: str
    requires_python: str
    tags: set[str]


def pins(*names: str) -> dict[str, str]:
    """Return the version of every package that files pin."""
    found = chain.from_iterable(PIN.findall((REPO_DIR / name).read_text(encoding="utf-8")) for name in names)
    return {canonicalize_name(name): version for name, version in found}


def all_pins() -> set[tuple[str, str]]:
    script = (REPO_DIR / "setup" / "environment.sh").read_text(encoding="utf-8")
    uv = re.search(r"^UV_PIN=(\S+)$", script, re.M)[1]
    files = [pins(*KERNEL_FILES), pins(LAB_FILE), pins(*OTHER_FILES), {"uv": uv}]
    return set(chain.from_iterable(file.items() for file in files))


def record() -> dict[tuple[str, str], Entry]:
    lines = [line for line in RECORD_PATH.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    found = {}
    for line in lines:
        pin, requires_python, *tags = line.split(" ")
        name, version = pin.split("==")
        found[name, version] = Entry(version, requires_python.strip("-"), set(tags))
    assert len(found) == len(lines)
    return found


def platforms(system: str) -> list[str]:
    kind, machine = system.split()
    if kind == "Darwin":
        return list(mac_platforms(MACOS, machine))
    named = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    x86_only = {12, 5}
    found = [f"linux_{machine}"]
    for minor in range(GLIBC_MINOR, 4, -1):
        found.append(f"manylinux_2_{minor}_{machine}")
        if minor in named and (machine == "x86_64" or minor not in x86_only):
            found.append(f"{named[minor]}_{machine}")
    return found


def supported_tags(python: str, system: str) -> set[str]:
    """Return what pip would accept there."""
    version = tuple(int(part) for part in python.split(".")[:2])
    where = platforms(system)
    interpreter = f"cp{version[0]}{version[1]}"
    generated = chain(cpython_tags(version, platforms=where), compatible_tags(version, interpreter, where))
    return {str(tag) for tag in generated}


def environment(python: str, system: str) -> dict[str, str]:
    """Return what markers ask for."""
    kind, machine = system.split()
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": kind,
        "platform_version": "",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": kind.lower(),
    }


def installed() -> Iterator[tuple[str, str, Distribution]]:
    """Yield every pin that is installed here in its pinned version."""
    for name, version in sorted(all_pins()):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        if found.version.split("+")[0] == version:
            yield name, version, found


def wheel_tags(found: Distribution) -> set[str]:
    return set(re.findall(r"^Tag: (\S+)$", found.read_text("WHEEL") or "", re.M))


def test_the_record_has_every_pin_and_nothing_else() -> None:
    assert len(all_pins()) > 250
    assert set(record()) == all_pins(), "run: .venv/bin/python setup/record_wheels.py"


def test_the_record_names_no_place() -> None:
    assert not re.search(
        r"https?:|/|\.(com|org|io|net)\b", RECORD_PATH.read_text(encoding="utf-8").split("\n", 2)[2]
    )


@pytest.mark.parametrize("python", PYTHONS)
def test_every_pin_admits_the_first_version_of_a_python(python: str) -> None:
    release = python.split("rc")[0]
    refused = {
        f"{name}=={entry.version}": entry.requires_python
        for (name, _), entry in record().items()
        if not SpecifierSet(entry.requires_python).contains(release)
    }
    assert refused == {}


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS[1:])
def test_every_pin_has_a_wheel(python: str, system: str) -> None:
    supported = supported_tags(python, system)
    assert [
        f"{name}=={entry.version}"
        for (name, _), entry in record().items()
        if not entry.tags & supported and name not in SOURCES_ONLY
    ] == []


def test_what_is_built_here_is_python_alone() -> None:
    assert {name for (name, _), entry in record().items() if entry.tags == {"sdist"}} == SOURCES_ONLY
    for name in SOURCES_ONLY:
        assert wheel_tags(distribution(name)) == {"py3-none-any"}
        assert not {path.suffix for path in distribution(name).files} & {".so", ".dylib", ".pyd", ".a"}


def test_the_record_agrees_with_what_is_installed() -> None:
    entries, num_compared = record(), 0
    for name, version, found in installed():
        entry = entries[name, version]
        asked = SpecifierSet(found.metadata.get("Requires-Python", ""))
        assert SpecifierSet(entry.requires_python) == asked, name
        built_elsewhere = "+" in found.version or name in SOURCES_ONLY  # torch's build for the CPU
        assert built_elsewhere or wheel_tags(found) & entry.tags, (name, wheel_tags(found), entry.tags)
        num_compared += 1
    assert num_compared > 0.95 * len(pins(*KERNEL_FILES))


def missing(asked: list[Requirement], pinned: dict[str, str], where: dict[str, str]) -> list[str]:
    """Return what packages bring along that no pin fixes, or that asks for another version than the pin."""
    found, seen, waiting = set(), set(), [(requirement, "") for requirement in asked]
    while waiting:
        requirement, by = waiting.pop()
        name = canonicalize_name(requirement.name)
        if OF_CUDA_BUILDS.fullmatch(name):
            continue
        if name not in pinned or not requirement.specifier.contains(pinned[name], prereleases=True):
            found.add(f"{requirement} for {by}, pinned: {pinned.get(name)}")
            continue
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                brought = distribution(name).requires or ()
            except PackageNotFoundError:  # not in this environment: another system's, or the lab's
                continue
            for inner in map(Requirement, brought):
                if inner.marker is None or inner.marker.evaluate({**where, "extra": extra}):
                    waiting.append((inner, name))
    return sorted(found)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_a_system_brings_along_is_pinned_too(python: str, system: str) -> None:
    """Markers ask for a package on one system only: appnope on macOS, say."""
    where = environment(python, system)
    lines = chain.from_iterable(
        (REPO_DIR / name).read_text(encoding="utf-8").splitlines() for name in KERNEL_FILES[:2]
    )
    asked = [Requirement(line) for line in lines if PIN.fullmatch(line)]
    assert len(asked) > 30
    assert missing(asked, pins(*KERNEL_FILES), where) == []
    lab = pins(LAB_FILE)
    assert missing([Requirement(f"{name}=={version}") for name, version in lab.items()], lab, where) == []
