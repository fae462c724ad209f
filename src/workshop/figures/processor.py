"""Which instructions the libraries compute with here: the processor's own, less what variables hold back.

Times and scores depend on them more than on the number of cores: without bfloat16 instructions torch
multiplies in a loop of its own, and without VNNI CTranslate2's int8 saturates.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from processes.cores import num_cores
from workshop.errors import WorkshopError

INSTRUCTIONS = ("Arm", "AVX2", "AVX512", "VNNI", "bfloat16")
_FLAGS = {
    "AVX2": {"avx2"},
    "AVX512": {"avx512f"},
    "VNNI": {"avx512_vnni", "avx_vnni"},
    "bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},
}
_ALL = frozenset(INSTRUCTIONS)
_UP_TO_AVX2 = frozenset({"AVX2"})
# Variable -> value -> what its library still uses of an x86 processor. Case does not matter.
# Source: oneDNN 3 (CPU dispatcher control), torch's ATen/native/DispatchStub.cpp, CTranslate2 4
# (environment variables), oneMKL (MKL_ENABLE_INSTRUCTIONS).
MASKS: dict[str, dict[str, frozenset[str]]] = {
    "ONEDNN_MAX_CPU_ISA": {
        "AVX2": _UP_TO_AVX2,
        "AVX2_VNNI": _UP_TO_AVX2 | {"VNNI"},
        "AVX512_CORE": _UP_TO_AVX2 | {"AVX512"},
        "AVX512_CORE_VNNI": _UP_TO_AVX2 | {"AVX512", "VNNI"},
        "AVX512_CORE_BF16": _ALL,
        "DEFAULT": _ALL,
    },
    "ATEN_CPU_CAPABILITY": {"default": frozenset(), "avx2": _UP_TO_AVX2, "avx512": _ALL},
    "CT2_FORCE_CPU_ISA": {"GENERIC": frozenset(), "AVX2": _UP_TO_AVX2, "AVX512": _ALL},
    "MKL_ENABLE_INSTRUCTIONS": {"AVX2": _UP_TO_AVX2, "AVX512": _ALL},
}


@dataclass(frozen=True, kw_only=True)
class Processor:
    """What figures depend on, without anything that names the machine.

    Args:
        model: As the processor calls itself.
        num_cores: That this process may use.
        instructions: Those of INSTRUCTIONS that the libraries compute with.
        masked_by: Variables that hold others back; empty when the processor is of its class by nature.
    """

    model: str
    num_cores: int
    instructions: tuple[str, ...]
    masked_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The class of processors that figures are kept for, such as `AVX512 + VNNI + bfloat16`."""
        # AVX512 says that AVX2 is there too
        shown = [name for name in self.instructions if name != "AVX2" or "AVX512" not in self.instructions]
        return " + ".join(shown) or "without AVX2"


def this_processor(environ: Mapping[str, str] | None = None) -> Processor:
    """Describe the processor of this machine.

    Raises:
        WorkshopError: A variable of MASKS has a value that is not known here.
    """
    model, flags = _macos() if platform.system() == "Darwin" else _linux(Path("/proc/cpuinfo"))
    is_arm = platform.machine() in ("arm64", "aarch64")
    return describe(
        model, num_cores(), flags, is_arm=is_arm, environ=os.environ if environ is None else environ
    )


def describe(
    model: str, num_cores: int, flags: set[str], *, is_arm: bool, environ: Mapping[str, str]
) -> Processor:
    """Return the processor with these flags (of Linux's /proc/cpuinfo) under these variables."""
    own = {name for name, any_of in _FLAGS.items() if flags & any_of} | ({"Arm"} if is_arm else set())
    used, masked_by = set(own), {}
    for variable, values in MASKS.items():
        value = environ.get(variable)
        if not value or is_arm:
            continue
        known = {name.lower(): kept for name, kept in values.items()}
        if value.lower() not in known:
            raise WorkshopError(
                found=f"{variable}={value}",
                expected=f"one of {', '.join(values)}",
                next_step=f"correct it, or take it away: unset {variable}",
            )
        used &= known[value.lower()]
        if own - known[value.lower()]:
            masked_by[variable] = value
    return Processor(
        model=model,
        num_cores=num_cores,
        instructions=tuple(name for name in INSTRUCTIONS if name in used),
        masked_by=masked_by,
    )


def _linux(path: Path) -> tuple[str, set[str]]:
    lines = [line.partition(":") for line in path.read_text(encoding="utf-8").splitlines()]
    values = {name.strip(): value.strip() for name, _, value in reversed(lines)}  # the first processor wins
    model = values.get("model name", f"{platform.machine()} processor")
    if not any(character.isdigit() for character in model) and "cpu family" in values:
        # cloud machines often say no more than "AMD EPYC"
        model += f" (family {values['cpu family']}, model {values['model']})"
    return model, set((values.get("flags") or values.get("Features") or "").split())


def _macos() -> tuple[str, set[str]]:
    def sysctl(name: str) -> str:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    flags = {"bf16"} if sysctl("hw.optional.arm.FEAT_BF16") == "1" else set()
    return sysctl("machdep.cpu.brand_string") or "Apple processor", flags
