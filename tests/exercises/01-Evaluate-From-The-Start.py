"""What holds after each exercise of 01-Evaluate-From-The-Start."""

# %% 1
denied = [one for one in judged if one["answer"] == f"{wanted}은 아닙니다."]
assert len(denied) == 1, judged
assert all(value for name, value in denied[0].items() if name not in ("kind", "answer")), denied
assert len(judged) == len(before.judged)

# %% 2
for name, one in (*runs.items(), ("again", again)):
    assert (one.is_right == one.is_right[:, :1]).all(), f"{name}: runs differ"
assert (again.values == runs[best].values).all(), "asked again, it has another score"
assert any((one.is_right != one.is_right[:, :1]).any() for one in before.runs.values())
assert 0 < runs[best].values.mean() < 1, "without a wrong answer and a right one there would be no interval"

# %% 3
few, many = calibrations[varied][0], before.calibrations[varied][0]
assert (few.num_cases, many.num_cases) == (20, len(cases))
assert few.by_eye > many.by_eye + 0.05, (few, many)
assert few.power < many.power, (few, many)
assert few.false_alarms < 0.1, few
