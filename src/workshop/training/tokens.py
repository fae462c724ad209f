"""One training row as the model sees it: every token, and which of them are trained."""

import codecs
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from workshop.errors import WorkshopError
from workshop.prompt import Message, render

if TYPE_CHECKING:
    from IPython.display import HTML

# Translucent grounds: the page's own text colour stays readable on them, on white and on black.
_STYLE = """<style>
.news-tokens .row{line-height:2.05;white-space:pre-wrap;word-break:break-all;font-size:14px;
 border:1px solid rgba(128,128,128,.45);border-radius:6px;padding:12px 14px;max-height:36em;overflow-y:auto}
.news-tokens b{font-weight:inherit;padding:2px 0;margin-right:2px;
 border-bottom:1px solid rgba(128,128,128,.8)}
.news-tokens b.trained{background:rgba(230,159,0,.38);border-bottom:2px solid #e69f00}
.news-tokens b.special{border:1.5px solid #0080c8;border-radius:4px;padding:1px 4px;font-size:12px;
 font-family:monospace}
.news-tokens i.newline::before{content:"↵";font-style:normal;opacity:.55}
</style>"""
# Control characters cannot be seen: their pictures are 0x2400 further on. Newline and tab stay.
_PICTURES = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"} | {0x7F: "␡"}


class Piece(NamedTuple):
    """A stretch of text made of one token, or of several where one alone is part of a character."""

    text: str
    token_ids: tuple[int, ...]
    is_trained: bool
    is_special: bool


def pieces(tokenizer: object, messages: Sequence[Message]) -> list[Piece]:
    """Cut one row into the pieces that the model reads; together they are the rendered text.

    Args:
        tokenizer: A byte-level `tokenizers.Tokenizer`, or a transformers tokenizer made of one.
        messages: System, user and assistant message. What follows `Assistant:` is trained, the end token
            included.

    Raises:
        WorkshopError: When the prompt's tokens are not the beginning of the row's tokens, or when the
            tokens do not hold the text they were made from.
    """
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    text = render(messages)
    token_ids = backend.encode(text, add_special_tokens=False).ids
    prompt = render(messages[:-1], add_generation_prompt=True)
    prompt_ids = backend.encode(prompt, add_special_tokens=False).ids
    if token_ids[: len(prompt_ids)] != prompt_ids:
        raise WorkshopError(
            found=f"a prompt whose {len(prompt_ids)} tokens are not the first tokens of prompt and summary",
            expected="a tokenizer that starts a new token at the space after 'Assistant:'",
            next_step="use the tokenizer of the base_model in workshop.yaml",
        )
    found = list(_pieces(backend, token_ids, len(prompt_ids)))
    if "".join(piece.text for piece in found) != text:
        raise WorkshopError(
            found=f"{len(token_ids)} tokens that do not hold the text they were made from",
            expected="a byte-level tokenizer that changes no character",
            next_step="use the tokenizer of the base_model in workshop.yaml",
        )
    return found


def render_row(tokenizer: object, messages: Sequence[Message]) -> "HTML":
    """Show one row as the model sees it: trained tokens coloured, special tokens boxed, newlines visible.

    Args:
        tokenizer: See pieces.
        messages: See pieces.
    """
    from IPython.display import HTML

    row = pieces(tokenizer, messages)
    num_tokens = sum(len(piece.token_ids) for piece in row)
    num_trained = sum(len(piece.token_ids) for piece in row if piece.is_trained)
    key = (
        f"{num_tokens:,} tokens = {num_tokens - num_trained:,} read + "
        f'<b class="trained">{num_trained:,} trained</b>; each underline is one token (or a few that share '
        'one character), <b class="special">boxed</b> is a special token, <i class="newline"></i> a new line'
    )
    body = "".join(map(_html, row))
    return HTML(f'<div class="news-tokens">{_STYLE}<p>{key}</p><div class="row">{body}</div></div>')


def _html(piece: Piece) -> str:
    names = "trained " * piece.is_trained + "special" * piece.is_special
    text = escape(piece.text.translate(_PICTURES)).replace("\n", '<i class="newline"></i>\n')
    title = ", ".join(map(str, piece.token_ids))
    return f'<b class="{names.strip()}" title="token {title}">{text}</b>'


def _pieces(backend: object, token_ids: Sequence[int], num_prompt_tokens: int) -> Iterator[Piece]:
    """Join tokens until their bytes are whole characters."""
    added = {index: token.content for index, token in backend.get_added_tokens_decoder().items()}
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text, ids = "", []
    for position, token_id in enumerate(token_ids):
        is_trained = position >= num_prompt_tokens
        if token_id in added:
            yield Piece(added[token_id], (token_id,), is_trained, is_special=True)
            continue
        text += decoder.decode(_token_bytes(backend.id_to_token(token_id)))
        ids.append(token_id)
        if not decoder.getstate()[0]:
            yield Piece(text, tuple(ids), is_trained, is_special=False)
            text, ids = "", []
    if ids:  # bytes of half a character at the very end: shown, so that the comparison with the text fails
        yield Piece(text + decoder.decode(b"", final=True), tuple(ids), True, is_special=False)


def _token_bytes(token: str) -> bytes:
    """Return the bytes that a byte-level token stands for."""
    table = _byte_of_character()
    return b"".join(table.get(character, character.encode()) for character in token)


@cache
def _byte_of_character() -> dict[str, bytes]:
    """Map the printable characters of byte-level vocabularies back to their bytes.

    Source: `bytes_to_unicode` in openai/gpt-2, src/encoder.py; the 188 printable bytes stand for themselves,
    the others for the characters from 256 on.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): bytes([byte]) for byte in printable} | {
        chr(256 + index): bytes([byte]) for index, byte in enumerate(others)
    }
