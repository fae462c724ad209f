"""Clean one text: what a reader would not see, or would see as rubbish, goes; the words stay as they are."""

import re
import unicodedata
from html import entities, unescape

# Tags are told from Korean angle brackets ("<사진=…>", "3 < 5") by their names.
_TAG_NAMES = (
    "a|abbr|b|big|blockquote|body|br|caption|center|cite|dd|del|div|dl|dt|em|embed|figcaption|figure|font|form|"
    "h[1-6]|head|hr|html|i|iframe|img|input|ins|li|link|meta|ol|p|picture|pre|script|small|span|strike|strong|"
    "style|sub|sup|svg|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|video|wbr"
)
_HIDDEN_HTML = re.compile(r"<(script|style)\b[^<>]*>.*?</\1\s*>|<!--.*?-->", re.I | re.S)
_BREAKING_TAG = re.compile(r"</?(?:br|p|div|li|tr|h[1-6]|hr)(?:\s[^<>]*)?/?>", re.I)
_TAG = re.compile(rf"</?(?:{_TAG_NAMES})(?:\s[^<>]*)?/?>", re.I)
# "&amp;amp;quot;" is unwrapped at once; an entity needs its semicolon, or "?a=1&copy=2" would change.
_ENTITY = re.compile(r"&(?:amp;)*(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# A model's own marks must not occur in a text: "<|end_of_text|>" in an article would end it.
_MODEL_MARK = re.compile(r"<\|[A-Za-z0-9_]{1,64}\|>")

_LINE_BREAK = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_BLANK = re.compile("[\t\xa0\u115f\u1160\u1680\u2000-\u200a\u202f\u205f\u3000\u3164\uffa0]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_INVISIBLE = re.compile(
    "[\xad\u034f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
    # Joiners hold emoji together (a family of four) and are kept there only.
    "|[\u200c\u200d](?![\u2190-\u2bff\U0001f000-\U0001faff])"
    "|(?<![\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]"
)
_SPACES = re.compile(" {2,}")
_AROUND_BREAKS = re.compile(" *\n[ \n]*")
# One pass over a text that has none of this is all that most texts cost.
_SUSPICIOUS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    "\u3000\u3164\ufeff\uffa0\ufff9-\ufffb]"
)

NFD, CONTROL, INVISIBLE, HTML, MODEL_MARK, WHITESPACE = CHANGES = (
    "decomposed Hangul and other NFD made NFC",
    "control characters removed",
    "invisible characters removed",
    "HTML entities and tags removed",
    "a model's special tokens removed",
    "whitespace tidied",
)


def clean_text(text: str) -> str:
    """Clean a text; a cleaned text stays as it is.

    Decomposed Hangul (NFD, as macOS writes it) is composed, HTML entities are resolved and tags removed,
    control and invisible characters and a model's special tokens removed, and whitespace reduced to single
    spaces and line breaks. Hanja, emoji, half-width and full-width forms stay: NFKC, which would change
    them, is not used.
    """
    return _clean(text, None)


def changes_of(text: str) -> set[str]:
    """Return which of CHANGES `clean_text` makes to a text."""
    found: set[str] = set()
    _clean(text, found)
    return found


def _clean(text: str, found: set[str] | None) -> str:
    if _is_clean(text):
        return text
    # What is resolved may hold more of its kind ("&lt;b&gt;" is a tag): again, until nothing changes. Every
    # step but the first makes the text shorter or leaves blanks of one kind, so this ends.
    while True:
        before = text
        for change, step in _STEPS:
            after = step(text)
            if found is not None and after != text:
                found.add(change)
            text = after
        if text == before:
            return text


def _is_clean(text: str) -> bool:
    return (
        "&" not in text
        and "<" not in text
        and "  " not in text
        and "\n " not in text
        and " \n" not in text
        and "\n\n" not in text
        and text == text.strip()
        and not _SUSPICIOUS.search(text)
        and unicodedata.is_normalized("NFC", text)
    )


def _without_html(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(_resolved, text)
    if "<" in text:
        text = _HIDDEN_HTML.sub(" ", text)
        text = _BREAKING_TAG.sub("\n", text)
        text = _TAG.sub("", text)
    return text


def _resolved(entity: re.Match[str]) -> str:
    name = entity[1] + ";"
    # `unescape` takes the beginning of an unknown name for an older entity: "&notice;" would become "¬ice;".
    return unescape("&" + name) if name[0] == "#" or name in entities.html5 else "&" + name


def _tidy_whitespace(text: str) -> str:
    text = _LINE_BREAK.sub("\n", text)
    text = _BLANK.sub(" ", text)
    text = _SPACES.sub(" ", text)
    return _AROUND_BREAKS.sub("\n", text).strip()


_STEPS = (
    (HTML, _without_html),
    (MODEL_MARK, lambda text: _MODEL_MARK.sub("", text) if "<|" in text else text),
    (CONTROL, lambda text: _CONTROL.sub("", text)),
    (INVISIBLE, lambda text: _INVISIBLE.sub("", text)),
    (WHITESPACE, _tidy_whitespace),
    (NFD, lambda text: unicodedata.normalize("NFC", text)),
)
