"""Fine-tune a causal language model with QLoRA: on a laptop, on 1, 4 or 8 GPUs, on SageMaker.

    torchrun --nproc_per_node 2 src/train/train.py --config sample.yaml \\
        --model_name_or_path src/sample/base/model --train_data DATA/train --output_dir OUT

`python src/train/train.py --help` lists the settings. Progress is printed one line a step.
What it leaves in MODEL_DIR serves as it stands: the merged model, with adapter/, metrics.json and
resolved-config.yaml beside it.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STARTED = time.time()
# accelerate and transformers import them where they find them, for `accelerate config` and object detection.
UNUSED_PACKAGES = ("boto3", "scipy")
_NO_COMPILER = "TORCHDYNAMO_DISABLE"  # read by torch.compile, each time


def main(argv: list[str]) -> None:
    """Check the settings, then train; the heavy imports come after the check."""
    from tuning.arguments import check, help_text
    from tuning.errors import UserError, exit_with
    from tuning.launcher import check_restarts, end_with_launcher, ignore_missing_interfaces

    try:
        if {"-h", "--help"} & set(argv):
            print(help_text())
            return
        recipe = check(argv)
        check_restarts()
        end_with_launcher()
        ignore_missing_interfaces()
        silence_known_warnings()
        with quick_imports():
            import_bitsandbytes()
            from tuning.run import run
        run(argv, recipe, started=STARTED)
    except UserError as error:
        if os.environ.get("RANK", "0") != "0":
            # Process 0 usually says the same and torchrun then ends this one. Still here after a while, the
            # error is this process's own.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            threading.Event().wait(timeout=20)
        exit_with(error)


def silence_known_warnings() -> None:
    """Keep messages off the screen that nobody can act on; everything else stays visible."""
    # bitsandbytes looks for an optional kernel for CPUs and does without it.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # transformers 5.23 warns of a name that peft 0.21 still reads.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without searching for garbage, and without packages that nothing here uses.

    Every process of a run pays for its imports before its first step. Modules are no garbage: two processes
    on two idle cores took 3.9 s instead of 5.4 s. A module that is None counts as not installed; afterwards
    it can be imported as ever, by a logger for instance.
    """
    hidden = [name for name in UNUSED_PACKAGES if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # later searches leave out what stays for good
        gc.enable()
        for name in hidden:
            sys.modules.pop(name, None)


def import_bitsandbytes() -> None:
    """Import it without torch's compiler, which it would import for four functions that nothing here calls.

    They are for what has no kernel: 4-bit weights with an odd number of columns, and its optimizers on other
    devices than CPUs and CUDA. Without it every process has 0.6 of 3.6 s and 45 MB less to import.
    Only for this import, since flex_attention compiles when a model is run.
    """
    given = os.environ.get(_NO_COMPILER)
    os.environ[_NO_COMPILER] = "1"
    try:
        with suppress(ImportError):  # the settings say whether it is needed; what needs it then says so
            import bitsandbytes  # noqa: F401
    finally:
        del os.environ[_NO_COMPILER]
        if given is not None:
            os.environ[_NO_COMPILER] = given


if __name__ == "__main__":
    main(sys.argv[1:])
