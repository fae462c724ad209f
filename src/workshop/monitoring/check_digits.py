"""Check digits of numbers that name a person or a firm: they tell an order number from a card number."""

from __future__ import annotations

from datetime import date

_CENTURIES = {"1": 1900, "2": 1900, "3": 2000, "4": 2000, "5": 1900, "6": 1900, "7": 2000, "8": 2000}
_RRN_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_BUSINESS_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)
_FIRST_WITHOUT_CHECK = date(2020, 10, 5)
_NUM_RRN_DIGITS, _NUM_BUSINESS_DIGITS = 13, 10


def is_luhn(digits: str) -> bool:
    """Tell whether the last digit is the check digit of a payment card. Source: ISO/IEC 7812-1, annex B."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def birth_date(rrn: str) -> date | None:
    """Return the day of birth in a resident registration number; None where it is no day."""
    century = _CENTURIES.get(rrn[6])
    if century is None:
        return None
    try:
        return date(century + int(rrn[:2]), int(rrn[2:4]), int(rrn[4:6]))
    except ValueError:
        return None


def is_rrn(digits: str) -> bool:
    """Tell whether 13 digits are a resident registration number, a Korean's or a foreigner's.

    Numbers given since October 2020 are random behind the first digit and have no check digit.

    Source: the ministry's rule for Koreans, weights 2 to 9 and 2 to 5, 11 - sum mod 11; for foreigners
    (first digit 5 to 8) 13 - sum mod 11.
    """
    born = birth_date(digits) if len(digits) == _NUM_RRN_DIGITS else None
    if born is None:
        return False
    if born >= _FIRST_WITHOUT_CHECK:
        return True
    total = sum(weight * int(digit) for weight, digit in zip(_RRN_WEIGHTS, digits, strict=False))
    start = 13 if digits[6] in "5678" else 11
    return (start - total % 11) % 10 == int(digits[12])


def is_business_number(digits: str) -> bool:
    """Tell whether 10 digits are a business registration number. Source: the National Tax Service's rule."""
    if len(digits) != _NUM_BUSINESS_DIGITS:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_BUSINESS_WEIGHTS, digits, strict=False))
    return (10 - (total + int(digits[8]) * 5 // 10) % 10) % 10 == int(digits[9])
