"""thresholds.yaml is what the tuning texts give, and no text is scored by a model that has seen it."""

from __future__ import annotations

import pytest
import yaml

from workshop.monitoring import thresholds
from workshop.monitoring.measure import auc, badness, measured
from workshop.monitoring.monitors import MONITORS
from workshop.monitoring.shares import wilson
from workshop.monitoring.tune import FALSE_ALARM_RATE, scored_out_of_fold, tuned


def test_the_file_is_what_the_tuning_texts_give() -> None:
    stored, found = yaml.safe_load(thresholds.PATH.read_text("utf-8")), tuned()
    assert stored["false_alarm_rate"] == FALSE_ALARM_RATE
    assert list(stored["monitors"]) == list(found["monitors"]) == list(MONITORS)
    for name, one in found["monitors"].items():
        there = stored["monitors"][name]
        assert there["value"] == pytest.approx(one["value"], abs=2e-4), name
        assert there["flags"] == one["flags"]
        for what in ("false_alarms", "misses"):
            assert there["tuning"][what]["count"] == one["tuning"][what]["count"], (name, what)
        assert there["tuning"]["auc"]["value"] == pytest.approx(one["tuning"]["auc"]["value"], abs=2e-3)
        assert one["tuning"]["false_alarms"]["rate"] <= FALSE_ALARM_RATE


def test_every_tuning_text_is_scored_once() -> None:
    from sample.monitoring.texts import rows

    for name, found in scored_out_of_fold().items():
        wanted = {row["id"] for row in rows("tuning") if row["monitor"] == name.removesuffix("_fit")}
        assert sorted(one.row["id"] for one in found) == sorted(wanted), name


def test_auc_and_intervals_are_those_of_scikit_learn_and_of_wilson_s_table() -> None:
    from sklearn.metrics import roc_auc_score

    found = scored_out_of_fold()["toxicity"]
    scores, labels = badness("toxicity", found), [one.is_bad for one in found]
    bad = scores[[place for place, is_bad in enumerate(labels) if is_bad]]
    good = scores[[place for place, is_bad in enumerate(labels) if not is_bad]]
    assert auc(bad, good) == pytest.approx(roc_auc_score(labels, scores))
    of = measured("toxicity", found, thresholds.load()["toxicity"])["auc"]
    assert of["low"] < of["value"] < of["high"]
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
