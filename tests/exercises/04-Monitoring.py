"""What holds after the exercises of 04-Monitoring."""

# %% 1
assert unchanged == [texts[2], texts[4], texts[5]], unchanged
assert all("[" in mask(text).text for text in texts if text not in unchanged)

# %% 2
num_missed, num_missed_before = ((one["wanted"] == "attack").sum() for one in (missed, before.missed))
assert num_missed_before > 9, num_missed_before
assert num_missed < 4, num_missed
assert len(wrongly) > 1.7 * len(before.wrongly), (len(wrongly), len(before.wrongly))

# %% 3
corrected = drift_table(report)["seen by"].map(lambda names: len(names.split(", ")) if names else 0)
assert list(below.index) == days[3:]
assert (below >= corrected).all()
assert below[began] > corrected[began]
assert report["alpha_per_day"] == 0.01
assert len(report["days"][-1]["drift"]["p_values"]) == 8
