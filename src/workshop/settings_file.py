"""workshop.yaml as plain values, with the line of whatever is wrong in it."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from workshop.errors import WorkshopError

DEFAULTS = "defaults"
RESTORE = "restore the file: git checkout workshop.yaml"


def read_settings_file(path: Path, field_names: tuple[str, ...]) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the file's `mode` and its modes: each the block `defaults` with what its own block changes.

    Args:
        path: The file.
        field_names: The settings that every mode has in the end.

    Raises:
        WorkshopError: No file, broken YAML, or a key that is unknown, missing or written twice; the
            message names the file and the line.
    """
    try:
        return _read(path, path.read_text(encoding="utf-8"), field_names)
    except FileNotFoundError:
        found, expected, next_step = "no such file", "the settings of the workshop", RESTORE
    except UnicodeDecodeError:
        found, expected, next_step = "text that is not UTF-8", "UTF-8", "save the file as UTF-8"
    except yaml.YAMLError as problem:
        what = getattr(problem, "problem", None) or "a character that YAML does not allow"
        mark = getattr(problem, "problem_mark", None)
        line = mark.line + 1 if mark else None
        next_step = "correct that line or the one above it"
        raise _error(
            path, line, f"text that is not YAML ({what})", "lines of key: value", next_step
        ) from None
    raise _error(path, None, found, expected, next_step)


def _read(path: Path, text: str, field_names: tuple[str, ...]) -> tuple[str, dict[str, dict[str, Any]]]:
    top = _mapping(path, yaml.compose(text, Loader=yaml.SafeLoader), "the file")
    blocks = {name: _block(path, name, node, field_names) for name, node in top.items() if name != "mode"}
    defaults = blocks.pop(DEFAULTS, {})
    if "mode" not in top or not blocks:
        raise _error(
            path, 1, "no `mode:` or no block of settings", "`mode: sample` and a block `sample:`", RESTORE
        )
    for name, block in blocks.items():
        missing = [field for field in field_names if field not in defaults | block]
        if missing:
            found = f"neither {name!r} nor {DEFAULTS!r} with {', '.join(missing)}"
            next_step = f"add the line to one of them, or {RESTORE}"
            raise _error(path, _line(top[name]), found, "every setting in every mode", next_step)
    return str(_value(top["mode"])), {name: defaults | block for name, block in blocks.items()}


def _block(path: Path, mode: str, node: yaml.Node, field_names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        close = get_close_matches(mode, ("mode",), cutoff=0.5)
        expected = f"a block of settings under {mode!r}" + (", or did you mean `mode:`?" if close else "")
        raise _error(path, _line(node), f"{mode}: {_value(node)!r}", expected, "correct that line")
    keys = _mapping(path, node, mode)
    for key, value_node in keys.items():
        if key not in field_names:
            close = get_close_matches(key, field_names, n=1, cutoff=0.4)
            expected = f"closest: {close[0]}" if close else f"one of {', '.join(field_names)}"
            found = f"the unknown setting {key!r} in {mode!r}"
            raise _error(path, _line(value_node), found, expected, "correct its name or remove the line")
    return {key: _value(value_node) for key, value_node in keys.items()}


def _mapping(path: Path, node: yaml.Node | None, what: str) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        line = _line(node) if node else None
        raise _error(path, line, f"{what} without lines of key: value", "lines of key: value", RESTORE)
    found: dict[str, yaml.Node] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        if key in found:  # YAML itself silently keeps the last one
            found_twice = f"{key!r} for the second time in {what}"
            raise _error(path, _line(key_node), found_twice, "each key once", "remove one of the two lines")
        found[key] = value_node
    return found


def _value(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_object(node, deep=True)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _error(path: Path, line: int | None, found: str, expected: str, next_step: str) -> WorkshopError:
    place = f"{path}:{line}" if line else str(path)
    return WorkshopError(found=f"{found} ({place})", expected=expected, next_step=next_step)
