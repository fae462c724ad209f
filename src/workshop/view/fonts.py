"""A font with Hangul inside a page: not every machine has one, and a mailed page meets any machine."""

from __future__ import annotations

import base64
import io
from importlib.metadata import distribution
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

_WEIGHTS = {400: "NanumGothic.ttf", 700: "NanumGothicExtraBold.ttf"}


def font_faces(text: str, family: str) -> str:
    """Return CSS that brings NanumGothic (OFL), regular and bold, under a name of the page's own.

    Args:
        text: Only its characters are kept of the font, which has 2 MB for each weight.
        family: What the page's style calls it.
    """
    from fontTools import subset

    package = distribution("koreanize-matplotlib")
    faces = []
    for weight, name in _WEIGHTS.items():
        options = subset.Options(notdef_outline=True, layout_features=["*"])
        # Sources of hints, which nobody can cut.
        options.drop_tables += [f"TSI{number}" for number in "01235"]
        path = package.locate_file(f"koreanize_matplotlib/fonts/{name}")
        font: TTFont = subset.load_font(str(path), options)
        cutter = subset.Subsetter(options)
        cutter.populate(text=text)
        cutter.subset(font)
        packed = io.BytesIO()
        font.save(packed)
        faces.append(
            f"@font-face {{font-family: {family}; font-weight: {weight};"
            f" src: url({data_url(packed.getvalue(), 'font/ttf')}) format('truetype');}}"
        )
    return "".join(faces)


def data_url(content: bytes, kind: str) -> str:
    """Return content as an address that has it inside, of a MIME type such as text/javascript."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
