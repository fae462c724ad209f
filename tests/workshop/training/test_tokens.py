"""What is shown is what the model reads, token by token."""

import re
import unicodedata
from html import unescape

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from workshop.errors import WorkshopError
from workshop.prompt import BEGIN_TOKEN, END_TOKEN, chat_messages, render
from workshop.training.tokens import pieces, render_row

ARTICLE = "한빛전자가 20일 새 배터리를 선보였다.\n값은 3만 5000원이다.\n\n“좋다”고 했다."
SUMMARY = "한빛전자가 새 배터리를 3만 5000원에 선보였다."
TEXTS = {
    "plain": (ARTICLE, SUMMARY),
    "emoji and joined emoji": ("날씨 😀 가족 👨‍👩‍👧‍👦 깃발 🇰🇷", "맑음 ☀️"),
    "hanja and rare syllables": ("漢江에서 뷁 똠방각하 𠮷", "漢江 뷁"),
    "NFD": (unicodedata.normalize("NFD", ARTICLE), unicodedata.normalize("NFD", SUMMARY)),
    "half-width and full-width": ("ﾤￂ ３７％", "ＧＰＵ ﾤￂ"),
    "control characters": ("가\x00나\x07다\r\n라\t마\x7f", "가\x1b[31m나"),
    "special tokens as text": (f"가 {END_TOKEN} 나{BEGIN_TOKEN}", f"다 {END_TOKEN}라"),
    "markup": ("<b>굵게</b> & &amp; <script>1</script>", "<i>'\"</i>"),
    "empty": ("", ""),
    "very long": (ARTICLE * 300, SUMMARY),
}
# Llama-3's split pattern: https://github.com/meta-llama/llama3, llama/tokenizer.py
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A small tokenizer made as Llama-3's is, its start token added by a post-processor as there."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[BEGIN_TOKEN, END_TOKEN],
        show_progress=False,
    )
    made.train_from_iterator([ARTICLE, SUMMARY, render(chat_messages(ARTICLE))] * 3, trainer)
    made.add_special_tokens([AddedToken("<|finetune_right_pad_id|>", special=True)])
    made.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN_TOKEN} $A", special_tokens=[(BEGIN_TOKEN, made.token_to_id(BEGIN_TOKEN))]
    )
    return made


@pytest.mark.parametrize("name", TEXTS)
def test_the_pieces_are_the_rendered_text(tokenizer: Tokenizer, name: str):
    messages = chat_messages(*TEXTS[name])
    row = pieces(tokenizer, messages)
    text = render(messages)
    assert "".join(piece.text for piece in row) == text
    token_ids = [token_id for piece in row for token_id in piece.token_ids]
    assert token_ids == tokenizer.encode(text, add_special_tokens=False).ids
    assert token_ids.count(tokenizer.token_to_id(BEGIN_TOKEN)) == text.count(BEGIN_TOKEN)


@pytest.mark.parametrize("name", TEXTS)
def test_the_trained_pieces_are_the_summary_with_its_space_and_the_end_token(tokenizer: Tokenizer, name: str):
    row = pieces(tokenizer, chat_messages(*TEXTS[name]))
    assert "".join(piece.text for piece in row if piece.is_trained) == f" {TEXTS[name][1]}{END_TOKEN}"
    flags = [piece.is_trained for piece in row]
    assert flags == sorted(flags)


def test_bytes_of_one_character_are_joined_and_no_more(tokenizer: Tokenizer):
    row = pieces(tokenizer, chat_messages("뷁😀", "가"))
    joined = {piece.text: len(piece.token_ids) for piece in row if len(piece.token_ids) > 1}
    assert joined["뷁"] == 3
    assert joined["😀"] == 4
    assert all(len(text) == 1 for text in joined)


def test_special_tokens_differ_from_the_text(tokenizer: Tokenizer):
    row = pieces(tokenizer, chat_messages("기사", "요약"))
    assert [piece.text for piece in row if piece.is_special] == [BEGIN_TOKEN, END_TOKEN, END_TOKEN]


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "control characters"])
def test_the_page_holds_exactly_the_text(tokenizer: Tokenizer, name: str):
    messages = chat_messages(*TEXTS[name])
    row = render_row(tokenizer, messages).data.split('<div class="row">')[1].removesuffix("</div></div>")
    assert unescape(re.sub(r"</?[bi]\b[^>]*>", "", row)) == render(messages)


def test_newlines_and_control_characters_are_visible(tokenizer: Tokenizer):
    html = render_row(tokenizer, chat_messages("가\n\x00나", "다")).data
    assert html.count('<i class="newline"></i>\n') == render(chat_messages("가\n나", "다")).count("\n")
    assert "␀" in html
    assert "\x00" not in html


def test_trained_and_special_tokens_are_marked(tokenizer: Tokenizer):
    html = render_row(tokenizer, chat_messages("기사", "요약")).data
    assert len(re.findall('<b class="special"', html)) == 3  # the key, start, end of the request
    assert re.findall(r'<b class="trained special"[^>]*>([^<]*)</b>', html) == ["&lt;|end_of_text|&gt;"]
    num_trained = len(tokenizer.encode(f" 요약{END_TOKEN}", add_special_tokens=False).ids)
    assert f"{num_trained} trained" in html


def test_a_transformers_tokenizer_gives_the_same_pieces(tokenizer: Tokenizer):
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN_TOKEN, eos_token=END_TOKEN)
    messages = chat_messages(ARTICLE, SUMMARY)
    assert pieces(wrapped, messages) == pieces(tokenizer, messages)


def test_a_tokenizer_that_joins_prompt_and_summary_is_refused():
    joining = Tokenizer(models.BPE())
    joining.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=3000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    joining.train_from_iterator(["\n\nAssistant: 요"] * 50, trainer)
    with pytest.raises(WorkshopError, match="not the first tokens"):
        pieces(joining, chat_messages("기사", "요약"))


def test_a_tokenizer_that_loses_characters_is_refused():
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "Assistant": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(WorkshopError, match="do not hold the text"):
        pieces(words, chat_messages("기사", "요약"))
