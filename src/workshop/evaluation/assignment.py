"""Who gets which variant in an A/B test: by a hash of the user, so that nobody changes sides.

SageMaker's weights are by request: one user meets both variants, and sees answers change from one to the
next. They suit a canary. Where users are compared, the user decides, and the request names the variant:

    variant = variant_of(user, {"new": 1, "old": 9}, salt="2026-11 tuned")
    runtime.invoke_endpoint(EndpointName=..., TargetVariant=variant, ...)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

MISMATCH_P_VALUE = 0.001
AS_PLANNED, MISMATCH = "as planned", "sample ratio mismatch"
_NUM_HASH_BYTES = 8


def variant_of(user: str, weights: Mapping[str, float], *, salt: str) -> str:
    """Return a user's variant, the same one every time.

    Of two variants, a larger weight for the first moves users to it and none away from it: the new one
    stands first.

    Args:
        user: What tells users apart; it is only hashed.
        weights: Variant -> weight, 0 or more, in a fixed order.
        salt: Of this test: with the one of another test the same users would be together again.

    Raises:
        ValueError: No weight is above 0, or one is below.
    """
    total = sum(weights.values())
    if total <= 0 or min(weights.values()) < 0:
        raise ValueError(f"found weights {dict(weights)}; expected 0 or more, one of them above 0")
    digest = hashlib.sha256(f"{salt}\0{user}".encode("utf-8", "surrogatepass")).digest()
    place = int.from_bytes(digest[:_NUM_HASH_BYTES]) / 2 ** (8 * _NUM_HASH_BYTES) * total
    above = 0.0
    for variant, weight in weights.items():
        above += weight
        if place < above:
            return variant
    return next(variant for variant in reversed(weights) if weights[variant] > 0)  # sums of floats


@dataclass(frozen=True, kw_only=True)
class SampleRatio:
    """Whether as many came to each variant as should have.

    Attributes:
        word: AS_PLANNED or MISMATCH: then something loses or moves them, and no verdict counts.
        p_value: How often chance alone is as far from the plan.
        expected: Variant -> how many the weights mean.
    """

    word: str
    p_value: float
    expected: Mapping[str, float]

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {num:,.0f}" for name, num in self.expected.items())
        return f"{self.word}: p = {self.p_value:.4f}; expected {shares}"


def sample_ratio(counts: Mapping[str, int], weights: Mapping[str, float]) -> SampleRatio:
    """Compare how many came to each variant with its weight, by a chi-square test.

    Args:
        counts: Of what was assigned, one by one: users where the user decides, requests where the weights of
            an endpoint do. Requests of users who were assigned come in bunches, and look like a mismatch.
        weights: As they were while this was counted; a variant of weight 0 must have none.

    Raises:
        ValueError: The two name different variants, or nobody came.

    Source: Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019: a
    strict level, since it is looked at in every test.
    """
    total, total_weight = sum(counts.values()), sum(weights.values())
    if set(counts) != set(weights) or total == 0 or total_weight <= 0:
        raise ValueError(f"found counts {dict(counts)} and weights {dict(weights)}; expected one of each")
    from scipy.special import chdtrc

    expected = {name: total * weight / total_weight for name, weight in weights.items()}
    if any(counts[name] for name in weights if expected[name] == 0):
        p_value = 0.0
    else:
        wanted = [name for name in weights if expected[name] > 0]
        distance = sum((counts[name] - expected[name]) ** 2 / expected[name] for name in wanted)
        p_value = float(chdtrc(len(wanted) - 1, distance)) if len(wanted) > 1 else 1.0
    word = MISMATCH if p_value < MISMATCH_P_VALUE else AS_PLANNED
    return SampleRatio(word=word, p_value=p_value, expected=expected)
