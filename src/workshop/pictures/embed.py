"""Put the pictures of a page into the page, so that it can be mailed as one file."""

from __future__ import annotations

import re
from pathlib import Path

IMG_DIR = Path(__file__).parents[3] / "img"
PICTURE = '<svg class="concept" '
"""How an inlined picture begins."""
_TAG = re.compile(r'<img\b[^>]*\bsrc="(?:\.\./)*img/([\w-]+)\.svg"[^>]*>')


def inlined(page: str) -> str:
    """Return HTML with the pictures of img/ in the place of the tags that name them.

    As elements of the page, so that they have its font with Hangul, where it brings one. nbconvert embeds
    images too, but none from above a notebook's folder.
    """
    return _TAG.sub(lambda found: _element(found[1]), page)


def _element(name: str) -> str:
    svg = (IMG_DIR / f"{name}.svg").read_text(encoding="utf-8").strip()
    return svg.replace("<svg ", f'{PICTURE}style="max-width: 100%; height: auto" ', 1)
