"""train.py beside TRL's own script: tokens per CPU-second at equal rows, steps and loss.

    python -m pytest -s tests/benchmarks/bench_alternative.py -o python_files='bench_*.py'

TRL's trl/scripts/sft.py is launched as it is installed. `REPETITIONS=1` is quicker; with
`ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2` all compute as on a processor without AVX-512.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.benchmarks.adapter_loss import adapter_loss
from tests.benchmarks.timed_training import TimedTraining, watch
from tests.train.conftest import BASE, TRAIN, environment, write_rows

TRL_SCRIPT = Path(importlib.util.find_spec("trl").origin).parent / "scripts" / "sft.py"
NUM_ROWS, NUM_ROWS_A_STEP, NUM_VALIDATION_ROWS, LOGGING_STEPS = 1_200, 8, 128, 10
REPETITIONS = int(os.environ.get("REPETITIONS", "3"))
MASKS = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS")
# Of the sample recipe: what decides the result, and nothing of what decides the speed.
OBJECTIVE = (
    *("use_peft", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "num_train_epochs"),
    *("learning_rate", "lr_scheduler_type", "warmup_steps", "max_grad_norm", "optim", "adam_beta2", "seed"),
    *("use_cpu", "bf16", "dtype", "attn_implementation", "save_strategy", "report_to"),
)
IN_4_BITS = ("load_in_4bit", "bnb_4bit_quant_type", "use_bnb_nested_quant")
NO_CHECKPOINTING = {"gradient_checkpointing": False}
TIDY_BATCHES = NO_CHECKPOINTING | {"train_sampling_strategy": "group_by_length", "pad_to_multiple_of": 32}


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One way to train the same rows.

    Args:
        name: shown in the table.
        num_processes: two share the eight rows of a step.
        num_threads: OMP_NUM_THREADS of each process.
        ours: train.py with the sample recipe; TRL's script otherwise.
        in_4_bits: the base's weights.
        changes: settings beside the objective's.
        cores: the only ones it may use, as `taskset -c` takes them.
    """

    name: str
    num_processes: int = 2
    num_threads: int = 1
    ours: bool = False
    in_4_bits: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    cores: str | None = None


CONTESTANTS = (
    Contestant(name="train.py, sample recipe: NF4, FSDP", ours=True, in_4_bits=True),
    Contestant(name="train.py, LoRA, FSDP", ours=True, changes={"load_in_4bit": False}),
    Contestant(name="train.py, NF4", ours=True, in_4_bits=True, num_processes=1),
    Contestant(name="TRL, LoRA"),
    Contestant(name="TRL, QLoRA (adapter in bfloat16)", in_4_bits=True),
    Contestant(name="TRL, LoRA, best options", num_processes=1, changes=TIDY_BATCHES),
)
SHARES_OF_A_MACHINE = tuple(
    Contestant(name="train.py, NF4", ours=True, in_4_bits=True, **share)
    for share in (
        {"num_processes": 1, "num_threads": 1},
        {"num_processes": 1, "num_threads": 2},
        {"num_processes": 2, "num_threads": 1},
        {"num_processes": 2, "num_threads": 2},
        {"num_processes": 2, "num_threads": 1, "cores": "0"},
    )
)


def run(
    contestant: Contestant, data_dir: Path, output_dir: Path, *, seed: int = 42
) -> tuple[TimedTraining, Path]:
    """Train, and return what it used and where its adapter is."""
    adapter_dir = output_dir / "model" / "adapter" if contestant.ours else output_dir
    output_dir.mkdir()
    config = output_dir / "settings.yaml"
    config.write_text(yaml.safe_dump(settings(contestant, data_dir, output_dir) | {"seed": seed}), "utf-8")
    command = ["taskset", "-c", contestant.cores] if contestant.cores else []
    command += [sys.executable]
    if contestant.num_processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc_per_node={contestant.num_processes}"]
    command += [str(TRAIN if contestant.ours else TRL_SCRIPT), "--config", str(config)]
    # A cache of its own for each: no run finds rows that an earlier one has tokenised.
    env = environment(OMP_NUM_THREADS=str(contestant.num_threads), HF_HOME=str(output_dir / "cache"))
    return watch(command, env, logging_steps=LOGGING_STEPS), adapter_dir


def settings(contestant: Contestant, data_dir: Path, output_dir: Path) -> dict[str, Any]:
    """Return all settings of a run: the whole sample recipe for train.py, its objective for TRL."""
    recipe = yaml.safe_load((TRAIN.parent / "recipes" / "sample.yaml").read_text(encoding="utf-8"))
    shared = {
        "model_name_or_path": str(BASE),
        "output_dir": str(output_dir),
        "per_device_train_batch_size": NUM_ROWS_A_STEP // contestant.num_processes,
    }
    if contestant.ours:
        data = {"train_data": str(data_dir / "chats"), "merge": False}
        return recipe | shared | data | contestant.changes
    names = OBJECTIVE + (IN_4_BITS if contestant.in_4_bits else ())
    data = {
        "dataset_name": str(data_dir / "prompts"),
        "chat_template_path": str(TRAIN.parent / "chat_template.jinja"),
        "max_length": None,  # its default cuts rows at 1,024 tokens
        "disable_tqdm": True,  # one line a logged step
        "logging_steps": LOGGING_STEPS,  # its default; the sample recipe logs every step
    }
    words = {name: recipe[name] for name in names} | shared | data | contestant.changes
    _require_known(words)
    return words


def _require_known(words: dict[str, Any]) -> None:
    """Refuse a misspelt setting: TRL's script goes on without it and says nothing."""
    import trl

    groups = (trl.ScriptArguments, trl.SFTConfig, trl.ModelConfig)
    known = {setting.name for group in groups for setting in fields(group)}
    if unknown := set(words) - known:
        raise ValueError(f"TRL has no settings {sorted(unknown)}")


def write_data(data_dir: Path) -> list[list[dict[str, str]]]:
    """Write the same rows as chats and as TRL's prompt and completion; return validation conversations."""
    chats = write_rows(data_dir / "chats" / "train.jsonl", NUM_ROWS, seed=1)
    prompts = data_dir / "prompts" / "train.jsonl"
    prompts.parent.mkdir()
    with prompts.open("w", encoding="utf-8") as file:
        for messages in _conversations(chats):
            file.write(json.dumps({"prompt": messages[:-1], "completion": messages[-1:]}) + "\n")
    return _conversations(write_rows(data_dir / "validation.jsonl", NUM_VALIDATION_ROWS, seed=2))


def _conversations(path: Path) -> list[list[dict[str, str]]]:
    return [json.loads(line)["messages"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.timeout(7200)
def test_beside_trl(tmp_path: Path) -> None:
    compare(CONTESTANTS, tmp_path)


@pytest.mark.timeout(7200)
@pytest.mark.skipif(not shutil.which("taskset"), reason="taskset is Linux's")
def test_processes_and_threads(tmp_path: Path) -> None:
    compare(SHARES_OF_A_MACHINE, tmp_path)


def compare(contestants: Sequence[Contestant], folder: Path) -> None:
    """Run all contestants in turn, again and again, and print medians with smallest and largest.

    Each repetition has a seed of its own, for all contestants: the order of the rows and the adapter's first
    weights move the losses more than the way of training does.
    """
    validation = write_data(folder)
    print(f"\n{_machine()}")
    runs: dict[int, list[TimedTraining]] = {number: [] for number in range(len(contestants))}
    losses: dict[int, list[float]] = {number: [] for number in range(len(contestants))}
    for repetition in range(REPETITIONS):
        for number, contestant in enumerate(contestants):
            timed, adapter_dir = run(
                contestant, folder, folder / f"{number}-{repetition}", seed=42 + repetition
            )
            runs[number].append(timed)
            losses[number].append(adapter_loss(adapter_dir, validation))
            hung = ", hung at its exit" if timed.hung else ""
            print(
                f"  {contestant.name}: {timed.step_cpu_s:.1f} CPU-s,"
                f" validation loss {losses[number][-1]:.4f}, load {os.getloadavg()[0]:.1f}{hung}"
            )
    columns = ("", "processes x threads", "tokens a CPU-second, steps", "of the first", "with start-up")
    columns += ("tokens/s, steps", "training loss", "validation loss")
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    first = statistics.median(_per_cpu_s(runs[0]))
    for number, contestant in enumerate(contestants):
        speeds = _per_cpu_s(runs[number])
        whole = [timed.marks[-1].num_tokens / timed.cpu_s for timed in runs[number]]
        wall = [timed.num_step_tokens / timed.step_wall_s for timed in runs[number]]
        last_50_steps = [statistics.mean(mark.loss for mark in timed.marks[-5:]) for timed in runs[number]]
        cores = f", core {contestant.cores}" if contestant.cores else ""
        cells = (contestant.name, f"{contestant.num_processes} x {contestant.num_threads}{cores}")
        cells += (_spread(speeds, ",.0f"), f"{statistics.median(speeds) / first:.2f}")
        cells += (_spread(whole, ",.0f"), _spread(wall, ",.0f"))
        cells += (_spread(last_50_steps, ".4f"), _spread(losses[number], ".4f"))
        print(f"| {' | '.join(cells)} |")


def _spread(values: list[float], form: str) -> str:
    """Return median (smallest to largest)."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def _per_cpu_s(runs: list[TimedTraining]) -> list[float]:
    return [timed.num_step_tokens / timed.step_cpu_s for timed in runs]


def _machine() -> str:
    """Return processor, flags, masks and versions in a line."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    known = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in lines if ":" in line}
    flags = [flag for flag in known.get("flags", "").split() if flag.startswith(("avx", "fma", "amx"))]
    masks = [f"{name}={os.environ[name]}" for name in MASKS if name in os.environ]
    names = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate")
    return "; ".join(
        [
            f"{known.get('model name', platform.processor())}, family {known.get('cpu family')}",
            f"{os.cpu_count()} cores, {' '.join(flags)}",
            f"masked: {' '.join(masks)}" if masks else "not masked",
            ", ".join(f"{name} {version(name)}" for name in names),
        ]
    )
