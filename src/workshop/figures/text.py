"""What the texts say of the figures, in Korean and English, rounded so that noise changes nothing.

Every class of processor that was measured is shown; one that was only imitated is called masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from math import ceil, floor

from workshop.evaluation.scores import metric_label
from workshop.figures.estimates import notebook_price, notebook_time, usage_table
from workshop.figures.record import Run

TRAINING_NOTEBOOK = "02-Train-Local-KR-News"
NOT_MEASURED = {"en": "not measured", "ko": "측정하지 못함"}
_MASKED = {"en": "masked", "ko": "제한"}
_STEPS_S = ((20, 1), (60, 5), (120, 10), (300, 30))
"""Below how many seconds a time is rounded to how many; longer ones to minutes."""
_AS_GOOD_AS_EQUAL = 1.1
"""Classes whose sums are so near each other are one figure, the higher: runs of one class differ as much."""

Runs = Mapping[str, Run]


def about(seconds: float, language: str) -> str:
    """Round a time: `50 s` or `50초`, from two minutes on up, since people wait: `3.5 min` or `3분 30초`."""
    step = next((step for below, step in _STEPS_S if seconds < below), 60)
    rounded = max(step, step * (ceil(seconds / step) if seconds >= 120 else floor(seconds / step + 0.5)))
    minutes, rest = divmod(rounded, 60)
    if rounded < 120:
        return f"{rounded} s" if language == "en" else f"{rounded}초"
    if language == "en":
        return f"{minutes + rest / 60:g} min"
    return f"{minutes}분" + (f" {rest}초" if rest else "")


def total(runs: Runs, language: str, notebooks: Sequence[str]) -> str:
    """Say how long these notebooks take together, at the start of a sentence."""
    seconds = {
        kind: sum(run.notebook_s[name] for name in notebooks)
        for kind, run in runs.items()
        if set(notebooks) <= set(run.notebook_s)
    }
    if not seconds:
        return {"en": "A time not measured yet", "ko": "아직 측정하지 못한 시간"}[language]
    names = _short_names(runs, language)
    if (time := _needs_no_name(runs, seconds)) is not None:
        return f"About {_in_words(time)}" if language == "en" else f"약 {about(time, language)}"
    time = max(seconds.values())
    if time <= _AS_GOOD_AS_EQUAL * min(seconds.values()):
        shown = [names[kind] for kind in seconds]
        if language == "en":
            return f"About {_in_words(time)} with {' or '.join(shown)}"
        return f"{', '.join(shown)}에서 약 {about(time, language)}"
    if language == "en":
        return "About " + " or ".join(
            f"{_in_words(time)} with {names[kind]}" for kind, time in seconds.items()
        )
    return ", ".join(f"{names[kind]}에서 약 {about(time, language)}" for kind, time in seconds.items())


def column(runs: Runs, language: str) -> str:
    """Name the classes in the order in which `cell` gives their times."""
    return " · ".join(_short_names(runs, language).values()) or NOT_MEASURED[language]


def cell(runs: Runs, language: str, notebook: str) -> str:
    """Give a notebook's time on each class: `50 s (training 30 s) · 2 min (training 80 s)`."""
    times = []
    for run in runs.values():
        seconds = run.notebook_s.get(notebook)
        time = NOT_MEASURED[language] if seconds is None else about(seconds, language)
        if seconds is not None and notebook == TRAINING_NOTEBOOK:
            training = about(run.training_s["all"], language)
            time += {"en": f" (training {training})", "ko": f"(학습 {training})"}[language]
        times.append(time)
    return " · ".join(times) or NOT_MEASURED[language]


def row(runs: Runs, notebook: str) -> str:
    """Give a notebook's time for its opening table: `약 50초 · about 50 s`, by class when there are two."""
    known = {kind: run.notebook_s[notebook] for kind, run in runs.items() if notebook in run.notebook_s}
    if not known:
        return f"{NOT_MEASURED['ko']} · {NOT_MEASURED['en']}"
    if (time := _needs_no_name(runs, known)) is not None:
        return f"약 {about(time, 'ko')} · about {about(time, 'en')}"
    ko, en = _short_names(runs, "ko"), _short_names(runs, "en")
    return (
        ", ".join(f"{ko[kind]} 약 {about(seconds, 'ko')}" for kind, seconds in known.items())
        + " · "
        + ", ".join(f"{en[kind]} about {about(seconds, 'en')}" for kind, seconds in known.items())
    )


def machines(runs: Runs, language: str) -> str:
    """List where and with what the figures were measured."""
    return "\n".join(_machine(kind, run, language) for kind, run in runs.items()) or NOT_MEASURED[language]


def scores(runs: Runs, languages: Sequence[str], metrics: Sequence[str]) -> str:
    """Lay out scores with their intervals, a group of columns for each class, under a line of context."""
    if not runs:
        return " · ".join(NOT_MEASURED[language] for language in languages)
    captions = [_scores_caption(runs, language) for language in languages]
    if len(captions) > 1:  # as in every text of a notebook: Korean, then English as a quote
        captions[1:] = [f"> {caption}" for caption in captions[1:]]
    names = _short_names(runs, "en")
    heads = [
        f"{names[kind]}: {metric_label(metric)}" if len(runs) > 1 else metric_label(metric)
        for kind in runs
        for metric in metrics
    ]
    systems = dict.fromkeys(system for run in runs.values() for system in run.scores)
    lines = [
        [system, *(_percent(run, system, metric) for run in runs.values() for metric in metrics)]
        for system in systems
    ]
    table = [["", *heads], ["---"] * (len(heads) + 1), *lines]
    return "\n\n".join([*captions, "\n".join(_table_line(line) for line in table)])


def _table_line(cells: Sequence[str]) -> str:
    if set(cells) == {"---"}:
        return "|" + "|".join(cells) + "|"
    return "|" + "|".join(f" {one} " if one else " " for one in cells) + "|"


def _percent(run: Run, system: str, metric: str) -> str:
    score = run.scores.get(system, {}).get(metric)
    if score is None:
        return NOT_MEASURED["en"]
    return "{mean:.1f} [{low:.1f}, {high:.1f}]".format(**{name: 100 * score[name] for name in score})


def _scores_caption(runs: Runs, language: str) -> str:
    names = _short_names(runs, language)
    first = next(iter(runs.values()))
    libraries = f"torch {first.versions['torch']}, transformers {first.versions['transformers']}"
    where = "; ".join(
        f"{names[kind]}: {_cores(run, language)}, {_month(run, language)}" for kind, run in runs.items()
    )
    if language == "en":
        return f"Sample mode, {first.num_scored_articles} articles, in percent; {libraries}. {where}."
    return f"샘플 모드, {first.num_scored_articles}건, 단위 %, {libraries}. {where}."


def _machine(kind: str, run: Run, language: str) -> str:
    versions = {"python": f"Python {run.versions['python']}", "torch": f"torch {run.versions['torch']}"}
    parts = [
        _cores(run, language),
        run.operating_system,
        _month(run, language),
        *versions.values(),
        _idle(run, language),
    ]
    line = f"- **{_name(kind, run, language)}**: {', '.join(parts)}."
    if run.masked_by:
        variables = ", ".join(f"`{name}={value}`" for name, value in run.masked_by.items())
        line += {
            "en": f" Not such a processor: one that can do more, held back by {variables}.",
            "ko": f" 이런 프로세서가 아니라, 더 새로운 것을 {variables}로 제한해 흉내 냈습니다.",
        }[language]
    return line


def _cores(run: Run, language: str) -> str:
    if language == "ko":
        return f"{run.model} 코어 {run.num_cores}개"
    return f"{run.num_cores} core{'s' * (run.num_cores != 1)} of an {run.model}"


def _month(run: Run, language: str) -> str:
    day = date.fromisoformat(run.measured_on)
    return f"{day:%B %Y}" if language == "en" else f"{day.year}년 {day.month}월"


def _idle(run: Run, language: str) -> str:
    if run.load_before < 0.5:
        return {"en": "otherwise idle", "ko": "다른 작업이 없는 상태"}[language]
    return {"en": "beside other work", "ko": "다른 작업과 함께"}[language]


def _name(kind: str, run: Run, language: str) -> str:
    if not run.masked_by:
        return kind
    return f"{kind} ({_MASKED['en']})" if language == "en" else f"{kind}({_MASKED['ko']})"


def _in_words(seconds: float) -> str:
    return about(seconds, "en").replace(" min", " minutes").replace(" s", " seconds")


def _needs_no_name(runs: Runs, seconds: Mapping[str, float]) -> float | None:
    """Return the time that may stand alone: there is one class that was not imitated, and the others agree.

    An imitated class that agrees adds nothing but a word that has to be explained.
    """
    slowest = max(seconds.values())
    agree = slowest <= _AS_GOOD_AS_EQUAL * min(seconds.values())
    return slowest if agree and sum(not runs[kind].masked_by for kind in seconds) == 1 else None


def _short_names(runs: Runs, language: str) -> dict[str, str]:
    """Name classes by their first word where that tells them apart."""
    short = {kind: kind.split(" + ")[0] for kind in runs}
    if len(set(short.values())) < len(short):
        short = {kind: kind for kind in runs}
    return {kind: _name(short[kind], run, language) for kind, run in runs.items()}


TEXTS: dict[str, Callable[..., str]] = {
    "total": total,
    "column": column,
    "cell": cell,
    "row": row,
    "machines": machines,
    "scores": scores,
    "usage": lambda runs, language: usage_table(language),
    "time": lambda runs, notebook: notebook_time(notebook),
    "price": lambda runs, notebook: notebook_price(notebook),
}
