"""Tables of the monitors: what was measured on texts that were held out stands beside the tuning."""

from __future__ import annotations

from workshop.monitoring import report
from workshop.monitoring.evaluate import falsely_flagged, held_out, masking_counts, missed
from workshop.monitoring.monitors import MONITORS


def test_counts_of_held_out_texts_are_those_of_the_texts_that_are_listed() -> None:
    for name, of in held_out().items():
        assert of["misses"]["count"] == len(missed(name))
        assert of["false_alarms"]["count"] == len(falsely_flagged(name))
        assert of["misses"]["of"] + of["false_alarms"]["of"] >= 100, name
        assert of["auc"]["value"] > 0.7, "worse than this, and a monitor is of no use"


def test_the_tables_have_a_row_for_each_monitor_and_day() -> None:
    assert list(report.thresholds_table().index) == list(MONITORS)
    share = {"count": 2}
    drift = {"p_values": {"attack": 0.04}, "domain_auc": 0.7, "seen_by": ["domain"]}
    day = {"day": "2026-11-03", "num_requests": 9, "flags": dict.fromkeys(MONITORS, share)}
    of = {"days": [{**day, "means": {"attack": None}}, {**day, "day": "d2", "means": {}, "drift": drift}]}
    assert report.flags_table(of).loc["2026-11-03", "attack"] == 2
    assert list(report.drift_table(of).index) == ["d2"]
    assert report.days_table(of).loc["d2", "requests"] == 9


def test_masking_counts_what_is_left_and_what_was_taken() -> None:
    rows = [
        {"text": "010-1234-5678", "spans": [[0, 13, "phone"]]},
        {"text": "비밀 7 번", "spans": [[3, 4, "card"]]},
        {"text": "메일 a@example.com", "spans": []},
        {"text": "안녕", "spans": []},
    ]
    counts = masking_counts(rows)
    assert (counts["texts"], counts["exact"]) == (4, 2)
    assert (counts["leaks"]["texts"], counts["leaks"]["of"]) == (["비밀 7 번"], 2)
    assert (counts["false_alarms"]["texts"], counts["false_alarms"]["of"]) == (["메일 a@example.com"], 2)


def test_the_delay_that_was_measured_is_a_row_for_each_traffic_and_share() -> None:
    table = report.delay_table()
    of_a_day = {num for num, _ in table.index}
    assert {50, 100} <= of_a_day
    assert all((num, share) in table.index for num in of_a_day for share in ("0%", "10%", "25%"))
    assert table.loc[(50, "25%"), "median days"] <= table.loc[(50, "10%"), "median days"]
    assert table.loc[(50, "0%"), "false alarms a month"] < 1
