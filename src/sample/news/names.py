"""Invented names and numbers: people, organisations, places, dates, amounts.

Names are pairs of syllables. A fifth of the pairs is held out: they never occur in training text, so a
model that writes them into a summary has copied them from the article and not remembered them.
"""

from __future__ import annotations

import random

SURNAMES = "김이박최정강조윤장임한오서신권황안송류홍"
GIVEN = "가나다도라려로루린명민별서선솔수슬시아연영예우원유윤율은재주지진찬채태하해현호희"
COINED = "가고금나노누늘다달담도동두들라람루리마맑모무미바별빛산새샘소솔아온울은이초터푸하한해"
PLACE_ENDS = "시군구읍동"
NUM_NAME_GROUPS, HELD_OUT_GROUP = 5, 0


def syllable_pair(rng: random.Random, pool: str, *, held_out: bool) -> str:
    """Draw two different syllables whose pair belongs (or does not belong) to the held-out fifth."""
    while True:
        first, second = rng.randrange(len(pool)), rng.randrange(len(pool))
        if first != second and ((first * 7 + second) % NUM_NAME_GROUPS == HELD_OUT_GROUP) == held_out:
            return pool[first] + pool[second]


def person(rng: random.Random, *, held_out: bool) -> str:
    """Return a full name of three syllables."""
    return rng.choice(SURNAMES) + syllable_pair(rng, GIVEN, held_out=held_out)


def coined(rng: random.Random, *, held_out: bool) -> str:
    """Return a coined word of two syllables, the stem of organisations, places and brands."""
    return syllable_pair(rng, COINED, held_out=held_out)


def number(rng: random.Random, *, decimals: bool = False) -> str:
    """Return a number of 2 to 4 digits as a newspaper prints it: 87, 450, 1,250 or 12.7."""
    if decimals and rng.random() < 0.4:
        return f"{rng.randint(2, 98)}.{rng.randint(1, 9)}"
    low, high = rng.choice(((11, 99), (101, 999), (101, 999), (1001, 9899)))
    return f"{rng.randint(low, high):,}"


def other_number(rng: random.Random, taken: str, *, decimals: bool = False) -> str:
    """Return a number that differs from the one taken, for a sentence that must not be confused with it."""
    while (candidate := number(rng, decimals=decimals)) == taken:
        pass
    return candidate


def day(rng: random.Random) -> str:
    """Return a day as news give it: "지난 14일", "오는 3일" is made by the sentence around it."""
    return f"{rng.randint(1, 28)}일"
