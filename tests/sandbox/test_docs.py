"""README.md lists what is implemented, as the code has it."""

from __future__ import annotations

import pytest

from sandbox import docs, operations
from sandbox.api import faults


def test_the_readme_is_what_the_code_says() -> None:
    text = docs.README.read_text(encoding="utf-8")
    assert docs.updated(text) == text, "run: python -m sandbox.docs"
    for name in (*operations.SAGEMAKER.operations, *docs.RUNTIME, *faults.KINDS):
        assert f"`{name}`" in text


def test_an_old_table_is_replaced_and_the_rest_is_kept() -> None:
    begin, end = docs._BEGIN, docs._END
    assert docs.updated(f"before {begin} old {end} after").startswith(f"before {begin}\n")
    assert docs.updated(f"before {begin} old {end} after").endswith(f"{end} after")
    with pytest.raises(ValueError, match="found no"):
        docs.updated("no marks")
