"""The table of what was missed says what the monitors do today."""

from __future__ import annotations

import re

import pytest

from sample.monitoring.texts import ADVERSARIAL, rows
from workshop.monitoring.evaluate import falsely_flagged, held_out, masking_counts, missed
from workshop.monitoring.monitors import MONITORS
from workshop.settings import find_repo_dir

README = (find_repo_dir() / "src" / "sample" / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("### Written to be missed")[2].partition("\n## ")[0]
ROW = re.compile(r"^\| (\w+) \| (\d+) of (\d+) \| (\d+) of (\d+) \| .+ \|$", re.MULTILINE)
TOLD = {match[1]: tuple(map(int, match.groups()[1:])) for match in ROW.finditer(SECTION)}


def test_each_monitor_and_the_mask_has_its_row() -> None:
    assert set(TOLD) == {*(name.removesuffix("_fit") for name in MONITORS), "masking"}


@pytest.mark.parametrize("name", MONITORS)
def test_the_row_of_a_monitor_is_what_is_measured(name: str) -> None:
    of = held_out(ADVERSARIAL)[name]
    told = (of["misses"]["count"], of["misses"]["of"], of["false_alarms"]["count"], of["false_alarms"]["of"])
    assert TOLD[name.removesuffix("_fit")] == told
    assert len(missed(name, ADVERSARIAL)), "a monitor that misses nothing has not been attacked"
    assert len(falsely_flagged(name, ADVERSARIAL)) == told[2]


def test_the_row_of_the_mask_is_what_is_measured() -> None:
    counts = masking_counts(rows(ADVERSARIAL, "personal"))
    found = [counts[what][part] for what in ("leaks", "false_alarms") for part in ("count", "of")]
    assert TOLD["masking"] == tuple(found)
