"""Invented names and days: people, organisations, places, brands.

Names are pairs of syllables. A fifth of the pairs is held out: they never occur in training text, so a
model that writes them into a summary has copied them from the article and not remembered them.
"""

from __future__ import annotations

import random

# Syllables of names are rarely particles or endings: 가, 나, 은 and 이 would stand in every sentence.
SURNAMES = "김박최정강조윤장임오서신권황안송류홍문배"
GIVEN = "건겸경규균란률린민범별봉빈섭성솔숙슬승연엽영옥완욱웅원유율재준진찬철태택필혁현호훈희"
COINED = "갈강결곰꽃낙누늘달담돌돛들뜰마맑몽물밀밤벼별봄불빛산새샘섬솔숨숲온울잎참초콩탑터틀푸풀흰"
PLACE_ENDS = "시군구읍동"
NUM_NAME_GROUPS, HELD_OUT_GROUP = 5, 0


def is_held_out(pool: str, first: str, second: str) -> bool:
    """Return whether a pair of a pool's syllables belongs to the fifth that training text never has."""
    return (pool.index(first) * 7 + pool.index(second)) % NUM_NAME_GROUPS == HELD_OUT_GROUP


class Names:
    """Draw names from the pools; one of the two halves, training or held out.

    Args:
        rng: source of chance.
        held_out: draw from the fifth of the pairs that training text never has.
    """

    def __init__(self, rng: random.Random, *, held_out: bool = False) -> None:
        self._rng = rng
        self._held_out = held_out

    def _pair(self, pool: str) -> str:
        while True:
            first, second = self._rng.choice(pool), self._rng.choice(pool)
            if first != second and is_held_out(pool, first, second) == self._held_out:
                return first + second

    def person(self) -> str:
        """Return a full name of three syllables."""
        return self._rng.choice(SURNAMES) + self._pair(GIVEN)

    def stem(self) -> str:
        """Return a coined word of two syllables, the stem of organisations, places and brands."""
        return self._pair(COINED)


class DistinctNames(Names):
    """Names that share no syllable within one article; `forget` begins the next article.

    A model of this size copies syllable by syllable, and loses its way where 돌벼교육청 stands beside 돌낙구.
    """

    def __init__(self, rng: random.Random, *, held_out: bool = False) -> None:
        super().__init__(rng, held_out=held_out)
        self._used: set[str] = set()

    def forget(self) -> None:
        """Begin an article: every syllable may be used again."""
        self._used.clear()

    def _pair(self, pool: str) -> str:
        while self._used & set(pair := super()._pair(pool)):
            pass
        self._used |= set(pair)
        return pair


def day(rng: random.Random) -> str:
    """Return a day as news give it: "지난 14일", "오는 3일" is made by the sentence around it."""
    return f"{rng.randint(1, 28)}일"
