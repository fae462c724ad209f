"""What setup/environment.sh installs, as its files pin it. Needs no package: read before there are any."""

import re
from pathlib import Path

SETUP_DIR = Path(__file__).parent
KERNEL_FILES = (
    SETUP_DIR / "constraints.txt",
    SETUP_DIR.parent / "requirements.txt",
    SETUP_DIR.parent / "src" / "train" / "requirements.txt",
)
OTHER_FILES = (
    SETUP_DIR / "lab-requirements.txt",
    SETUP_DIR / "tgi-libraries.txt",
    SETUP_DIR / "slides.txt",
    SETUP_DIR / "browser.txt",
)
_PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", re.M)
_UV_PIN = re.compile(r"^UV_PIN=(\S+)$", re.M)


def canonical(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_in(path: Path) -> set[tuple[str, str]]:
    """Return canonical name and version of every pin in a file, for whichever system it is."""
    return {(canonical(name), version) for name, version in _PIN.findall(path.read_text(encoding="utf-8"))}


def uv_pin() -> str:
    """Return the version of uv."""
    (version,) = _UV_PIN.findall((SETUP_DIR / "environment.sh").read_text(encoding="utf-8"))
    return version


def pins() -> list[tuple[str, str]]:
    """Return name and version of everything that setup/environment.sh installs, each once."""
    return sorted(set().union(*map(pins_in, KERNEL_FILES + OTHER_FILES)) | {("uv", uv_pin())})
