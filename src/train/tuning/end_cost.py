"""How long a run needs after its last step, estimated while it trains: for a time limit that is kept."""

from __future__ import annotations

from dataclasses import dataclass

# Slow disks of cloud machines; what a run measures itself replaces the guess.
_WRITE_BYTES_PER_S = 100e6
_IMPORTS_S = 3.0  # of what merging needs beside training


@dataclass(kw_only=True)
class EndCost:
    """What is known of the work that is left after the last step.

    Args:
        load_s: seconds that loading the base model took; merging loads it again.
        merged_bytes: size of the merged model.
        checkpoint_bytes: size of a checkpoint: the adapter and two moments of each of its weights.
        merges: whether the adapter is merged at the end.
    """

    load_s: float
    merged_bytes: int
    checkpoint_bytes: int
    merges: bool
    slowest_save_s: float = 0.0
    slowest_step_s: float = 0.0

    def seconds(self) -> float:
        """Return the seconds for one more step, the last checkpoint, the adapter and the merge."""
        save_s = self.slowest_save_s or 1.0 + self.checkpoint_bytes / _WRITE_BYTES_PER_S
        # Gathering and writing the adapter is a part of what a checkpoint does.
        seconds = self.slowest_step_s + 2 * save_s
        if self.merges:
            seconds += _IMPORTS_S + 2 * self.load_s + self.merged_bytes / _WRITE_BYTES_PER_S
        return seconds
