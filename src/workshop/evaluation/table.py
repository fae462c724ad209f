"""Tables to judge by: scores with their intervals, and the summaries themselves side by side."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from workshop.evaluation.confidence import difference_interval, mean_interval, permutation_p_value
from workshop.evaluation.facts import KnownNumbers, numbers
from workshop.evaluation.scores import COUNTS, Scores, metric_label, of_articles

if TYPE_CHECKING:
    from IPython.display import HTML
    from pandas import DataFrame

LONG_ARTICLE_CHARS = 320
"""An article longer than this is folded behind its first characters."""

# Translucent grounds and a line of another kind for each: readable on white and on black, and without colour.
# JupyterLab puts cells to the right, by a rule with two classes in it: three are more exact.
_STYLE = """<style>
.news-table table{border-collapse:collapse;width:100%;table-layout:fixed;font-size:14px;line-height:1.65}
.news-table.news-table.news-table th,.news-table.news-table.news-table td{text-align:left}
.news-table th,.news-table td{border:1px solid rgba(128,128,128,.45);padding:8px 10px;vertical-align:top;
 white-space:pre-wrap;word-break:keep-all;overflow-wrap:anywhere}
.news-table th{background:rgba(128,128,128,.15)}
.news-table th:first-child{width:28%}
.news-table caption{caption-side:top;text-align:left;font-weight:bold;padding:14px 0 4px}
.news-table .right{background:rgba(0,158,115,.28);border-bottom:2px solid #009e73}
.news-table .wrong{background:rgba(220,50,32,.28);border-bottom:2px dashed #dc3220}
.news-table .note{display:block;margin-top:8px;font-size:12px;opacity:.85}
.news-table summary{cursor:pointer}
.news-table details[open] .more{display:none}
</style>"""
_LEGEND = (
    '<p>수 numbers: <span class="right">정답에 있음 in the reference</span> · '
    '<span class="wrong">기사에 없음 not in the article</span> · '
    "표시 없음 unmarked: 기사에만 있음 in the article, but not asked for</p>"
)
# Of texts, not of columns of figures (view/heads.py): there "tuned" says whether something was.
_KOREAN = {"lead-3": "앞 세 문장", "untuned": "학습 전", "tuned": "학습 후"}


def score_table(scores: Scores, *, seed: int = 0) -> "DataFrame":
    """Return each system's mean scores with their 95 % bootstrap intervals.

    Returns:
        One row per system; columns (metric, "mean" | "low" | "high"), values between 0 and 1.
    """
    from pandas import DataFrame

    rows = {
        system: {
            (metric, part): value
            for metric, values in metrics.items()
            for part, value in mean_interval(values, seed=seed)._asdict().items()
        }
        for system, metrics in scores.items()
    }
    return DataFrame.from_dict(rows, orient="index").rename_axis("system")


def gain_table(scores: Scores, system: str, *, seed: int = 0) -> "DataFrame":
    """Return by how much one system is better than each other one, paired by article.

    Returns:
        One row per other system; columns (metric, "mean" | "low" | "high"). Where low and high are on
        different sides of 0, the gain may be luck.
    """
    from pandas import DataFrame

    rows = {
        f"{system} - {other}": {
            (metric, part): value
            for metric, values in scores[system].items()
            for part, value in difference_interval(values, scores[other][metric], seed=seed)._asdict().items()
        }
        for other in scores
        if other != system
    }
    return DataFrame.from_dict(rows, orient="index").rename_axis("gain")


def p_value_table(scores: Scores, system: str, *, seed: int = 0) -> "DataFrame":
    """Return how often equally good systems would differ as much, by a permutation test paired by article.

    Of twenty values one is below 0.05 by luck alone: with many metrics look at the one chosen before.

    Returns:
        One row per other system, one column per metric, values in (0, 1].
    """
    from pandas import DataFrame

    rows = {
        f"{system} - {other}": {
            metric: permutation_p_value(values, scores[other][metric], seed=seed)
            for metric, values in scores[system].items()
        }
        for other in scores
        if other != system
    }
    return DataFrame.from_dict(rows, orient="index").rename_axis("gain")


def leak_table(scores: Scores, is_leaked: Sequence[bool], *, seed: int = 0) -> "DataFrame":
    """Return each system's scores on all articles, and on those that are leaked and those that are not.

    Args:
        is_leaked: For each article whether it has a twin, as `leaks.twins` found them.

    Returns:
        As score_table; rows "tuned, all 200", "tuned, 188 not leaked", "tuned, 12 leaked", those without an
        article left out.
    """
    from pandas import concat

    num_leaked = sum(map(bool, is_leaked))
    parts = {f"all {len(is_leaked)}": [True] * len(is_leaked)}
    if num_leaked:
        parts[f"{len(is_leaked) - num_leaked} not leaked"] = [not leaked for leaked in is_leaked]
        parts[f"{num_leaked} leaked"] = list(map(bool, is_leaked))
    tables = [
        score_table(
            {f"{system}, {part}": metrics for system, metrics in of_articles(scores, taken).items()},
            seed=seed,
        )
        for part, taken in parts.items()
        if any(taken)
    ]
    names = [f"{system}, {part}" for system in scores for part in parts]
    table = concat(tables)
    return table.loc[[name for name in names if name in table.index]].rename_axis("system")


def percent_table(table: "DataFrame", *, signed: bool = False) -> "DataFrame":
    """Turn a score or gain table into text for reading: `85.3 [84.2, 86.4]`, in percent (COUNTS as they are).

    Args:
        table: What score_table or gain_table returned.
        signed: Write a plus sign before gains.
    """
    from pandas import DataFrame

    sign = "+" if signed else ""
    metrics = list(dict.fromkeys(metric for metric, _ in table.columns))
    cells = {}
    for metric in metrics:
        scaled = table[metric][["mean", "low", "high"]] * (1 if metric in COUNTS else 100)
        cells[metric_label(metric)] = [
            f"{mean:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"
            for mean, low, high in scaled.itertuples(index=False)
        ]
    return DataFrame(cells, index=table.index)


def side_by_side(
    articles: Sequence[str],
    references: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    *,
    titles: Sequence[str] | None = None,
) -> "HTML":
    """Lay out article, reference and every system's summary next to each other.

    Numbers that the reference has are green in a summary, numbers that the article lacks are red, and
    numbers of the reference that a summary leaves out are listed below it.

    Args:
        articles: The articles' texts; a long one is folded.
        references: Their reference summaries.
        systems: For each system's name its summaries, in the order of the columns.
        titles: One caption per article; numbered when left out.
    """
    from IPython.display import HTML

    tables = []
    for index, (article, reference) in enumerate(zip(articles, references, strict=True)):
        title = titles[index] if titles is not None else f"기사 Article {index + 1} / {len(articles)}"
        heads = "".join(
            f"<th>{escape(head)}</th>" for head in ("기사 Article", "정답 Reference", *map(_head, systems))
        )
        summaries = (summaries[index] for summaries in systems.values())
        cells = "".join(f"<td>{_summary(article, reference, summary)}</td>" for summary in summaries)
        tables.append(
            f"<table><caption>{escape(title)}</caption><tr>{heads}</tr>"
            f"<tr><td>{_article(article)}</td><td>{escape(reference)}</td>{cells}</tr></table>"
        )
    return HTML(f'<div class="news-table">{_STYLE}{_LEGEND}{"".join(tables)}</div>')


def _head(system: str) -> str:
    return f"{_KOREAN[system]} {system}" if system in _KOREAN else system


def _article(article: str) -> str:
    if len(article) <= LONG_ARTICLE_CHARS:
        return escape(article)
    cut = max(article.rfind(" ", 0, LONG_ARTICLE_CHARS), article.rfind("\n", 0, LONG_ARTICLE_CHARS)) + 1
    shown, folded = article[: cut or LONG_ARTICLE_CHARS], article[cut or LONG_ARTICLE_CHARS :]
    more = f'<span class="more"> … ▸ {len(folded):,}자 더 more characters</span>'
    return f"<details><summary>{escape(shown)}{more}</summary>{escape(folded)}</details>"


def _summary(article: str, reference: str, summary: str) -> str:
    """Escape one summary, with its numbers marked and the missing ones named."""
    in_article, in_reference = KnownNumbers(article, asides=True), KnownNumbers(reference)
    parts, end = [], 0
    for number in numbers(summary):
        parts.append(escape(summary[end : number.start]))
        text = escape(summary[number.start : number.end])
        if number not in in_article:
            text = f'<span class="wrong" title="not in the article">{text}</span>'
        elif number in in_reference:
            text = f'<span class="right" title="in the reference">{text}</span>'
        parts.append(text)
        end = number.end
    parts.append(escape(summary[end:]))
    said = KnownNumbers(summary)
    missing = dict.fromkeys(
        reference[number.start : number.end] for number in numbers(reference) if number not in said
    )
    if missing:
        listed = ", ".join(escape(number) for number in missing)
        parts.append(f'<span class="note">빠뜨린 수 missing: <span class="wrong">{listed}</span></span>')
    return "".join(parts)
