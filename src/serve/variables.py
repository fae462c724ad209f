"""What becomes of an image's environment variables: each is done, refused by name, or has no counterpart.

A dialect has one table of them, which the settings read and `python -m serve.docs` writes as a page. None is
accepted and then ignored: what changes no answer is said in the log, what would change one is refused.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from processes.errors import UserError
from serve.served_model import ServedModel

logger = logging.getLogger(__name__)

# A name that differs by a letter or two from a known one is taken for a mistake.
_ALMOST_THE_SAME = 0.85
_MAX_SHOWN_CHARACTERS = 120
_SECRET = re.compile(r"(?:TOKEN|KEY|PASS|PASSWORD|SECRET)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One variable of an image.

    Args:
        name: As the image reads it.
        outcome: Done; refused unless it has one of the harmless values; or without a counterpart here.
        says: What it does here, why it is refused, or why nothing here corresponds.
        setting: Of a variable that is done: the server's setting or the dialect's option.
        harmless: Values that ask for what the server does anyway.
    """

    name: str
    outcome: Literal["done", "refused", "without"]
    says: str
    setting: str = ""
    harmless: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Family:
    """Variables that have a beginning in common, and what becomes of those that no table names.

    Args:
        prefix: Their beginning.
        outcome: Refused, as the image refuses them; ignored with a warning, as the image ignores them; or
            without a counterpart.
        says: Why.
    """

    prefix: str
    outcome: Literal["refused", "ignored", "without"]
    says: str


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a container was given, as the dialect reads it.

    Args:
        environ: Its variables, those that a file of the model sets among them.
        model: What it serves.
        origins: Variable -> what a message calls it, where that is not its name.
        adapters: Name -> folder of LoRA adapters that lie beside the model.
        warnings: What the image would do otherwise, for the log.
    """

    environ: Mapping[str, str]
    model: ServedModel
    origins: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, Path] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def done(setting: str, *names: str, says: str = "") -> tuple[Variable, ...]:
    """Return variables that set the same."""
    return tuple(Variable(name=name, outcome="done", says=says, setting=setting) for name in names)


def refused(says: str, *names: str, harmless: tuple[str, ...] = ()) -> tuple[Variable, ...]:
    """Return variables that are refused for the same reason."""
    return tuple(Variable(name=name, outcome="refused", says=says, harmless=harmless) for name in names)


def without(says: str, *names: str) -> tuple[Variable, ...]:
    """Return variables that have no counterpart here for the same reason; none of them changes an answer."""
    return tuple(Variable(name=name, outcome="without", says=says) for name in names)


def check(
    table: Iterable[Variable], families: Iterable[Family], given: Given, foreign: Iterable[str] = ()
) -> None:
    """Refuse what would change answers and is not done; log what is accepted without an effect.

    Args:
        table: Of the dialect.
        families: Of the dialect; the first that matches a name counts.
        given: What the container was given.
        foreign: Variables that other images read.

    Raises:
        UserError: A variable is refused.
    """
    known = {variable.name: variable for variable in table}
    families = (
        *families,
        *(Family(prefix=name, outcome="ignored", says="another image reads it") for name in foreign),
    )
    for warning in given.warnings:
        logger.warning("%s", warning)
    for name, text in sorted(given.environ.items()):
        if not text:
            continue
        value = "***" if _SECRET.search(name) else repr(text[:_MAX_SHOWN_CHARACTERS])
        shown = f"{given.origins.get(name, name)} = {value}"
        if name in known:
            _check_known(known[name], shown, text)
        else:
            _check_unknown(name, shown, known, families)


def _check_known(variable: Variable, shown: str, text: str) -> None:
    if variable.outcome == "without":
        logger.info("%s has no counterpart here: %s", shown, variable.says)
    if variable.outcome == "refused" and text.strip().lower() not in ("false", *variable.harmless):
        raise UserError(
            found=shown,
            expected=f"{_one_of(variable.harmless)}: {variable.says}",
            next_step=f"remove {shown.partition(' = ')[0]}",
        )


def _check_unknown(
    name: str, shown: str, known: Mapping[str, Variable], families: tuple[Family, ...]
) -> None:
    family = next((each for each in families if name.startswith(each.prefix)), None)
    meant = get_close_matches(name, known, n=1, cutoff=_ALMOST_THE_SAME)
    hint = f"; did you mean {meant[0]}?" if meant else ""
    if family is None:
        if meant:
            logger.warning("%s is read by nobody%s", shown, hint)
        return
    if family.outcome == "refused":
        raise UserError(
            found=shown,
            expected=f"a variable that is known: {family.says}",
            next_step=f"correct {name}: {meant[0]}?" if meant else f"remove {name}",
        )
    if family.outcome == "ignored":
        logger.warning("%s is ignored: %s%s", shown, family.says, hint)
    else:
        logger.info("%s has no counterpart here: %s", shown, family.says)


def _one_of(harmless: tuple[str, ...]) -> str:
    return " or ".join(["nothing", *harmless])


def refuse_own_code(folder: Path, names: Iterable[str], image: str) -> None:
    """Refuse a model's folder with code that an image would run, or packages that it would install.

    Raises:
        UserError: One of the names is there.
    """
    for name in names:
        if (folder / name).is_file():
            raise UserError(
                found=f"{name} beside the model, which {image} runs or installs at its start",
                expected="the model's files alone: no code but the server's own runs here",
                next_step=f"take {name} out of the model's files to try the rest of it here",
            )
