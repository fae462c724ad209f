"""Speed and memory of the 8B recipe on one GPU, with random weights in the shape of Llama-3-8B.

    python tests/benchmarks/gpu_recipe.py --out results.json            # about 6 minutes on an H100
    python tests/benchmarks/gpu_recipe.py --out results.json --only "2048x2,mixed x4"

Every setting is a run of the real train.py for a few steps, in a process of its own. Nothing is downloaded:
speed and memory of a step do not depend on what the weights are. Results are written as they come.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REPO_DIR = Path(__file__).parents[2]
TRAIN_DIR = REPO_DIR / "src" / "train"
RECIPE = "llama3-8b-qlora-g5-4xlarge.yaml"
TOKENIZER_DIR = REPO_DIR / "src" / "sample" / "base" / "model"
# Source: config.json of meta-llama/Meta-Llama-3-8B.
SHAPE = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
}
PEAK_FLOP_PER_S = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "A10G": 70e12}  # dense, bfloat16
SUMMARY_TOKENS = 120  # of every row, about what the summaries of the public set have in Llama-3's tokens
NUM_STEPS, NUM_WARM_UP_STEPS = 12, 4
RUN_TIMEOUT_S = 150


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One run: tokens a row, rows a step, and what differs from the recipe.

    Args:
        name: For the table.
        tokens: Length of every row.
        rows: per_device_train_batch_size.
        changes: Other keys of the recipe.
        lengths: Of the rows, when they are not all alike.
        evaluates: Whether an evaluation comes in the middle, whose memory counts too.
    """

    name: str
    tokens: int
    rows: int
    changes: tuple[tuple[str, str], ...] = ()
    lengths: tuple[int, ...] = ()
    evaluates: bool = False

    @property
    def is_packed(self) -> bool:
        return ("packing", "true") in self.changes

    @property
    def row_lengths(self) -> tuple[int, ...]:
        """Lengths that the rows have in turn."""
        return self.lengths or (self.tokens,)


# Pairs of exactly 2,048: packed rows are full, so that their tokens are known without asking train.py.
MIXED = (1348, 700, 1300, 748, 1200, 848, 1100, 948)
PACKED = ("packing", "true")
FLEX = ("attn_implementation", "flex_attention")
OFF = (("activation_checkpointing", "false"),)
SETTINGS = (
    Setting(name="2048x2", tokens=2048, rows=2),
    Setting(name="512x2", tokens=512, rows=2),
    Setting(name="512x2 r32 all activations", tokens=512, rows=2, changes=(*OFF, ("lora_r", "32"))),
    Setting(name="2048x1 all activations", tokens=2048, rows=1, changes=OFF),
    Setting(name="1024x4", tokens=1024, rows=4),
    Setting(name="2048x8", tokens=2048, rows=8),
    Setting(name="2048x2 flex", tokens=2048, rows=2, changes=(FLEX,)),
    Setting(name="2048x2 evaluated", tokens=2048, rows=2, evaluates=True),
    Setting(name="mixed x4", tokens=2048, rows=4, lengths=MIXED),
    Setting(name="mixed x2 packed", tokens=2048, rows=2, lengths=MIXED, changes=(PACKED,)),
    Setting(name="mixed x2 packed flex", tokens=2048, rows=2, lengths=MIXED, changes=(PACKED, FLEX)),
)


def build_model(folder: Path) -> None:
    """Write a model of random weights: config, tokenizer and safetensors shards, 16 GB in bfloat16."""
    import shutil

    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer_config = json.loads((TOKENIZER_DIR / "config.json").read_text())
    ids = {name: tokenizer_config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = LlamaConfig(
        **SHAPE, **ids, rope_parameters={"rope_type": "default", "rope_theta": 500_000.0}, dtype="bfloat16"
    )
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(TOKENIZER_DIR / name, folder / name)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in LlamaForCausalLM(config).state_dict().items()}
    torch.manual_seed(0)
    shards: list[dict[str, Any]] = [{}]
    num_bytes, index = 0, {}
    for name, shape in shapes.items():
        if num_bytes > 4e9:
            shards.append({})
            num_bytes = 0
        values = torch.ones(shape) if "norm" in name else torch.randn(shape, device="cuda") * 0.02
        shards[-1][name] = values.to(torch.bfloat16).cpu()
        num_bytes += shards[-1][name].nbytes
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(shard, file)
    total = sum(value.nbytes for shard in shards for value in shard.values())
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text)


def write_rows(path: Path, lengths: list[int]) -> None:
    """Write rows of exactly these lengths in tokens, as train.py counts them."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER_DIR)
    template = (TRAIN_DIR / "chat_template.jinja").read_text(encoding="utf-8")
    word = " 1"  # digits are tokens of their own, whatever stands before them

    def messages(num_words: int, num_summary_words: int) -> list[dict[str, str]]:
        return [
            {"role": "system", "content": "요약"},
            {"role": "user", "content": word * num_words},
            {"role": "assistant", "content": (word * num_summary_words).strip()},
        ]

    def count(num_words: int) -> int:
        text = tokenizer.apply_chat_template(
            messages(num_words, SUMMARY_TOKENS // 2), chat_template=template, tokenize=False
        )
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    base, step = count(10), count(11) - count(10)
    with path.open("w", encoding="utf-8") as file:
        for length in lengths:
            row = messages(10 + (length - base) // step, SUMMARY_TOKENS // 2)
            file.write(json.dumps({"messages": row}, ensure_ascii=False) + "\n")


def flop_per_token(setting: Setting) -> float:
    """Return the arithmetic that a trained token needs.

    A multiplication with a frozen matrix of N weights is 2 N forward and 2 N backward (its input's gradient;
    it has none of its own). Causal attention adds 2 T h a layer forward and twice that backward. The head is
    counted for scored tokens alone: TRL does not compute the others. The adapter's own part is left out
    (0.5 %), and so is what checkpointing computes again: this is for MFU, not for HFU.
    """
    hidden, layers = SHAPE["hidden_size"], SHAPE["num_hidden_layers"]
    lengths = setting.row_lengths
    seen = sum(length**2 for length in lengths) / sum(lengths)  # of the row that a token stands in
    key_value = hidden * SHAPE["num_key_value_heads"] // SHAPE["num_attention_heads"]
    layer = 2 * hidden * hidden + 2 * hidden * key_value + 3 * hidden * SHAPE["intermediate_size"]
    head = hidden * SHAPE["vocab_size"] * SUMMARY_TOKENS * len(lengths) / sum(lengths)
    return 4 * (layers * layer + head) + 6 * layers * seen * hidden


def run(setting: Setting, model_dir: Path, work_dir: Path) -> dict[str, Any]:
    """Run train.py for a setting and return what it measured."""
    data = work_dir / "train.jsonl"
    lengths = setting.row_lengths
    num_rows = setting.rows * NUM_STEPS * (4 if setting.is_packed else 2)
    write_rows(data, [lengths[number % len(lengths)] for number in range(num_rows)])
    evaluation = (
        "--eval_strategy",
        "steps",
        "--eval_steps",
        str(NUM_STEPS - 1),
        "--validation_data",
        str(data),
    )
    command = [
        *(sys.executable, str(TRAIN_DIR / "train.py"), "--config", RECIPE),
        *("--model_name_or_path", str(model_dir), "--train_data", str(data)),
        *("--output_dir", str(work_dir / "out"), "--max_steps", str(NUM_STEPS), "--merge", "false"),
        *("--per_device_train_batch_size", str(setting.rows), "--gradient_accumulation_steps", "1"),
        *("--save_strategy", "no", "--max_seq_tokens", str(setting.tokens)),
        *((*evaluation, "--max_validation_rows", "8") if setting.evaluates else ("--eval_strategy", "no")),
        *(word for key, value in setting.changes for word in (f"--{key}", value)),
    ]
    started_s = time.monotonic()
    peak = SmiPeak()
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
        )
        output, status = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = ((late.stdout or b"") + (late.stderr or b"")).decode("utf-8", "replace"), "timeout"
    seconds, smi_mib = time.monotonic() - started_s, peak.stop()
    lines = [json.loads(line[9:]) for line in output.splitlines() if line.startswith("progress {")]
    steps = [line for line in lines if "tokens_per_s" in line]
    result: dict[str, Any] = {
        **asdict(setting),
        "status": status,
        "seconds": round(seconds, 1),
        "smi_peak_mib": smi_mib,
        "phases": [json.loads(line[6:]) for line in output.splitlines() if line.startswith("phase {")],
    }
    if len(steps) > NUM_WARM_UP_STEPS:
        told = statistics.median(line["tokens_per_s"] for line in steps[NUM_WARM_UP_STEPS:])
        times_s = [line["elapsed_s"] for line in steps[NUM_WARM_UP_STEPS - 1 :]]
        step_s = statistics.median(end - begin for begin, end in itertools.pairwise(times_s))
        speed = setting.rows * setting.tokens / step_s if setting.is_packed else told
        result |= {
            "tokens_per_s": round(speed, 1),
            "told_tokens_per_s": told,
            "step_s": round(step_s, 3),
            "losses": [line["loss"] for line in steps],
            "allocated_peak_mib": max(line["memory_mib"] for line in lines),
            "mfu": round(speed * flop_per_token(setting) / peak_flop_per_s(), 4),
        }
    else:
        result["output_tail"] = output[-3000:]
    return result


class SmiPeak:
    """The most memory of the first GPU in use, as nvidia-smi tells twice a second, until `stop`."""

    def __init__(self) -> None:
        self._peak_mib, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Return the peak in MiB."""
        self._ended.set()
        self._thread.join()
        return self._peak_mib

    def _watch(self) -> None:
        command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"]
        while not self._ended.wait(0.5):
            told = subprocess.run(command, capture_output=True, text=True).stdout.strip()
            self._peak_mib = max(self._peak_mib, int(told or 0))


def peak_flop_per_s() -> float:
    """Return what the first GPU could do at best, 0 division avoided for unknown ones."""
    import torch

    name = torch.cuda.get_device_name(0)
    return next((value for known, value in PEAK_FLOP_PER_S.items() if known in name), float("inf"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the results")
    parser.add_argument("--only", help="names of settings, separated by commas; all when left out")
    options = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        sys.exit(
            "found     no CUDA device\nexpected  a GPU of 24 GB or more\ndo next   run it on such a machine"
        )
    chosen = [item for item in SETTINGS if not options.only or item.name in options.only.split(",")]
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name(0),
        "torch": torch.__version__,
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        model_dir = Path(folder) / "model"
        model_dir.mkdir()
        started_s = time.monotonic()
        build_model(model_dir)
        torch.cuda.empty_cache()
        results["model_build_s"] = round(time.monotonic() - started_s, 1)
        print(f"{results['device']}, model written in {results['model_build_s']} s", flush=True)
        for setting in chosen:
            result = run(setting, model_dir, Path(folder))
            results["runs"].append(result)
            options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            print(
                f"{setting.name:<28} {result.get('tokens_per_s', 0):>9,.0f} tokens/s  MFU"
                f" {result.get('mfu', 0):6.1%}  allocated {result.get('allocated_peak_mib', 0):>8,.0f} MiB"
                f"  nvidia-smi {result['smi_peak_mib']:>6,} MiB  {result['seconds']:5.0f} s"
                f"  {'' if result['status'] == 0 else result['status']}",
                flush=True,
            )
            if "output_tail" in result:
                print(result["output_tail"], flush=True)


if __name__ == "__main__":
    main()
