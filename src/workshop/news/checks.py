"""What makes a row unfit to train or test on, each with its reason."""

import re

MIN_DOCUMENT_CHARS = 50
MIN_SUMMARY_CHARS = 10
# Mixed rows are legitimate, an article on chips may be half English names. Below a tenth a text is foreign.
MIN_HANGUL_SHARE = 0.1

NO_DOCUMENT = "empty article"
NO_SUMMARY = "empty summary"
BROKEN = "broken encoding"
SHORT_DOCUMENT = f"article shorter than {MIN_DOCUMENT_CHARS} characters"
SHORT_SUMMARY = f"summary shorter than {MIN_SUMMARY_CHARS} characters"
LONG_SUMMARY = "summary not shorter than its article"
FOREIGN = f"less than {MIN_HANGUL_SHARE:.0%} of the letters are Hangul"
DUPLICATE = "the same article as an earlier row"

_LETTER = re.compile(r"[^\W\d_]")
_HANGUL = re.compile("[가-힣ㄱ-ㆎ\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\uffa1-\uffdc]")

_LOST = re.compile("[\ufffd\ud800-\udfff]")
# How bytes 0x80 to 0xBF look when read as Latin-1 or Windows-1252.
_CONTINUATION = "[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
# UTF-8 read as Latin-1 or Windows-1252: "안" is "ì•ˆ". After a Latin letter it may be Italian ("così…”").
_UTF8_AS_LATIN = re.compile(f"(?<![A-Za-z])(?:[ê-í]{_CONTINUATION}{{2}}|á[„…†‡]{_CONTINUATION})")
# CP949 read as Latin-1: "안녕" is "¾È³ç". Real text has no four accented characters in a row that all fit.
_CP949_AS_LATIN = re.compile("(?:[°-È][¡-þ]){2,}")
# UTF-8 read as CP949: "안녕하세요" is "?덈뀞?섏꽭??". Such text is full of syllables beyond the 2,350 of
# KS X 1001, which real text hardly has (똠방각하, 펲시).
_RARE_SYLLABLE = re.compile(
    "["
    + "".join(chr(code) for code in range(0xAC00, 0xD7A4) if len(chr(code).encode("euc_kr", "ignore")) != 2)
    + "]"
)
_MIN_RARE_SYLLABLES = 3
# Mojibake has about 0.87; an article with one such sentence 0.3.
_MIN_RARE_SHARE = 0.2


def problem_of(document: str, summary: str) -> str | None:
    """Return why a cleaned row is unfit, or None.

    Args:
        document: the article, cleaned.
        summary: its summary, cleaned.
    """
    if not document:
        return NO_DOCUMENT
    if not summary:
        return NO_SUMMARY
    if is_broken(document) or is_broken(summary):
        return BROKEN
    if len(document) < MIN_DOCUMENT_CHARS:
        return SHORT_DOCUMENT
    if len(summary) < MIN_SUMMARY_CHARS:
        return SHORT_SUMMARY
    if len(summary) >= len(document):
        return LONG_SUMMARY
    if _is_foreign(document) or _is_foreign(summary):
        return FOREIGN
    return None


def is_broken(text: str) -> bool:
    """Say whether a text was damaged by a wrong encoding: replaced characters, surrogates, mojibake."""
    if _LOST.search(text) or _UTF8_AS_LATIN.search(text) or _CP949_AS_LATIN.search(text):
        return True
    rare = _RARE_SYLLABLE.findall(text)
    return len(rare) >= _MIN_RARE_SYLLABLES and len(rare) >= _MIN_RARE_SHARE * len(_HANGUL.findall(text))


def _is_foreign(text: str) -> bool:
    num_hangul = len(_HANGUL.findall(text))
    if num_hangul and num_hangul >= MIN_HANGUL_SHARE * len(text):  # of all characters: letters need no count
        return False
    num_letters = len(_LETTER.findall(text))
    return not num_letters or num_hangul / num_letters < MIN_HANGUL_SHARE
