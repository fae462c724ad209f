"""Random numbers of all processes in a checkpoint that the first process writes alone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Trainer


class RandomStateMixin:
    """Mixed into a Trainer, in front of it, brings every process's random state to the first one.

    transformers lets each process write its own file. Those of other machines would lie on their disks,
    beside the checkpoint's mark: dropout would go on with other numbers after a resume, without a word.
    """

    def _save_rng_state(self: Trainer, output_dir: str) -> None:
        from accelerate.utils import gather_object

        with tempfile.TemporaryDirectory() as folder:
            super()._save_rng_state(folder)
            own = [(file.name, file.read_bytes()) for file in Path(folder).iterdir()]
        everyones = gather_object(own)
        if self.is_world_process_zero():
            Path(output_dir).mkdir(parents=True, exist_ok=True)
            for name, state in everyones:
                (Path(output_dir) / name).write_bytes(state)
