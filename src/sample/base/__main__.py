"""Rebuild the small base model: `python -m sample.base` (30 to 60 minutes on one CPU core)."""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Parse the command line, pre-train, print the validation loss."""
    from sample.base.pretrain import Pretraining, pretrain

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output-dir", type=Path, default=Path(__file__).parent / "model")
    parser.add_argument("--num-steps", type=int, default=Pretraining.num_steps)
    options = parser.parse_args()
    loss = pretrain(Pretraining(num_steps=options.num_steps), output_dir=options.output_dir)
    print(f"validation loss {loss:.4f} nats/token")


if __name__ == "__main__":
    main()
