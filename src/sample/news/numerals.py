"""Write numbers as Korean newspapers do: 1,250억 원, 1조2500억 원, 1조2천500억원, 7천5백만원, 1만2천여 명."""

from __future__ import annotations

import random

# The smallest scale word among the digits (12,500명, 1만2500명, 1만2천500명, 1만2천5백명), and of how many of
# twenty articles. A model of this size would not learn to change the one into the other: a summary copies.
PLAIN = ""
MANNERS = {PLAIN: 14, "만": 2, "천": 3, "백": 1}
# What stands above a number whose unit begins with a scale word: 12,500 of 억 원 are 1조2천500억원.
_ABOVE = {"": ("", "만", "억"), "만": ("", "억", "조"), "억": ("", "조")}
_COUNTERS = ("명", "가구", "톤")  # that 여 is said of: 1만2천여 명


def draw_manner(rng: random.Random) -> str:
    """Return how an article writes its numbers, a key of MANNERS; all of them alike, as a paper does."""
    return rng.choices(list(MANNERS), weights=list(MANNERS.values()))[0]


def write(value: int, manner: str = PLAIN, *, scale: str = "") -> str:
    """Write a whole number: 12500 is 12,500, 1만2500, 1만2천500 or 1만2천5백.

    Args:
        value: from 1 to 99,999,999.
        manner: a key of MANNERS.
        scale: the scale word that the unit behind begins with ("억" of 억 원), or "".

    Raises:
        ValueError: for a value beyond, and for 10,000 억 원, which has another unit: 1조 원.
    """
    if not 0 < value < 10**8 or (scale and value % 10_000 == 0):
        raise ValueError(f"found {value:,} {scale}; expected 1 to 99,999,999, and what {scale} can follow")
    if manner == PLAIN:
        return f"{value:,}"
    text = ""
    for name in _ABOVE[scale]:
        value, below = divmod(value, 10_000)
        text = (f"{_below_ten_thousand(below, manner)}{name}" if below else "") + text
    return text


def _below_ten_thousand(value: int, manner: str) -> str:
    thousands, hundreds, rest = value // 1_000, value // 100 % 10, value % 100
    if manner == "만" or value < 100:
        return str(value)
    text = f"{thousands}천" if thousands else ""
    if manner == "백" and not rest:
        return text + (f"{hundreds}백" if hundreds else "")
    return text + (str(value % 1_000) if value % 1_000 else "")


def draw(rng: random.Random, manner: str = PLAIN, *, scale: str = "", is_round: bool = False) -> str:
    """Draw a number and write it: 87, 450, 1,250, or 3천200, 1만2천, 1조2천.

    Args:
        rng: source of chance.
        manner: a key of MANNERS.
        scale: the scale word that the unit behind begins with, or "".
        is_round: draw nothing but hundreds and thousands, as what is written with 백 or 여 is.
    """
    if manner == PLAIN:
        low, high = rng.choice(((11, 99), (101, 999), (101, 999), (1001, 9899)))
        return write(rng.randint(low, high))
    step, low, high = rng.choice(((1, 101, 999), (1, 1001, 9899), (100, 11, 98), (1_000, 11, 98)))
    if step == 1 and (is_round or manner == "백"):
        step, low, high = 100, 2, 98
    value = step * rng.randint(low, high)
    if scale and value % 10_000 == 0:
        value += step  # 3억 of 만원 is 3억원
    return write(value, manner, scale=scale)


def draw_decimal(rng: random.Random) -> str:
    """Draw a number with one decimal: 12.7."""
    return f"{rng.randint(2, 98)}.{rng.randint(1, 9)}"


def draw_points(rng: random.Random) -> str:
    """Draw what a rate changes by, in points of percent: 0.5."""
    return f"{rng.randint(0, 4)}.{rng.randint(1, 9)}"


def draw_head_count(rng: random.Random, manner: str) -> str:
    """Draw a number of people, to stand before 명: 87 or 1만2천여, with the space that follows 여."""
    if manner != PLAIN and rng.random() < 0.5:
        return f"{draw(rng, manner, is_round=True)}여 "
    return draw(rng, manner)


class Amounts:
    """Draw the amounts of one article: all of one unit, written alike, and no two the same.

    Args:
        rng: source of chance.
        manner: a key of MANNERS.
        unit: as a topic has it; `unit` is what is written: 억원 where scale words stand among the digits.
        decimals: whether amounts in plain digits may have one decimal.
    """

    def __init__(self, rng: random.Random, manner: str, unit: str, *, decimals: bool) -> None:
        self._rng, self._manner = rng, manner
        self._decimals = decimals and manner == PLAIN
        self._is_about = manner != PLAIN and unit in _COUNTERS and rng.random() < 0.5
        self._scale, _, currency = unit.rpartition(" ")
        self._drawn: set[str] = set()
        self.unit = unit
        if self._scale and manner != PLAIN:
            self._scale = rng.choice(("억", "만"))
            self.unit = f"{self._scale}{' ' if manner == '만' else ''}{currency}"

    def draw(self) -> str:
        """Return an amount that was not drawn before, to stand before the unit."""
        while (amount := self._draw()) in self._drawn:
            pass
        self._drawn.add(amount)
        return amount

    def _draw(self) -> str:
        if self._decimals and self._rng.random() < 0.4:
            return draw_decimal(self._rng)
        number = draw(self._rng, self._manner, scale=self._scale, is_round=self._is_about)
        return f"{number}여 " if self._is_about else number
