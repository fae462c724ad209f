"""A training job's program in two steps: print what train.py prints, leave what it leaves.

python two_step_job.py /opt/ml
"""

import json
import shutil
import sys
from pathlib import Path

job = Path(sys.argv[1])
for step in (1, 2):
    record = {"step": step, "num_steps": 2, "loss": 3.0 - step, "elapsed_s": float(step)}
    print("progress", json.dumps(record))
model = job / "model"
shutil.copytree(job / "input" / "data" / "model", model, dirs_exist_ok=True)
# What every server can read, as src/train leaves it.
for name, values in (
    ("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    ("config.json", {"rope_theta": 100.0, "torch_dtype": "bfloat16"}),
):
    content = json.loads((model / name).read_text())
    (model / name).write_text(json.dumps(content | values))
(model / "adapter").mkdir()
shutil.copy(model / "model.safetensors", model / "adapter" / "adapter_model.safetensors")
metrics = {"num_steps": 2, "num_processes": 1, "train_loss": 1.0, "eval_loss": 1.0, "tokens_per_s": 1.0}
(model / "metrics.json").write_text(json.dumps(metrics | {"stopped_by": None}))
