"""One colour and one marker for each engine, version and model, in every figure.

Red stays for what failed.
"""

from collections.abc import Iterable
from typing import NamedTuple

from workshop.plots.style import BLUE, GREEN, GREY, MARKERS, ORANGE, PINK, SKY


class Look(NamedTuple):
    """How one of several is drawn."""

    colour: str
    marker: str


_LOOKS = {
    # engines
    "TGI": Look(BLUE, "o"),
    "vLLM": Look(ORANGE, "s"),
    "vLLM or LMI": Look(ORANGE, "s"),
    "LMI": Look(PINK, "v"),
    # models, and the components and rungs that bear their names
    "tuned": Look(GREEN, "o"),
    "base": Look(SKY, "s"),
    "adapter": Look(PINK, "D"),
    "lead-3": Look(GREY, "^"),
    # versions: the first one is the tuned model
    "v1": Look(GREEN, "o"),
    "v2": Look(BLUE, "P"),
    "v3": Look(ORANGE, "D"),
    "v4": Look(PINK, "v"),
}
_OTHERS = (BLUE, ORANGE, GREEN, SKY, PINK, GREY)


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Return how each name of a figure is drawn; no two of them in one colour while there are six at most.

    Args:
        names: As they are, or with others around them: news-ic-1129-tuned, v3-template.
    """
    names = list(dict.fromkeys(names))
    chosen: dict[str, Look] = {}
    for name in names:
        keys = (name, name.rpartition("-")[2], name.partition("-")[0])
        known = next((_LOOKS[key] for key in keys if key in _LOOKS), None)
        if known and known.colour not in {look.colour for look in chosen.values()}:
            chosen[name] = known
    for index, name in enumerate(names):
        if name not in chosen:
            taken = {look.colour for look in chosen.values()}
            free = [colour for colour in _OTHERS if colour not in taken] or _OTHERS
            marks = {look.marker for look in chosen.values()}
            marker = next((mark for mark in MARKERS if mark not in marks), MARKERS[index % len(MARKERS)])
            chosen[name] = Look(free[index % len(free)] if len(free) == len(_OTHERS) else free[0], marker)
    return {name: chosen[name] for name in names}
