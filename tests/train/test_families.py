"""Qwen, Gemma and EXAONE go the whole way as Llama does: trained, merged, served."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from tests.serve.server_process import ServerProcess
from tests.train.conftest import HANG_S, REPO, Run, environment, train, write_rows
from tests.train.in_process import prepare, settings
from tests.train.test_artifact import TGI_LIBRARIES
from tests.train.tiny_models import (
    BEGINS_WITH_BOS,
    FAMILIES,
    conversations,
    tiny_config,
    tiny_tokenizer,
    write_tiny_model,
)
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from merge import merge
from tuning.errors import UserError
from tuning.fsdp import wrapped_layers
from tuning.model import check_architecture, context_tokens
from tuning.tokenizer import load_tokenizer
from workshop.prompt import chat_messages
from workshop.serving.family_rules import TGI_FAMILIES, TRANSFORMERS_FAMILIES

TEMPLATE = str(REPO / "src" / "train" / "chat_template.jinja")
TRAINED = ("qwen3", "gemma3", "exaone4")  # Llama's runs are all the other tests
LAYERS = {"qwen3": "Qwen3DecoderLayer", "gemma3": "Gemma3DecoderLayer", "exaone4": "Exaone4DecoderLayer"}
ARTICLE = "다온시가 오는 12일 1,250억 원 규모의 순환 전철을 개통한다고 밝혔다."


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write_tiny_model(name, tmp_path_factory.mktemp("base") / name) for name in TRAINED}


@pytest.fixture(scope="module")
def runs(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two processes, FSDP, a 4-bit base, six rows: an uneven last batch."""
    data = write_rows(tmp_path_factory.mktemp("data") / "train.jsonl", 6, seed=5)
    options = ("--per_device_train_batch_size", "2", "--max_seq_tokens", "4096", "--warmup_steps", "0")
    return {
        name: train(
            tmp_path_factory.mktemp(name),
            data,
            *("--model_name_or_path", str(folder), *options),
            num_processes=2,
        )
        for name, folder in bases.items()
    }


@pytest.fixture(params=TRAINED)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def base(family: str, bases: dict[str, Path]) -> Path:
    return bases[family]


@pytest.fixture
def run(family: str, runs: dict[str, Run]) -> Run:
    return runs[family]


def chat_ids(tokenizer) -> list[int]:
    """Return the ids of a prompt as training has them."""
    text = tokenizer.apply_chat_template(chat_messages(ARTICLE), tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_fsdp_shards_all_of_it_layer_by_layer(run: Run, family: str) -> None:
    (sharded,) = run.lines("sharded")
    assert sharded["layers"] == {LAYERS[family]: 2}
    assert len(run.losses) == 2


def test_the_adapter_is_on_every_linear_layer_and_on_no_head(run: Run) -> None:
    with safe_open(run.model_dir / "adapter" / "adapter_model.safetensors", framework="pt") as tensors:
        names = list(tensors.keys())
    layers = {name.split(".lora_")[0].rsplit(".", 1)[1] for name in names}
    attention, mlp = {"q_proj", "k_proj", "v_proj", "o_proj"}, {"gate_proj", "up_proj", "down_proj"}
    assert layers == attention | mlp
    assert len(names) == 2 * 7 * 2


def test_merging_equals_base_plus_adapter(run: Run, base: Path, tmp_path: Path) -> None:
    adapter = run.model_dir / "adapter"
    merge(base=None, adapter=adapter, model_dir=tmp_path, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    ids = torch.tensor([chat_ids(tokenizer)])
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        untuned = model(ids).logits
        separate = PeftModel.from_pretrained(model, adapter)(ids).logits
        assert (merged(ids).logits - separate).abs().max() <= 1e-4 * separate.abs().max()
    assert (separate - untuned).abs().max() > 1e-4


def test_tied_embeddings_stay_tied(run: Run, base: Path) -> None:
    assert AutoConfig.from_pretrained(base).tie_word_embeddings
    merged = AutoModelForCausalLM.from_pretrained(run.model_dir)
    assert merged.get_output_embeddings().weight is merged.get_input_embeddings().weight


def test_the_server_answers_what_generate_gives(run: Run) -> None:
    tokenizer = AutoTokenizer.from_pretrained(run.model_dir)
    model = AutoModelForCausalLM.from_pretrained(run.model_dir, dtype=torch.float32).eval()
    ids = chat_ids(tokenizer)
    with torch.no_grad():
        whole = model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)[0].tolist()
    text = tokenizer.apply_chat_template(chat_messages(ARTICLE), tokenize=False, add_generation_prompt=True)
    text_route = {"inputs": text.removeprefix(tokenizer.bos_token or "")}
    generate_route = text_route | {"parameters": {"max_new_tokens": 12, "details": True}}
    chat_route = {"messages": chat_messages(ARTICLE), "max_tokens": 1}
    with ServerProcess(HF_MODEL_ID=str(run.model_dir)) as server:
        server.ready()
        prompt = post(f"{server.url}/tokenize", text_route)
        details = post(f"{server.url}/generate", generate_route)["details"]
        chat = post(f"{server.url}/v1/chat/completions", chat_route)
    assert [token["id"] for token in prompt] == ids
    assert [token["id"] for token in details["tokens"]] == whole[len(ids) :]
    assert chat["usage"]["prompt_tokens"] == len(ids)


def post(url: str, body: dict) -> dict:
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=HANG_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from None


def test_what_tgi_has_reads_those_that_it_serves_and_gives_the_same_logits(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    assert TGI_LIBRARIES.is_dir(), f"{TGI_LIBRARIES} is missing: run `make test`, which installs it"
    code = f"""
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
found = {{}}
for folder in {[str(run.model_dir) for run in runs.values()]!r}:
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    except ValueError as error:
        found[folder] = str(error)
        continue
    ids = AutoTokenizer.from_pretrained(folder)({ARTICLE!r}, return_tensors="pt")["input_ids"]
    found[folder] = {{"ids": ids, "logits": model(ids).logits.detach()}}
torch.save(found, {str(tmp_path / "old.pt")!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PYTHONPATH=str(TGI_LIBRARIES)),
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    read = torch.load(tmp_path / "old.pt")
    for name, run in runs.items():
        folder, old = run.model_dir, read[str(run.model_dir)]
        if tiny_config(name).model_type not in TGI_FAMILIES + TRANSFORMERS_FAMILIES:
            assert "does not recognize this architecture" in old
            continue
        ids = AutoTokenizer.from_pretrained(folder)(ARTICLE, return_tensors="pt")["input_ids"]
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        assert old["ids"].tolist() == ids.tolist()
        with torch.no_grad():
            assert torch.allclose(old["logits"], model(ids).logits, atol=1e-4)


def test_one_process_trains_it_with_packed_rows_in_4_bits(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script, training, model = settings(
        tmp_path,
        *("--model_name_or_path", str(base), "--packing", "true", "--max_seq_tokens", "2048"),
        *("--per_device_train_batch_size", "1", "--num_train_epochs", "2", "--learning_rate", "0.01"),
    )
    trainer = prepare(script, training, model, conversations(8, seed=5))
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0]
    assert '"share_in_random_order"' in capsys.readouterr().out


@pytest.mark.parametrize("name", FAMILIES)
def test_a_prompt_has_one_bos_where_the_tokenizer_writes_one_and_none_elsewhere(
    name: str, tmp_path: Path
) -> None:
    tiny_tokenizer(name).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path), TEMPLATE)
    ids = chat_ids(tokenizer)
    bos_id = tiny_tokenizer(name).bos_token_id
    assert ids.count(bos_id) == (1 if name in BEGINS_WITH_BOS else 0)
    text = tokenizer.apply_chat_template(chat_messages(ARTICLE), tokenize=False, add_generation_prompt=True)
    assert tokenizer(text.removeprefix(tokenizer.bos_token or ""))["input_ids"] == ids
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)


def test_a_tokenizer_that_frames_texts_otherwise_is_refused(tmp_path: Path) -> None:
    from tokenizers import processors

    tokenizer = tiny_tokenizer("gemma3")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 0), ("<eos>", 1)]
    )
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="frames each text"):
        load_tokenizer(str(tmp_path), TEMPLATE)


def test_a_tokenizer_without_end_or_spare_token_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer("gemma3")
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path / "endless")
    with pytest.raises(UserError, match="without an end token"):
        load_tokenizer(str(tmp_path / "endless"), TEMPLATE)
    tokenizer = tiny_tokenizer("exaone4")
    tokenizer.eos_token = tokenizer.pad_token = "[BOS]"
    tokenizer.save_pretrained(tmp_path / "shared")
    assert load_tokenizer(str(tmp_path / "shared"), TEMPLATE).pad_token == "[PAD]"


def test_other_kinds_of_models_are_refused_with_what_to_do() -> None:
    from transformers import BertConfig, Gemma3Config, Lfm2Config, T5Config

    for config, reported in (
        (T5Config(), "encoder-decoder model"),
        (Gemma3Config(), r"text and .*vision.*choose the family's text model"),
        (BertConfig(), None),
    ):
        if reported:
            with pytest.raises(UserError, match=f"(?s){reported}"):
                check_architecture(config)
    mixed = Lfm2Config(layer_types=["conv", "full_attention"], num_hidden_layers=2)
    check_architecture(mixed)
    with pytest.raises(UserError, match="layers of kind conv"):
        check_architecture(mixed, packing=True)
    for family_name in FAMILIES:
        check_architecture(tiny_config(family_name), packing=True)
        assert context_tokens(tiny_config(family_name)) == 4096


def test_a_model_that_fsdp_wraps_as_one_piece_is_reported() -> None:
    with pytest.raises(RuntimeError, match="no decoder layer"):
        wrapped_layers(torch.nn.Linear(2, 2))
