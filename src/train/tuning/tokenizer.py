"""The tokenizer of any family, with the prompt's format, a pad token of its own, and one habit about BOS."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.errors import UserError, cannot_load

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Tokens that a family keeps for padding: Llama 3.1 and later, Qwen, others; Llama 3.0 has only reserved ones.
PAD_TOKENS = ("<|finetune_right_pad_id|>", "<|fim_pad|>", "<pad>", "[PAD]", "<|pad|>")
_SPARE = re.compile(r"pad|reserved|unused|extra", re.IGNORECASE)


def load_tokenizer(
    model_name_or_path: str, chat_template: str, *, revision: str = "main"
) -> PreTrainedTokenizerBase:
    """Return the tokenizer with the prompt's format as its template and a pad token unlike the end token.

    Raises:
        UserError: when the template or the tokenizer cannot be read, or lacks an end or a spare token.
    """
    from transformers import AutoTokenizer

    if not Path(chat_template).is_file():
        raise UserError(
            found=f"no chat template {chat_template}",
            expected="a Jinja file",
            next_step="leave chat_template out to use src/train/chat_template.jinja",
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(model_name_or_path, revision=revision)
    except OSError as error:
        raise cannot_load(model_name_or_path, error) from None
    if tokenizer.eos_token_id is None:
        raise UserError(
            found=f"a tokenizer without an end token in {model_name_or_path}",
            expected="eos_token: it ends an answer, and the model learns to write it",
            next_step="name one in the model's tokenizer_config.json",
        )
    tokenizer.chat_template = Path(chat_template).read_text(encoding="utf-8")
    _follow_bos_habit(tokenizer)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        # A pad token equal to the end token is masked in the labels: the model would never learn to stop.
        tokenizer.pad_token = _spare_token(tokenizer)
    return tokenizer


def _follow_bos_habit(tokenizer: PreTrainedTokenizerBase) -> None:
    """Begin chats as the tokenizer begins texts: with one BOS token, or without.

    Some tokenizers name a BOS token and never write it (EXAONE 4). A chat would then begin with a token that
    no text route adds, and that the base model has not seen there.
    """
    plain = tokenizer("가", add_special_tokens=False)["input_ids"]
    framed = tokenizer("가")["input_ids"]
    if framed == plain:
        tokenizer.bos_token = None
    elif framed != [tokenizer.bos_token_id, *plain]:
        raise UserError(
            found=f"a tokenizer that frames each text with tokens of its own: {tokenizer.decode(framed)!r}",
            expected="nothing around a text, or one BOS token before it: all routes have the same ids then",
            next_step="set the post_processor in the model's tokenizer.json accordingly",
        )


def _spare_token(tokenizer: PreTrainedTokenizerBase) -> str:
    vocabulary = tokenizer.get_vocab()
    special = sorted(tokenizer.added_tokens_decoder.items())
    candidates = [token for token in PAD_TOKENS if token in vocabulary]
    candidates += [token.content for _, token in special if token.special and _SPARE.search(token.content)]
    candidates += [tokenizer.unk_token] if tokenizer.unk_token else []
    for token in candidates:
        if token not in (tokenizer.eos_token, tokenizer.bos_token):
            return token
    raise UserError(
        found=f"the pad token {tokenizer.pad_token!r} and the end token {tokenizer.eos_token!r}",
        expected="a pad token of its own",
        next_step="set pad_token in the model's tokenizer_config.json to an unused special token",
    )
