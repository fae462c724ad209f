"""Exactly the summary and its end token are trained on, and no row is lost silently."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from tests.train.conftest import BASE, REPO
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from sample.news.generator import rows
from tuning.data import IGNORED, read_rows, tokenize
from tuning.errors import UserError
from tuning.tokenizer import load_tokenizer
from workshop.prompt import REQUEST, SYSTEM, chat_messages

TEMPLATE = str(REPO / "src" / "train" / "chat_template.jinja")
EDGE_CASES = [
    ("기사입니다. 값은 1,250억 원이다.", "요약입니다."),
    ("결합형 한글 " + "한글", "NFD 한글"),
    ("이모지 👩‍🔬 기사", "👍 좋다"),
    ("漢字와 中 기사", "美·中 협상"),
    ("반각 ｱｲｳ 123", "１２３ 전각"),
    ("Mixed 한국어 English", "“인용”으로 시작"),
    ("줄\n바꿈\n\n있음", "두 줄\n요약"),
    ("공백", "  앞뒤 공백  "),
    ("숫자", "123으로 시작"),
    ("길다 " * 300, "짧다"),
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer(str(BASE), TEMPLATE)


def labelled(
    tokenizer: PreTrainedTokenizerBase, article: str, summary: str
) -> tuple[str, list[int], list[int]]:
    data = tokenize(tokenizer, [chat_messages(article, summary)], max_seq_tokens=10_000, name="test")
    ids, labels = data[0]["input_ids"], data[0]["labels"]
    trained = [token for token, label in zip(ids, labels, strict=True) if label != IGNORED]
    return tokenizer.decode(trained), ids, labels


@pytest.mark.parametrize(("article", "summary"), EDGE_CASES)
def test_trained_tokens_are_the_summary_and_one_end_token(
    tokenizer: PreTrainedTokenizerBase, article: str, summary: str
) -> None:
    trained, ids, labels = labelled(tokenizer, article, summary)
    assert trained == f" {summary}<|end_of_text|>"
    assert labels[-1] == tokenizer.eos_token_id
    # once trained and from there to the end: the completion is one run of tokens
    first = next(index for index, label in enumerate(labels) if label != IGNORED)
    assert labels[first:] == ids[first:]


@pytest.mark.parametrize(("article", "summary"), EDGE_CASES)
def test_the_row_is_the_documented_format_with_one_bos(
    tokenizer: PreTrainedTokenizerBase, article: str, summary: str
) -> None:
    _, ids, _ = labelled(tokenizer, article, summary)
    expected = (
        f"<|begin_of_text|>{SYSTEM}\n\nHuman: {REQUEST}\n\n{article}<|end_of_text|>"
        f"\n\nAssistant: {summary}<|end_of_text|>"
    )
    assert tokenizer.decode(ids) == expected
    assert ids.count(tokenizer.bos_token_id) == 1
    # a route that takes text adds the BOS itself and arrives at the same ids
    assert tokenizer(expected.removeprefix("<|begin_of_text|>"))["input_ids"] == ids


def test_prompt_ids_are_a_prefix_for_a_thousand_generated_rows(tokenizer: PreTrainedTokenizerBase) -> None:
    conversations = [chat_messages(row["document"], row["summary"]) for row in rows(1000, seed=11)]
    assert len(tokenize(tokenizer, conversations, max_seq_tokens=2048, name="test")) == 1000


def test_a_template_that_ends_the_prompt_inside_a_token_is_refused(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    broken = AutoTokenizer.from_pretrained(BASE)
    broken.chat_template = Path(TEMPLATE).read_text().replace("Assistant:' -}}", "Assistant: ' -}}")
    with pytest.raises(UserError, match="not the first tokens"):
        tokenize(broken, [chat_messages("기사", "요약")], max_seq_tokens=2048, name="test")


def test_long_rows_are_refused_and_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    conversations = [chat_messages("글 " * length, "요약") for length in (5, 500, 600)]
    with pytest.raises(UserError, match="2 of 3 training rows are longer than 200 tokens"):
        tokenize(tokenizer, conversations, max_seq_tokens=200, name="training")


def test_rows_are_read_from_a_file_or_a_folder_in_name_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"messages": chat_messages(name, name)}) + "\n")
    assert [row[-1]["content"] for row in read_rows(str(tmp_path), name="train_data")] == ["a", "b"]
    assert len(list(read_rows(str(tmp_path / "a.jsonl"), name="train_data"))) == 1
    assert len(list(read_rows(str(tmp_path), name="train_data", max_rows=1))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"messages": []}',
        '{"messages": [{"role": "user", "content": "x"}]}',
        '{"messages": "x"}',
        '{"messages": [{"role": "user", "content": null}, {"role": "assistant", "content": "x"}]}',
        '{"messages": [{"role": "tool", "content": "x"}, {"role": "assistant", "content": "x"}]}',
    ],
)
def test_a_line_that_is_not_a_conversation_is_reported_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"messages": chat_messages("글", "요약")}) + f"\n{line}\n")
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2"):
        list(read_rows(str(path), name="train_data"))


def test_a_byte_order_mark_is_no_error_and_another_encoding_is_reported(tmp_path: Path) -> None:
    line = json.dumps({"messages": chat_messages("글", "요약")}, ensure_ascii=False)
    (tmp_path / "bom.jsonl").write_text(line, encoding="utf-8-sig")
    assert len(list(read_rows(str(tmp_path / "bom.jsonl"), name="train_data"))) == 1
    (tmp_path / "cp949.jsonl").write_text(line, encoding="cp949")
    with pytest.raises(UserError, match=r"cp949\.jsonl is not UTF-8"):
        read_rows(str(tmp_path / "cp949.jsonl"), name="train_data")


@pytest.mark.parametrize("content", [None, ""])
def test_missing_or_empty_data_names_the_notebook(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match="notebook 01-Prepare-Dataset-KR-News"):
        read_rows(str(path), name="train_data")


def test_ten_times_the_rows_take_hardly_more_memory(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuning.data._CHUNK_ROWS", 20)
    row = json.dumps({"messages": chat_messages("글 " * 100, "요약")}) + "\n"
    peaks = []
    for num_rows in (40, 40, 400):  # the first fills caches
        path = tmp_path / f"{num_rows}.jsonl"
        path.write_text(row * num_rows)
        tracemalloc.start()
        data = tokenize(tokenizer, read_rows(str(path), name="data"), max_seq_tokens=2048, name="test")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(data) == num_rows
    assert peaks[2] < 1.3 * peaks[1]


def test_tokenised_rows_leave_no_file_behind(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data = tokenize(tokenizer, [chat_messages("글", "요약")] * 3, max_seq_tokens=2048, name="test")
    assert not list(tmp_path.iterdir())
    assert data[2]["input_ids"] == data[0]["input_ids"]


def test_pad_token_differs_from_the_end_token(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_a_tokenizer_that_pads_with_its_end_token_gets_a_pad_token_of_its_own(tmp_path: Path) -> None:
    shared = AutoTokenizer.from_pretrained(BASE)
    shared.pad_token = shared.eos_token
    shared.save_pretrained(tmp_path)
    assert load_tokenizer(str(tmp_path), TEMPLATE).pad_token == "<|finetune_right_pad_id|>"
