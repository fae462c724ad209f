"""Whether a training fits on the GPUs of its instances, asked before they cost anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.instance_types import INSTANCE_TYPES
from workshop.settings import Settings

TIMEOUT_S = 600  # of a process that imports torch's and transformers' configuration: seconds, when idle
SHOWN_SHARE = 0.937
"""Of the memory in a GPU's name that nvidia-smi shows: 22.5 GiB of an A10G's 24."""


def check_memory(
    settings: Settings,
    *,
    recipe: str | None = None,
    instance_type: str | None = None,
    instance_count: int | None = None,
    num_processes: int | None = None,
) -> str:
    """Return the estimate of a training's GPU memory as text.

    Args:
        settings: Give what is not given here.
        recipe: File name under src/train/recipes.
        instance_type: For example ml.g5.12xlarge.
        instance_count: Instances of the job.
        num_processes: Training processes on each, one per GPU.

    Raises:
        WorkshopError: It does not fit; or the recipe or the model cannot be read.
    """
    recipe = recipe or settings.recipe
    instance_type = instance_type or settings.training_instance_type
    num_gpus = (num_processes or settings.num_processes) * (
        instance_count or settings.training_instance_count
    )
    known = INSTANCE_TYPES.get(instance_type)
    if known is None:
        return f"{instance_type}: the memory of its GPUs is not known here, so it is not checked"
    script = settings.repo_dir / "src" / "train" / "estimate_memory.py"
    memory_gib = round(known.gpu.memory_gib * SHOWN_SHARE, 1)
    command = [
        *(sys.executable, str(script), "--config", recipe, "--model", str(_config_of(settings))),
        *("--num_gpus", str(num_gpus), "--gpu_memory_gib", str(memory_gib), "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if not done.stdout:
        raise WorkshopError(
            found=f"no estimate of the memory of {recipe}: {' '.join(done.stderr.split())}",
            expected="a recipe of src/train/recipes and a decoder model",
            next_step="correct what it names",
        )
    result = json.loads(done.stdout)
    needs = (
        f"{result['total_gib']:.1f} GiB of the {memory_gib:.1f} GiB of each {known.gpu.name} ({num_gpus} x,"
        f" {result['num_tokens']:,} tokens at once)"
    )
    if not result["fits"]:
        ways = "; ".join(f"{text} (saves {gib:.1f} GiB)" for text, gib in result["ways_to_save"])
        raise WorkshopError(
            found=f"{recipe} needs about {needs}",
            expected="a training that fits on the GPUs of its instance",
            next_step=f"lower in src/train/recipes/{recipe}: {ways}; or take an instance with larger GPUs",
        )
    return f"{recipe}: about {needs}: fits"


def _config_of(settings: Settings) -> Path:
    """Return the config.json of the base model; of one on the hub, that file is fetched."""
    if Path(settings.base_model_location).is_dir():
        return Path(settings.base_model_location)
    from huggingface_hub import hf_hub_download

    from workshop.aws.upload import hub_errors

    with hub_errors(settings.base_model_location):
        return Path(hf_hub_download(settings.base_model_location, "config.json"))
