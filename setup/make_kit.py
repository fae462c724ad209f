"""Put all that `make sample`, `make lab` and `make test` install into a folder: no network is needed then.

    .venv/bin/python setup/make_kit.py FOLDER      FOLDER/offline-kit; called by `make offline-kit TO=FOLDER`

The packages are those of .venv, torch's build too. The kit is written beside its place and takes it when it
is whole: until then what lay there stays. For sticks as they are sold (FAT32): no links, plain names, no file
of 4 GiB or more.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from string import Template
from typing import Any, NoReturn

from check_kit import (
    FACTS,
    FORMAT,
    KIT_NAME,
    SUMS,
    WHEELS,
    fail,
    floor,
    machine,
    read_facts,
    sha256,
)
from kit_wheels import fail_if_full, fetch_wheels, torch_pins
from pins import SETUP_DIR, pins

REPO_DIR = SETUP_DIR.parent
README = SETUP_DIR / "kit" / "README.md"
BUNDLE = "repository.bundle"
NEEDED_MIB = 1000  # 894 on Linux with the CPU build of torch
NEEDED_CUDA_MIB = 4500  # not measured: CUDA's libraries are about 3 GB more
MAX_FILE_BYTES = 2**32 - 1  # of FAT32


def git(*arguments: str) -> str:
    """Return what git prints; "" when it fails."""
    done = subprocess.run(["git", "-C", REPO_DIR, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def check_repository() -> str:
    """Return the commit; end the program where there is none to put into the kit as a whole."""
    commit = git("rev-parse", "HEAD")
    if not commit or git("rev-parse", "--is-shallow-repository") == "true":
        fail(
            "a shallow clone" if commit else f"no git repository at {REPO_DIR}",
            "a whole clone, which the kit takes along as a bundle",
            "git fetch --unshallow" if commit else "git clone the repository, and make the kit there",
        )
    if git("status", "--porcelain"):
        print("== not in the kit: changes that are not committed (git status)")
    return commit


def check_place(folder: Path) -> Path:
    """Return where the kit is going to be; end the program where it cannot be."""
    kit = folder / KIT_NAME
    if not folder.is_dir():
        fail(
            f"no folder {folder}", "the folder that the kit is put into", "make offline-kit TO=/path/to/stick"
        )
    if kit.exists() and any(kit.iterdir()):
        read_facts(kit)  # what is replaced is a kit
    has_cuda = any(name.startswith("nvidia-") for name in torch_pins())
    needed_mib = NEEDED_CUDA_MIB if has_cuda else NEEDED_MIB
    free_mib = shutil.disk_usage(folder).free / 2**20
    if free_mib < needed_mib:
        fail(
            f"{free_mib:.0f} MiB of free space at {folder}",
            f"{needed_mib} MiB for the kit; one that lies there is kept until the new one is whole",
            "free some, or take a larger stick: make offline-kit TO=/path/to/stick",
        )
    return kit


def copy_results(kit: Path) -> dict[str, str]:
    """Copy the report and the slides of the last run; return what the kit's README says of each."""
    home = Path(os.environ.get("WORKSHOP_HOME") or REPO_DIR / ".workshop") / "sample"
    said = {}
    for name, make in (("report", "make sample"), ("slides", "make slides")):
        pages = sorted((home / name).glob("*.html"))
        (kit / name).mkdir()
        for page in pages:
            shutil.copyfile(page, kit / name / page.name)
        first = [page for page in pages if page.name == "index.html"] or pages  # it leads to the others
        said[name] = ", ".join(f"{name}/{page.name}" for page in first)
        if not pages:
            (kit / name).rmdir()
            said[name] = f"- (`{make}`)"
            print(f"== not in the kit: {name}, since there are none yet ({make})")
    return said


def write_readme(kit: Path, facts: dict[str, Any], said: dict[str, str]) -> None:
    text = Template(README.read_text(encoding="utf-8")).substitute({**facts, **said})
    (kit / "README.md").write_text(text, encoding="utf-8")


def write_sums(kit: Path) -> None:
    """Write the checksum of every file, in the form that `sha256sum -c` reads."""
    files = sorted(path for path in kit.rglob("*") if path.is_file())
    too_large = [path.name for path in files if path.stat().st_size > MAX_FILE_BYTES]
    if too_large:
        fail(f"{too_large[0]}, 4 GiB or more", "files that FAT32 can hold", "make the kit without that file")
    lines = [f"{sha256(path)}  {path.relative_to(kit).as_posix()}\n" for path in files]
    (kit / SUMS).write_text("".join(lines), encoding="ascii")


def put_in_place(made: Path, kit: Path) -> None:
    """Let the new kit take the place of an older one, and be on the stick before that is said."""
    old = kit.with_name(f"{KIT_NAME}.old")
    shutil.rmtree(old, ignore_errors=True)
    if kit.exists():
        kit.rename(old)
    made.rename(kit)
    shutil.rmtree(old, ignore_errors=True)
    os.sync()


def fill(kit: Path, commit: str) -> None:
    """Write everything that a kit has into an empty folder."""
    (kit / WHEELS).mkdir()
    version = fetch_wheels(kit / WHEELS)
    branch = git("symbolic-ref", "--short", "HEAD").split()  # none where a commit was checked out
    bundle = ["git", "-C", REPO_DIR, "bundle", "create", "--quiet", kit / BUNDLE, "HEAD", *branch]
    subprocess.run(bundle, check=True)
    facts = {
        "format": FORMAT,
        **machine(),
        "needs": floor([path.name for path in (kit / WHEELS).iterdir()]),
        "torch": version,
        "commit": commit,
        "made_on": date.today().isoformat(),
        "pins": [f"{name}=={pinned}" for name, pinned in pins()],
    }
    write_readme(kit, facts, copy_results(kit))
    (kit / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="ascii")
    write_sums(kit)


def make(folder: Path) -> Path:
    """Make the kit and return where it is; what was begun is removed when it does not come to an end."""
    kit = check_place(folder)
    commit = check_repository()
    made = kit.with_name(f"{KIT_NAME}.partial")
    shutil.rmtree(made, ignore_errors=True)  # of a making that was killed
    made.mkdir()
    try:
        fill(made, commit)
        put_in_place(made, kit)
    except (OSError, subprocess.CalledProcessError) as problem:
        fail_if_full(folder)
        fail(
            f"{problem}",
            "a folder that can be written to, with room for the kit",
            "make offline-kit TO=/path/to/another",
        )
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return kit


def interrupt(number: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    started_s = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        kit = make(Path(sys.argv[1]).expanduser().absolute())
    except KeyboardInterrupt:
        print("\ninterrupted; no kit was made, and one that lay there stayed", file=sys.stderr)
        return 130
    size_mb = sum(path.stat().st_size for path in kit.rglob("*") if path.is_file()) / 1e6
    print(f"== {kit}: {size_mb:.0f} MB after {time.monotonic() - started_s:.0f} s")
    print(f"== there: make sample KIT='{kit}', in a clone of its {BUNDLE} (README.md)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
