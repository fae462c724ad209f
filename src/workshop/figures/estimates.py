"""The table of what a visit takes of an account: notebook by mode, machine, minutes, dollars, the most.

From the list that notebooks and `make doctor` read, at the prices of the dated table: nobody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
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
        "untimed": "time not known",
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
        "untimed": "시간 모름",
        "visit": "**선택을 뺀 전부**",
    },
}


def usage_table(language: str) -> str:
    """Return the table as Markdown, in "en" or "ko"."""
    words = _WORDS[language]
    settings, by_mode = _modes()
    heads = [words["notebook"], words["quota"], *(f"`{mode}`" for mode in MODES)]
    lines = [heads, ["---"] * len(heads)]
    for notebook, rows in by_mode[MODES[0]].items():
        cells = [_cells(by_mode[mode][notebook], settings[mode], language) for mode in MODES]
        cells[1:] = [words["same"] if one == before else one for before, one in pairwise(cells)]
        name = notebook + (words["optional"] if rows[0].is_optional else "")
        quotas = ", ".join(f"TYPE for {kind} usage" for kind in dict.fromkeys(one.kind for one in rows))
        lines.append([name, quotas, *cells])
    visits = []
    for given in settings.values():
        minutes, usd = whole_visit(given)
        visits.append(f"{_minutes(minutes, language)}, {_usd(usd, language)}")
    lines.append([words["visit"], "", *(f"**{visit}**" for visit in visits)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def notebook_time(notebook: str) -> str:
    """Return how long a notebook's machines are paid in each mode, for its opening table."""
    _, by_mode = _modes()
    minutes = {mode: _together(by_mode[mode][notebook]) for mode in MODES}
    return _row({mode: {one: _minutes(span, one) for one in _WORDS} for mode, span in minutes.items()})


def notebook_price(notebook: str) -> str:
    """Return what that costs, and the most or the price of an hour, for its opening table."""
    settings, by_mode = _modes()
    cells = {
        mode: {one: _prices(by_mode[mode][notebook], settings[mode], one) for one in _WORDS} for mode in MODES
    }
    return _row(cells)


def _row(cells: Mapping[str, Mapping[str, str]]) -> str:
    """Return a value in both languages; modes that have the same one share it."""
    texts = []
    for language in ("ko", "en"):
        modes_of: dict[str, list[str]] = {}
        for mode, cell in cells.items():
            modes_of.setdefault(cell[language], []).append(mode)
        named = [f"{', '.join(modes)}: {text}" for text, modes in modes_of.items()]
        texts.append("; ".join(named) if len(named) > 1 else next(iter(modes_of)))
    return " · ".join(texts)


def _modes() -> tuple[dict[str, Settings], dict[str, dict[str, list[Usage]]]]:
    """Return each mode's settings as the repository has them, and what its notebooks take, by their names."""
    settings = _settings()
    by_mode: dict[str, dict[str, list[Usage]]] = {mode: {} for mode in settings}
    for mode, given in settings.items():
        for one in usages(given):
            by_mode[mode].setdefault(one.notebook, []).append(one)
    return settings, by_mode


@cache
def _settings() -> dict[str, Settings]:
    return {mode: load_settings(environ={"WORKSHOP_MODE": mode}) for mode in MODES}


def _together(rows: list[Usage]) -> tuple[float, float] | None:
    """Return the minutes of a notebook: jobs come one after the other, what has no end side by side."""
    if any(one.minutes is None for one in rows):
        return None
    jobs = [one.minutes for one in rows if one.limit_minutes is not None]
    others = [one.minutes for one in rows if one.limit_minutes is None] or [(0, 0)]
    low, high = (sum(span[end] for span in jobs) + max(span[end] for span in others) for end in (0, 1))
    return low, high


def _cells(rows: list[Usage], settings: Settings, language: str) -> str:
    """Return machines, minutes, dollars and the most of one notebook in one mode; of several uses which."""
    has_several_uses = len({one.kind for one in rows}) > 1
    texts = []
    for one in rows:
        machine = f"{one.count} x {one.instance_type}" if one.count > 1 else one.instance_type
        machine += f" ({one.kind})" if has_several_uses else ""
        parts = [_minutes(one.minutes, language), *_dollars(one, settings, language)]
        texts.append(f"{machine}: {', '.join(parts)}")
    return "; ".join(texts)


def _prices(rows: list[Usage], settings: Settings, language: str) -> str:
    """Return what the machines of one notebook cost in one mode; of several with their names."""
    named = [
        (f"{one.instance_type} " if len(rows) > 1 else "") + ", ".join(_dollars(one, settings, language))
        for one in rows
    ]
    return "; ".join(named)


def _dollars(one: Usage, settings: Settings, language: str) -> list[str]:
    """Return what is expected, and the most or what an hour costs."""
    words, cost = _WORDS[language], estimate_usage(settings, one)
    if cost.aws_usd is None:
        return [words["unknown"]]
    parts = [_usd((cost.aws_usd, cost.aws_usd_high), language)]
    if cost.aws_usd_limit is None:
        per_hour = f"{60 * cost.aws_usd / (one.minutes or (60, 60))[0]:.2f}"
        end = words[one.kind]
        parts.append(words["hourly"].format(*((per_hour, end) if language == "en" else (end, per_hour))))
    elif one.max_jobs > 1:
        parts.append(words["jobs"].format(one.max_jobs, f"{cost.aws_usd_limit:.2f}"))
    else:
        parts.append(words["most"].format(f"{cost.aws_usd_limit:.2f}"))
    return parts


def _minutes(minutes: tuple[float, float] | None, language: str) -> str:
    if minutes is None:
        return _WORDS[language]["untimed"]
    low, high = minutes
    if high < 100:
        return _WORDS[language]["minutes"].format(f"{low:.0f}", f"{high:.0f}")
    return _WORDS[language]["hours"].format(f"{low / 60:.1f}", f"{high / 60:.1f}")


def _usd(usd: tuple[float, float] | None, language: str) -> str:
    if usd is None:
        return _WORDS[language]["unknown"]
    low, high = usd
    return _WORDS[language]["usd"].format(f"{low:.2f}", f"{high:.2f}")
