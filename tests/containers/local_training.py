"""Local Mode in a process of its own, as in a notebook's kernel: notebook 03's calls without an account.

python local_training.py REQUESTS    a JSON file: a list of runs, one after the other, as `trained` takes them

Prints what the runs show, and after each one line `run {...}`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from workshop.errors import WorkshopError
from workshop.settings import load_settings
from workshop.training.backend import training_backend

MEMORY_BYTES = 2 * 2**30


def trained(
    source_dir: str,
    entry_script: str,
    *,
    num_hosts: int = 1,
    num_processes: int = 0,
    hyperparameters: dict[str, Any] | None = None,
    channels: dict[str, str] | None = None,
) -> str:
    """Run a script in Local Mode and return the run's name.

    Args:
        num_processes: Of torchrun on each host; 0 runs the script itself.
        channels: Folder by name.
    """
    from sagemaker.core.training.configs import Compute, InputData, SourceCode
    from sagemaker.train import ModelTrainer
    from sagemaker.train.distributed import Torchrun
    from sagemaker.train.model_trainer import Mode

    settings = dataclasses.replace(load_settings(), training_instance_count=num_hosts)
    backend = training_backend(settings, use_local_mode=True)
    backend = dataclasses.replace(
        backend, rules=dataclasses.replace(backend.rules, memory_bytes=MEMORY_BYTES)
    )
    requirements = "requirements.txt" if (Path(source_dir) / "requirements.txt").is_file() else None
    trainer = ModelTrainer(
        training_mode=Mode[backend.training_mode],
        base_job_name="news",
        training_image=backend.image("aws:1"),
        source_code=SourceCode(source_dir=source_dir, entry_script=entry_script, requirements=requirements),
        distributed=Torchrun(process_count_per_node=num_processes) if num_processes else None,
        hyperparameters=hyperparameters or {},
        compute=Compute(instance_type=backend.instance_type, instance_count=num_hosts),
        local_container_root=str(backend.container_root),
    )
    inputs = [InputData(channel_name=name, data_source=path) for name, path in (channels or {}).items()]
    with backend.start_run(trainer):
        trainer.train(input_data_config=inputs, wait=backend.is_blocking, logs=False)
    return trainer._latest_training_job.training_job_name


def main(requests: list[dict[str, Any]]) -> None:
    for request in requests:
        name, error = None, None
        try:
            name = trained(**request)
        except WorkshopError as failure:
            error = str(failure)
        print("run", json.dumps({"name": name, "error": error}), flush=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
