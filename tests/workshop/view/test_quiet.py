"""What the SageMaker SDK writes into a notebook, in a process of its own, and what of it stays out."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

CODE = """
import logging, warnings
from workshop.view.quiet import let_libraries_only_warn
{first}
logging.basicConfig(level=logging.INFO)  # as the SDK does when it is imported
config = logging.getLogger("sagemaker.config")
config.setLevel(logging.DEBUG)
config.info("Applied value from config")
config.debug("Auto-detecting")
logging.getLogger("sagemaker.core.workflow.utilities").warning("Popping out '%s' from it", "TrainingJobName")
logging.getLogger("sagemaker.core.utils.utils").warning("No region provided. Using default region.")
warnings.warn("Running within a PipelineSession, there will be No Wait", UserWarning)
logging.getLogger("sagemaker.any").warning("the bucket is in another region")
warnings.warn("this is deprecated", UserWarning)
"""
NOISE = ("Applied value", "Auto-detecting", "Popping out", "PipelineSession", "No region")


def said(first: str) -> str:
    command = [sys.executable, "-c", CODE.format(first=first)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stderr


def test_what_a_reader_may_act_on_is_shown_and_the_rest_is_not() -> None:
    text = said("let_libraries_only_warn()")
    assert "WARNING sagemaker.any: the bucket is in another region" in text
    assert "this is deprecated" in text
    assert [noise for noise in NOISE if noise in text] == []


def test_without_it_all_of_that_would_be_shown() -> None:
    text = said("")
    assert [noise for noise in NOISE if noise not in text] == []


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("core/experiments/_metrics.py", "logging.basicConfig(level=logging.INFO)"),
        ("core/workflow/utilities.py", "Popping out '%s' from"),
        ("core/utils/utils.py", '"No region provided. Using default region.'),
        ("core/workflow/pipeline_context.py", '"Running within a PipelineSession'),
    ],
)
def test_the_sdk_says_it_in_these_words(module: str, words: str) -> None:
    source = Path(str(distribution("sagemaker-core").locate_file(f"sagemaker/{module}")))
    assert words in source.read_text(encoding="utf-8")
