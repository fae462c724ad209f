"""VARIABLES.md: what becomes of every variable of every image, from the tables that the settings read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from serve.dialects.registry import DIALECTS
from serve.setting_names import OWN
from serve.variables import Family, Variable

PAGE = Path(__file__).with_name("VARIABLES.md")
_TITLES = {
    "tgi": "TGI's image (3.3.6; 3.3.7 has the same)",
    "lmi": "LMI's image (DJL Serving, sources of June 2026)",
    "vllm": "vLLM's image (sources of August 2026), and SGLang's",
    "tei": "TEI's image (1.8.2)",
}
_OUTCOMES = {"done": "Done", "refused": "Refused", "without": "Without a counterpart"}
_FAMILIES = {
    "refused": "refused by name",
    "ignored": "ignored, as by the image, with a warning",
    "without": "accepted without a counterpart",
}


def page() -> str:
    """Return the page."""
    lines = [
        "# Variables of the images",
        "",
        "Written by `python -m serve.docs` from the tables that the settings read. Each variable of an image"
        " is done; or refused by name, because it would change an answer and is not done; or it has no"
        " counterpart on a CPU, for the reason that stands beside it, and is named in the log. A variable of"
        " another image is ignored with a warning, as it is on AWS. In LMI `OPTION_NAME` is `option.name` of"
        " a serving.properties file, which counts first.",
        "",
        "| image | done | refused | without a counterpart |",
        "|---|---|---|---|",
        *(f"| {_TITLES[name]} | {_counts(each.table)} |" for name, each in DIALECTS.items()),
        f"| the server's own | {_counts(OWN)} |",
    ]
    for name, dialect in DIALECTS.items():
        lines += ["", f"## {_TITLES[name]}", *_tables(dialect.table), *_others(dialect.families)]
    lines += ["", "## The server's own, in every dialect", *_tables(OWN)]
    return "\n".join(lines) + "\n"


def _counts(table: tuple[Variable, ...]) -> str:
    return " | ".join(str(sum(each.outcome == outcome for each in table)) for outcome in _OUTCOMES)


def _tables(table: tuple[Variable, ...]) -> list[str]:
    lines: list[str] = []
    for outcome, title in _OUTCOMES.items():
        rows: dict[tuple[str, ...], list[str]] = {}
        for each in table:
            if each.outcome == outcome:
                rows.setdefault((each.says, *each.harmless), []).append(f"`{each.name}`")
        if rows:
            last = {"done": "what it is", "refused": "why; what may be set", "without": "why"}[outcome]
            lines += ["", f"**{title}**", "", f"| variable | {last} |", "|---|---|"]
            lines += [
                f"| {', '.join(names)} | {_cell(says, harmless)} |"
                for (says, *harmless), names in rows.items()
            ]
    return lines


def _cell(says: str, harmless: Iterable[str]) -> str:
    allowed = ", ".join(f"`{value}`" for value in harmless)
    return f"{says}; {allowed}" if allowed else says


def _others(families: tuple[Family, ...]) -> list[str]:
    lines = ["", "**Any other**", ""]
    return lines + [f"- `{each.prefix}...`: {_FAMILIES[each.outcome]}; {each.says}" for each in families]
