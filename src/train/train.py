"""Fine-tune a causal language model with QLoRA: on a laptop, on 1, 4 or 8 GPUs, on SageMaker.

    torchrun --nproc_per_node 2 src/train/train.py --config sample.yaml \\
        --model_name_or_path src/sample/base/model --train_data DATA/train --output_dir OUT

`python src/train/train.py --help` lists the settings. Progress is printed one line a step.
What it leaves in MODEL_DIR serves as it stands: the merged model, with adapter/, metrics.json and
resolved-config.yaml beside it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

STARTED = time.time()


def main(argv: list[str]) -> None:
    """Check the settings, then train; the heavy imports come after the check."""
    from tuning.arguments import check, help_text
    from tuning.errors import UserError, exit_with
    from tuning.launcher import check_restarts, end_with_launcher

    try:
        if {"-h", "--help"} & set(argv):
            print(help_text())
            return
        recipe = check(argv)
        check_restarts()
        end_with_launcher()
        from tuning.run import run

        run(argv, recipe, started=STARTED)
    except UserError as error:
        if os.environ.get("RANK", "0") != "0":
            # Process 0 usually says the same and torchrun then ends this one. Still here after a while, the
            # error is this process's own.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            threading.Event().wait(timeout=20)
        exit_with(error)


if __name__ == "__main__":
    main(sys.argv[1:])
