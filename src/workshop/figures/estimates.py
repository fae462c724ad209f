"""The table of what a visit takes of an account: notebook by mode, machine, minutes, dollars, the most.

From the list that notebooks and `make doctor` read, at the prices of the dated table: nobody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from workshop.account.usage import Usage, estimate_usage, usages, whole_visit
from workshop.prices import ENDPOINT, NOTEBOOK_INSTANCE
from workshop.settings import Settings, load_settings

MODES = ("debug", "full", "full-48xl")

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "notebook": "notebook",
        "quota": "quota",
        "minutes": "{} to {} min",
        "hours": "{} to {} h",
        "usd": "{} to {} USD",
        "most": "at most {} USD",
        "jobs": "at most {} jobs, {} USD",
        "hourly": "{} USD/h until {}",
        ENDPOINT: "deleted",
        NOTEBOOK_INSTANCE: "stopped",
        "optional": " (optional)",
        "same": "the same",
        "unknown": "price not known",
        "visit": "**all but the optional ones**",
    },
    "ko": {
        "notebook": "노트북",
        "quota": "할당량",
        "minutes": "{}~{}분",
        "hours": "{}~{}시간",
        "usd": "{}~{} USD",
        "most": "최대 {} USD",
        "jobs": "작업 최대 {}개, {} USD",
        "hourly": "{}까지 시간당 {} USD",
        ENDPOINT: "지울 때",
        NOTEBOOK_INSTANCE: "끌 때",
        "optional": "(선택)",
        "same": "같음",
        "unknown": "가격 모름",
        "visit": "**선택을 뺀 전부**",
    },
}


def usage_table(language: str) -> str:
    """Return the table as Markdown, in "en" or "ko"."""
    words = _WORDS[language]
    settings = {mode: load_settings(environ={"WORKSHOP_MODE": mode}) for mode in MODES}
    by_mode = {mode: {one.notebook: one for one in usages(given)} for mode, given in settings.items()}
    heads = [words["notebook"], words["quota"], *(f"`{mode}`" for mode in MODES)]
    lines = [heads, ["---"] * len(heads)]
    for notebook, first in by_mode[MODES[0]].items():
        cells = [_cell(by_mode[mode][notebook], settings[mode], language) for mode in MODES]
        cells[1:] = [words["same"] if one == before else one for before, one in pairwise(cells)]
        name = notebook + (words["optional"] if first.is_optional else "")
        lines.append([name, f"TYPE for {first.kind} usage", *cells])
    visits = []
    for given in settings.values():
        minutes, usd = whole_visit(given)
        visits.append(f"{_minutes(minutes, language)}, {_usd(usd, language)}")
    lines.append([words["visit"], "", *(f"**{visit}**" for visit in visits)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(one: Usage, settings: Settings, language: str) -> str:
    """Return machine, minutes, dollars and the most of one notebook in one mode."""
    words, cost = _WORDS[language], estimate_usage(settings, one)
    machine = f"{one.count} x {one.instance_type}" if one.count > 1 else one.instance_type
    parts = [_minutes(one.minutes, language)] if one.minutes else []
    if cost.aws_usd is None:
        return ", ".join([f"{machine}: {words['unknown']}", *parts])
    parts.append(_usd((cost.aws_usd, cost.aws_usd_high), language))
    if cost.aws_usd_limit is None:
        per_hour = f"{cost.aws_usd / (one.minutes[0] / 60):.2f}"
        end = words[one.kind]
        parts.append(words["hourly"].format(*((per_hour, end) if language == "en" else (end, per_hour))))
    elif one.max_jobs > 1:
        parts.append(words["jobs"].format(one.max_jobs, f"{cost.aws_usd_limit:.2f}"))
    else:
        parts.append(words["most"].format(f"{cost.aws_usd_limit:.2f}"))
    return f"{machine}: {', '.join(parts)}"


def _minutes(minutes: tuple[float, float], language: str) -> str:
    low, high = minutes
    if high < 100:
        return _WORDS[language]["minutes"].format(f"{low:.0f}", f"{high:.0f}")
    return _WORDS[language]["hours"].format(f"{low / 60:.1f}", f"{high / 60:.1f}")


def _usd(usd: tuple[float, float] | None, language: str) -> str:
    if usd is None:
        return _WORDS[language]["unknown"]
    low, high = usd
    return _WORDS[language]["usd"].format(f"{low:.2f}", f"{high:.2f}")
