"""Executed notebooks as the tests of slides want them."""

from __future__ import annotations

import base64
import io
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output


def text_cell(source: str, slide_type: str = "-") -> Any:
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": slide_type}})


def code_cell(source: str, *outputs: Any, slide_type: str = "-", seconds: float = 0.5) -> Any:
    """Return a cell that has run.

    Args:
        outputs: Text that was printed, or outputs of nbformat's.
    """
    times = {
        "iopub.execute_input": "2026-11-30T00:00:00.000Z",
        "shell.execute_reply": f"2026-11-30T00:00:{seconds:06.3f}Z",
    }
    shown = [
        new_output("stream", name="stdout", text=one) if isinstance(one, str) else one for one in outputs
    ]
    return new_code_cell(
        source,
        execution_count=1,
        outputs=shown,
        metadata={"slideshow": {"slide_type": slide_type}, "execution": times},
    )


def html(shown: str) -> Any:
    return new_output("display_data", data={"text/html": shown})


def plot(width: int, height: int) -> Any:
    from PIL import Image

    packed = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(packed, "png")
    return new_output("display_data", data={"image/png": base64.b64encode(packed.getvalue()).decode()})


def notebook(*cells: Any) -> nbformat.NotebookNode:
    return new_notebook(cells=list(cells))
