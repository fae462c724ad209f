"""A training job's program in two steps: print what train.py prints, leave what it leaves.

python two_step_job.py /opt/ml
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

REPO = Path(__file__).parents[2]
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
shutil.copy(REPO / "src" / "train" / "chat_template.jinja", model)
# A LoRA adapter of rank 4 that changes nothing, on one projection: enough to be loaded beside its base.
hidden = json.loads((model / "config.json").read_text())["hidden_size"]
(model / "adapter").mkdir()
prefix = "base_model.model.model.layers.0.self_attn.q_proj"
weights = {
    f"{prefix}.lora_A.weight": np.ones((4, hidden), np.float32),
    f"{prefix}.lora_B.weight": np.zeros((hidden, 4), np.float32),
}
save_file(weights, model / "adapter" / "adapter_model.safetensors", metadata={"format": "pt"})
lora = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "bias": "none"}
lora |= {"task_type": "CAUSAL_LM", "layers_to_transform": [0], "base_model_name_or_path": "base"}
(model / "adapter" / "adapter_config.json").write_text(json.dumps(lora))
asked = json.loads((job / "input" / "config" / "hyperparameters.json").read_text())
metrics = {"num_steps": 2, "num_processes": 1, "train_loss": 1.0, "eval_loss": 1.0, "tokens_per_s": 1.0}
metrics["max_train_rows"] = asked.get("max_train_rows")  # what counting_evaluation.py goes by
(model / "metrics.json").write_text(json.dumps(metrics | {"stopped_by": None}))
(model / "resolved-config.yaml").write_text("learning_rate: 0.002\n")
