"""The list of what was found, and of what is left, as text for a terminal and for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from workshop.account.confirmation import WORDS, confirmed_words
from workshop.account.deletion import Outcome, reason_to_leave
from workshop.account.found import Found, Listing, Problem, masked
from workshop.settings import Settings

_COLUMNS = ("what", "name", "known from", "age", "USD/h", "USD so far", "state")


def listing_text(settings: Settings, listing: Listing) -> str:
    """Return everything that was found, what it costs, and which words delete it."""
    where = "the AWS on this machine" if settings.mode == "sample" else settings.region
    head = f"{len(listing.found)} found of the workshop in {where}, {listing.at:%Y-%m-%d %H:%M} UTC"
    lines = [
        head,
        *table_lines(settings, listing),
        *_total(settings, listing.found),
        *problem_lines(listing.problems),
    ]
    words = words_for(listing.found, settings.mode)
    if words:
        lines += ["", 'to delete:  make cleanup CONFIRM=WORD   (several: CONFIRM="WORD WORD")']
        lines += [f"  {word:<14}{meaning}" for word, meaning in WORDS.items() if word in words]
    return "\n".join(lines)


def outcome_text(outcomes: Sequence[Outcome]) -> str:
    """Return what was deleted and what was left, each with its reason."""
    lines = [f"{one.done:<15} {_title(one.found)}" for one in outcomes if one.done]
    lines += [f"{'left':<15} {_title(one.found)}: {one.reason}" for one in outcomes if one.reason]
    return "\n".join(lines) or "nothing was there to delete"


def left_text(settings: Settings, listing: Listing, outcomes: Sequence[Outcome]) -> str:
    """Return what AWS lists after a deletion: nothing, or what and why."""
    reasons = {(one.found.kind, one.found.name): one.reason for one in outcomes}
    lines, words = [], confirmed_words(settings.cleanup_confirmed)
    for one in listing.found:
        reason = reasons.get((one.kind, one.name)) or reason_to_leave(one, words, settings.mode)
        lines.append(f"{'left':<15} {_title(one)}: {reason or 'came or came back meanwhile: run it again'}")
    where = "the AWS on this machine" if settings.mode == "sample" else f"this account in {settings.region}"
    if not lines and not listing.problems:
        return f"asked again: nothing of the workshop is left in {where}"
    head = f"asked again: {len(lines)} left of the workshop in {where}"
    return "\n".join([head, *lines, *_total(settings, listing.found), *problem_lines(listing.problems)])


def problem_lines(problems: Sequence[Problem]) -> list[str]:
    """Return a line for everything that could not be asked or done."""
    return [f"{'not known':<15} {one.what}: {one.reason}" for one in problems]


def words_for(found: Sequence[Found], mode: str) -> list[str]:
    """Return the words that would delete something of this list."""
    return [
        word for word in WORDS if any(not reason_to_leave(one, confirmed_words(word), mode) for one in found)
    ]


def table_lines(settings: Settings, listing: Listing) -> list[str]:
    """Return a line for each thing, below a line of heads; none when there is nothing."""
    rows = [_COLUMNS, *(_row(one, settings, listing.at) for one in listing.found)]
    if len(rows) == 1:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]


def _row(one: Found, settings: Settings, at: datetime) -> tuple[str, ...]:
    mode = "" if one.mode == settings.mode else f" (mode {one.mode})"
    is_priced = None in (one.usd_per_hour, one.usd_so_far) or one.usd_per_hour > 0 or one.usd_so_far > 0
    return (
        one.word or one.kind,
        masked(one.name) + mode,
        ", ".join(one.sources),
        _age_text(at, one.made_at),
        _usd_text(one.usd_per_hour, 4) if is_priced else "-",
        _usd_text(one.usd_so_far, 2) if is_priced else "-",
        one.what,
    )


def _total(settings: Settings, found: Sequence[Found]) -> list[str]:
    machines = [one for one in found if one.kind in ("Endpoint", "TrainingJob", "ProcessingJob")]
    per_hour = sum(one.usd_per_hour or 0 for one in machines)
    unknown = [one.name for one in machines if one.usd_per_hour is None]
    text = f"machines: {per_hour:.2f} USD an hour now"
    if settings.mode == "sample":
        text = f"machines: 0 USD on this machine; on AWS {per_hour:.2f} USD an hour"
    if unknown:
        text += f"; not counted, since their price is not known here: {', '.join(unknown)}"
    return [text + '. "So far" is the present number of machines since they were made.'] if machines else []


def _title(one: Found) -> str:
    return f"{one.word or one.kind} {masked(one.name)}"


def _usd_text(usd: float | None, digits: int) -> str:
    return "?" if usd is None else f"{usd:.{digits}f}"


def _age_text(at: datetime, made_at: datetime | None) -> str:
    if made_at is None:
        return "?"
    minutes = (at - made_at).total_seconds() / 60
    if minutes < 120:
        return f"{max(minutes, 0):.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} d"
