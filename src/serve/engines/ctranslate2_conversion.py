"""Convert a model folder for CTranslate2, once, and prove at every load that the copy generates the same.

python -m serve.engines.ctranslate2_conversion MODEL TARGET none|int8

The conversion is a process of its own: it needs torch and transformers, which the server of the converted
model never loads. It writes down what the original generates, and `check_parity` compares the copy with that.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from processes.errors import UserError
from serve.model_folder import ModelFolder, read_model_folder
from serve.settings import MIN_INT8_AGREEMENT_PERCENT

if TYPE_CHECKING:
    import ctranslate2

logger = logging.getLogger(__name__)

PARITY_FILE = "parity.json"
NUM_PARITY_TOKENS = 32
# Logits of both libraries differ by up to 1e-4; the original's choice is a tie below this.
TIE = 1e-3
# Read by the original and by its copy: short and long, Korean and not, digits and signs.
PARITY_TEXTS = (
    "서울",
    "최근 우주 산업에서 새로운 시도가 잇따르고 있다.",
    "사업비는 1,250억 원으로 지난해 87.3억 원보다 늘었다. 대표는 “차량을 450대로 늘리겠다”고 말했다.",
    "Please summarize the goals for journalist in this text:\n\n",
    "漢字 ｱｲｳ 👩‍🔬 a_b {c: [1.5, -2]}\n\n",
    "Human: " + "오는 3일 경전철 구간이 개통된다고 교통공사가 밝혔다. " * 8 + "\n\nAssistant:",
)
_LOG_LINES = 5


def converted(model: ModelFolder, quantize: str, cache_dir: Path) -> Path:
    """Return the folder of a converted model; convert it when the cache does not have it.

    A folder is complete or not there: it gets its name when all of it is written.

    Args:
        model: What to convert.
        quantize: "none" (float32) or "int8".
        cache_dir: Parent of all converted models.

    Raises:
        UserError: It cannot be converted, or the cache cannot be written.
    """
    target = cache_dir / f"{digest(model.path)}-{quantize}"
    if (target / PARITY_FILE).is_file():
        return target
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".converting-", dir=cache_dir))
    except OSError as error:
        raise UserError(
            found=f"{cache_dir}, which cannot be written: {error.strerror}",
            expected="a folder for converted models",
            next_step="set SERVE_CACHE_DIR to a folder that you may write to",
        ) from None
    try:
        command = [sys.executable, "-m", __name__, str(model.path), str(made), quantize]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = "".join(f"\n  | {line}" for line in done.stderr.strip().splitlines()[-_LOG_LINES:])
            raise UserError(
                found=f"a model in {model.path} that CTranslate2 cannot convert:{last}",
                expected="an architecture that CTranslate2 knows, and room for its copy on the disk",
                next_step="serve it with the engine transformers (leave SERVE_ENGINE out)",
            )
        made.chmod(0o755)
        try:
            made.rename(target)
        except OSError:  # another server was quicker
            if not (target / PARITY_FILE).is_file():
                raise
        return target
    finally:
        shutil.rmtree(made, ignore_errors=True)


def digest(model_dir: Path) -> str:
    """Return a hash of what the converted model depends on."""
    import ctranslate2

    total = hashlib.blake2b(ctranslate2.__version__.encode(), digest_size=16)
    names = ("config.json", "generation_config.json", "tokenizer.json")
    for path in sorted([*model_dir.glob("*.safetensors"), *(model_dir / name for name in names)]):
        if path.is_file():
            total.update(path.name.encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    total.update(block)
    return total.hexdigest()


def convert(model: ModelFolder, target: Path, quantize: str) -> None:
    """Write the converted model, then what the original generates."""
    from ctranslate2.converters import TransformersConverter

    converter = TransformersConverter(str(model.path), low_cpu_mem_usage=False)
    converter.convert(str(target), quantization=None if quantize == "none" else quantize, force=True)
    (target / PARITY_FILE).write_text(json.dumps(original_answers(model)), encoding="utf-8")


def original_answers(model: ModelFolder) -> list[dict[str, list]]:
    """Return prompts, the ids that transformers generates, and how much each was ahead of the next best."""
    import torch
    from transformers import AutoModelForCausalLM

    original = AutoModelForCausalLM.from_pretrained(model.path, dtype=torch.float32, local_files_only=True)
    answers = []
    for text in PARITY_TEXTS:
        prompt = model.codec.encode(text)[: model.max_positions - NUM_PARITY_TOKENS]
        output = original.eval().generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=NUM_PARITY_TOKENS,
            eos_token_id=None,
            return_dict_in_generate=True,
            output_logits=True,
        )
        best_two = torch.stack(output.logits)[:, 0].float().topk(2).values
        answers.append(
            {
                "prompt": prompt,
                "generated": output.sequences[0, len(prompt) :].tolist(),
                "margins": (best_two[:, 0] - best_two[:, 1]).tolist(),
            }
        )
    return answers


def check_parity(
    generator: ctranslate2.Generator,
    folder: Path,
    tokens: list[str],
    quantize: str,
    min_int8_agreement_percent: int,
) -> float:
    """Compare the copy with what the original generated when it was converted.

    float32: the same ids, up to a token that was a tie for the original. int8: after each beginning of the
    original's text, the same next id in nearly all places. In how many depends on the processor: oneDNN
    multiplies unsigned by signed bytes, and without VNNI x86 adds two such products in 16 bits, which
    saturate. Measured with the base model: 93.2 % with AVX512-VNNI, 93.8 % with AVX-VNNI, 83.9 % with AVX2.

    Returns:
        The share that is the same, 0 to 1.

    Raises:
        UserError: They differ.

    Source: oneDNN, "Nuances of int8 computations"; ONEDNN_MAX_CPU_ISA=AVX2 shows it on any x86 processor.
    """
    answers = json.loads((folder / PARITY_FILE).read_text(encoding="utf-8"))
    is_int8 = quantize == "int8"
    agreement = (_shares_chosen if is_int8 else _shares_generated)(generator, answers, tokens)
    lowest_percent = min_int8_agreement_percent if is_int8 else 100
    chooses = f"chooses {100 * agreement:.1f} % of the original's tokens ({quantize})"
    why = "; without VNNI an x86 processor saturates sums of 8-bit products" if is_int8 else ""
    if 100 * agreement < lowest_percent:
        raise UserError(
            found=f"a copy that {chooses}",
            expected=f"at least {lowest_percent} %{why}",
            next_step=f"leave SERVE_ENGINE and the quantisation out, or delete {folder} to convert it again",
        )
    if is_int8 and 100 * agreement < MIN_INT8_AGREEMENT_PERCENT:
        logger.warning(
            "%s, fewer than %d %%: served because SERVE_MIN_INT8_AGREEMENT_PERCENT is %d%s",
            chooses, MIN_INT8_AGREEMENT_PERCENT, lowest_percent, why,
        )  # fmt: skip
    else:
        logger.info("%s", chooses)
    return agreement


def _shares_generated(generator: ctranslate2.Generator, answers: list[dict], tokens: list[str]) -> float:
    """Return the share of prompts with the original's ids, up to the first tie that went the other way."""
    num_equal = 0
    for answer in answers:
        (result,) = generator.generate_batch(
            [[tokens[id_] for id_ in answer["prompt"]]],
            include_prompt_in_result=False,
            max_length=len(answer["generated"]),
            end_token=[],
        )
        pairs = zip(result.sequences_ids[0], answer["generated"], answer["margins"], strict=False)
        differing = next((margin for ours, theirs, margin in pairs if ours != theirs), None)
        num_equal += differing is None or differing < TIE
    return num_equal / len(answers)


def _shares_chosen(generator: ctranslate2.Generator, answers: list[dict], tokens: list[str]) -> float:
    """Return the share of the original's tokens that are the copy's first choice, too."""
    import numpy as np

    num_equal = num_all = 0
    for answer in answers:
        ids = answer["prompt"] + answer["generated"]
        logits = np.asarray(generator.forward_batch([ids[:-1]]))[0]
        chosen = logits[len(answer["prompt"]) - 1 :].argmax(axis=-1)
        num_equal += int((chosen == np.asarray(answer["generated"])).sum())
        num_all += len(answer["generated"])
    return num_equal / num_all


def main(model_dir: str, target: str, quantize: str) -> None:
    """Convert in this process."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    convert(read_model_folder(Path(model_dir)), Path(target), quantize)


if __name__ == "__main__":
    main(*sys.argv[1:])
