"""train.py beside TRL's own script: tokens per CPU-second at equal rows, steps and loss.

    python -m pytest -s tests/benchmarks/bench_alternative.py -o python_files='bench_*.py'

TRL's trl/scripts/sft.py is launched as it is installed. `REPETITIONS=1` is quicker; with ONEDNN_MAX_CPU_ISA=AVX2
ATEN_CPU_CAPABILITY=avx2 both compute as on a processor without AVX-512.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.benchmarks.adapter_loss import adapter_loss
from tests.benchmarks.timed_training import TimedTraining, watch
from tests.train.conftest import BASE, REPO, TRAIN, environment, write_rows

NUM_ROWS, NUM_VALIDATION_ROWS, LOGGING_STEPS = 1_200, 128, 10
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
    """

    name: str
    num_processes: int = 2
    num_threads: int = 1
    ours: bool = False
    in_4_bits: bool = False
    changes: dict[str, Any]


CONTESTANTS = (
    Contestant(name="train.py: NF4, FSDP", ours=True, in_4_bits=True, changes={}),
    Contestant(name="TRL: LoRA", changes={}),
    Contestant(name="TRL: QLoRA, bfloat16 adapter", in_4_bits=True, changes={}),
    Contestant(name="TRL: LoRA, best options", changes=TIDY_BATCHES),
)


def run(contestant: Contestant, data_dir: Path, output_dir: Path) -> tuple[TimedTraining, Path]:
    """Train, and return what it used and where its adapter is."""
    recipe = yaml.safe_load((TRAIN.parent / "recipes" / "sample.yaml").read_text(encoding="utf-8"))
    launcher = [sys.executable]
    if contestant.num_processes > 1 or contestant.ours:
        launcher += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={contestant.num_processes}"]
    settings: dict[str, Any] = {
        "per_device_train_batch_size": 8 // contestant.num_processes,
        "model_name_or_path": str(BASE),
        "output_dir": str(output_dir),
    }
    if contestant.ours:
        script, adapter_dir = TRAIN, output_dir / "model" / "adapter"
        settings = recipe | settings | {"train_data": str(data_dir / "chats"), "merge": False}
    else:
        spec = importlib.util.find_spec("trl")
        script, adapter_dir = Path(spec.origin).parent / "scripts" / "sft.py", output_dir
        settings |= {name: recipe[name] for name in OBJECTIVE}
        settings |= {name: recipe[name] for name in IN_4_BITS if contestant.in_4_bits}
        settings |= {
            "dataset_name": str(data_dir / "prompts"),
            "chat_template_path": str(TRAIN.parent / "chat_template.jinja"),
            "max_length": None,  # its default cuts rows at 1,024 tokens
            "disable_tqdm": True,  # one line a logged step
            "logging_steps": LOGGING_STEPS,  # its default; the sample recipe logs every step
        }
    settings |= contestant.changes
    output_dir.mkdir()
    config = output_dir / "settings.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    # A cache of its own for each: no run finds rows that an earlier one has tokenised.
    env = environment(OMP_NUM_THREADS=str(contestant.num_threads), HF_HOME=str(output_dir / "cache"))
    command = [*launcher, str(script), "--config", str(config)]
    return watch(command, env, logging_steps=LOGGING_STEPS), adapter_dir


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
