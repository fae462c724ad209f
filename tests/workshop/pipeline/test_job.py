"""How a job of the pipeline ends: what AWS shows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from workshop.pipeline.job import MAX_MESSAGE_BYTES, run_as_job


def fail() -> str:
    raise ValueError("두 줄\nthat no one expected")


def test_the_result_is_the_message_cut_to_what_aws_takes_in_whole_letters(tmp_path: Path) -> None:
    assert run_as_job(lambda: "a" + "가" * 1000, tmp_path / "ml" / "processing" / "output") == 0
    message = (tmp_path / "ml" / "output" / "message").read_bytes()
    assert message == ("a" + "가" * ((MAX_MESSAGE_BYTES - 1) // 3)).encode()


def test_an_error_that_nobody_expected_is_named_and_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="두 줄"):
        run_as_job(fail, tmp_path / "ml" / "processing" / "output" / "evaluation")
    assert (tmp_path / "ml" / "output" / "message").read_text() == "ValueError: 두 줄"


def test_a_script_that_is_run_by_hand_leaves_no_message(tmp_path: Path) -> None:
    assert run_as_job(lambda: "done", tmp_path / "processing" / "output") == 0
    assert list(tmp_path.iterdir()) == []
