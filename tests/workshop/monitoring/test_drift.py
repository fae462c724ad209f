"""Drift: what the tests say where nothing changed, and where something did; against independent ones."""

from __future__ import annotations

import numpy as np
import pytest

from sample.news import generator
from workshop.monitoring.delay import days_seen
from workshop.monitoring.drift import domain_classifier, ks, share_p_value


def test_ks_leaves_out_what_was_not_judged() -> None:
    from scipy.stats import ks_2samp

    first, second = [0.1, 0.2, 0.3, 0.9], [0.5, 0.6, 0.7]
    assert ks([*first, np.nan], [np.nan, *second]) == pytest.approx(ks_2samp(first, second).pvalue)
    assert ks([np.nan], second) == 1


def test_the_share_s_p_value_is_fisher_s() -> None:
    from scipy.stats import fisher_exact

    expected = fisher_exact([[9, 41], [12, 188]], alternative="greater").pvalue
    assert share_p_value(12, 200, 9, 50) == pytest.approx(expected)
    assert share_p_value(0, 0, 3, 9) == 1


def test_a_classifier_tells_other_texts_and_not_the_same_sort() -> None:
    texts = [row["document"] for row in generator.rows(120, 4)]
    others = [f"{text} 감기에 걸렸는데 무슨 약을 먹어야 하나요" for text in texts[90:]]
    same, other = domain_classifier(texts[:90], texts[90:]), domain_classifier(texts[:90], others)
    assert 0.3 < same.auc < 0.7
    assert same.p_value > 0.01
    assert other.auc > 0.9
    assert other.p_value < 1e-4
    assert domain_classifier(texts[:90], texts[90:]) == same, "the same texts give the same value"
    assert domain_classifier(texts[:90], texts[:2]) == (0.5, 1)


def test_a_new_topic_in_half_of_the_traffic_is_seen_and_no_drift_is_not() -> None:
    number, by = next(days_seen(60, 0.5, seed=1))
    assert number == 1
    assert {"topic_fit", "topic_share"} & set(by)
    assert sum(bool(by) for _, by in days_seen(30, 0.0, seed=1)) <= 2
