"""Whether this machine can do what a mode asks of it: programs, disk, memory, GPUs, containers."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from workshop.account.checks import Check, Line, fail, ok, warn
from workshop.containers.engine import output_of
from workshop.settings import Settings

GIB = 1024**3
MIN_MEMORY_GIB = 7.0
"""A machine sold with 8 GB shows a little less."""

WORK_GIB = 2
"""Data, reports and the small model's trainings."""

HUB_FILE_GIB = 6
"""An 8B model goes to S3 file by file: its largest has 5 GB."""

MODELS_HERE_GIB = {"02-Train-Local-KR-News": 32, "01-SageMaker-Inference-Local-Test": 16}
"""What they keep of an 8B model in bfloat16: 16 GiB in the hub's cache, as much for each result."""

# The oldest driver for each generation of CUDA.
# Source: NVIDIA, CUDA release notes, "CUDA minor version compatibility".
MIN_DRIVERS = {12: 525, 13: 580}

CUDA_12_INDEX_URL = "https://download.pytorch.org/whl/cu126"
"""Torch is built there for CUDA 12, up to 2.14. Source: pytorch/pytorch, issues 178665 and 190385."""

REINSTALL = "rm -rf .venv && make sample"
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;#]+)")
_INCLUDED = re.compile(r"-r\s+(\S+)")


def machine_checks(settings: Settings, notebook: str | None) -> list[Check]:
    """Return the checks of this machine, for one notebook or for all of a mode."""
    checks = [
        Check(subject="python", look=lambda: _python(settings)),
        Check(subject="packages", look=lambda: packages(settings.repo_dir / "requirements.txt")),
        Check(subject="processor", look=_processor),
        Check(subject="memory", look=_memory),
        Check(subject="disk", look=lambda: _disk(settings, notebook)),
    ]
    return checks if notebook else [*checks, Check(subject="gpu", look=lambda: _gpu(settings))]


def needs_gpu(settings: Settings) -> bool:
    """Tell whether the mode's model trains on nothing but a GPU: one of the hub, not the repository's own."""
    return not Path(settings.base_model_location).is_dir()


def _python(settings: Settings) -> Line:
    fault = output_of(sys.executable, str(settings.repo_dir / "setup" / "check_python.py"))
    version = ".".join(map(str, sys.version_info[:3]))
    if fault is None or fault.strip():
        step = "make sample PYTHON=/path/to/python3.11 (setup/README.md says what may be used)"
        return fail("python", f"this Python {(fault or 'does not run').strip()}", step)
    return ok("python", f"{version} in {Path(sys.prefix).name}")


def packages(path: Path) -> Line:
    """Compare what is installed with the pins of a requirements file and of those that it includes."""
    missing, others, num = [], [], 0
    for name, pin in _pins(path):
        num += 1
        try:
            version = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
        else:
            if version != pin:
                others.append(f"{name} {version}, not {pin}")
    step = "setup/environment.sh notebooks   (it installs what requirements.txt names)"
    if missing:
        return fail("packages", f"not installed: {', '.join(missing)}", step)
    if others:
        return warn("packages", "; ".join(others), step)
    return ok("packages", f"{num} as in requirements.txt")


def _pins(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if included := _INCLUDED.match(line):
            yield from _pins(path.parent / included[1])
        elif pin := _PIN.match(line):
            yield pin[1], pin[2]


def _processor() -> Line:
    from workshop.figures.processor import this_processor

    found = this_processor()
    cores = "core" if found.num_cores == 1 else "cores"
    # AVX512 makes it faster and changes no result, so there is nothing to warn of.
    return ok("processor", f"{found.num_cores} {cores}, {found.model}, {found.kind}")


def _memory() -> Line:
    import psutil

    total = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")  # of a container, or of a Studio space
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    found = f"{total / GIB:.1f} GiB"
    if total < MIN_MEMORY_GIB * GIB:
        return warn("memory", f"{found}; 8 GB are expected", "end other programs, or take a larger machine")
    return ok("memory", found)


def needed_disk_gib(settings: Settings, notebook: str | None, *, has_gpu: bool) -> int:
    """Return the disk that notebooks still need here, in GiB."""
    if not needs_gpu(settings):
        return WORK_GIB
    if notebook is None and has_gpu:
        return WORK_GIB + HUB_FILE_GIB + sum(MODELS_HERE_GIB.values())
    return WORK_GIB + MODELS_HERE_GIB.get(notebook or "", HUB_FILE_GIB)


def _disk(settings: Settings, notebook: str | None) -> Line:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free_gib = shutil.disk_usage(folder).free / GIB
    needed_gib = needed_disk_gib(settings, notebook, has_gpu=output_of("nvidia-smi") is not None)
    found = f"{free_gib:.1f} GiB free for {settings.home}, {needed_gib} needed"
    if free_gib < needed_gib:
        return fail("disk", found, "free some, or set WORKSHOP_HOME to a folder on a larger disk")
    return ok("disk", found)


def torch_cuda() -> str | None:
    """Return the CUDA that torch is built for, such as "13.0"; None for a build without, or no torch.

    Torch is not imported, which would take seconds.
    """
    spec = find_spec("torch")
    folders = (spec.submodule_search_locations if spec else None) or ()
    for folder in folders:
        path = Path(folder) / "version.py"
        found = re.search(r"^cuda\b[^=]*= *'([\d.]+)'", path.read_text(encoding="utf-8"), re.M)
        if found:
            return found[1]
    return None


def _gpu(settings: Settings) -> Line:
    told = output_of("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    if not told or not told.strip():
        if needs_gpu(settings):
            step = "run notebook 02, and 02-01 with its container, on a machine with one (setup/README.md)"
            return warn("gpu", f"no NVIDIA GPU here, which {settings.base_model} needs to train here", step)
        return ok("gpu", "none, and none needed here")
    gpus = [[part.strip() for part in line.split(",")] for line in told.strip().splitlines()]
    names = f"{len(gpus)} x {gpus[0][0]} ({gpus[0][1]}), driver {gpus[0][-1]}"
    return gpu_line(names, gpus[0][-1], torch_cuda(), is_needed=needs_gpu(settings))


def gpu_line(names: str, driver: str, cuda: str | None, *, is_needed: bool) -> Line:
    """Compare a machine's driver with the CUDA of its torch.

    Args:
        names: Of the GPUs, for people.
        driver: Its version.
        cuda: Of torch; None for its CPU build.
        is_needed: Whether the mode's model trains on nothing else.
    """
    tell = fail if is_needed else warn
    major = re.match(r"\d+", driver)
    if cuda is None:
        return tell("gpu", f"{names}; torch is the CPU build, which does not use it", REINSTALL)
    oldest = MIN_DRIVERS.get(int(cuda.partition(".")[0]), max(MIN_DRIVERS.values()))
    if major and int(major[0]) >= oldest:
        return ok("gpu", f"{names}, CUDA {cuda} of torch")
    step = f"update the driver, or take torch for CUDA 12: {REINSTALL} TORCH_INDEX_URL={CUDA_12_INDEX_URL}"
    return tell("gpu", f"{names}; torch is built for CUDA {cuda}, which needs driver {oldest} or newer", step)
