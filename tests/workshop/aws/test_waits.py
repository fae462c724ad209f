"""A wait shows what it sees, and ends: done, failed, or out of time."""

from __future__ import annotations

import dataclasses

import pytest

from workshop.aws.waits import Wait
from workshop.errors import WorkshopError


def wait(timeout_s: float = 60.0) -> Wait:
    return Wait(
        title="news", timeout_s=timeout_s, interval_s=0.001, expected="InService", next_step="wait again"
    )


def test_it_shows_every_change_once_and_returns_what_it_saw_last(capsys: pytest.CaptureFixture) -> None:
    seen = iter(["Creating", "Creating", "Updating", "InService"])
    last = wait().until(lambda: next(seen), is_done=lambda status: status == "InService", text=str)
    assert last == "InService"
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["status Creating", "status Updating", "status InService"]
    assert lines[3].startswith("news · InService after")


def test_a_failure_ends_it_with_its_own_error() -> None:
    failed = WorkshopError(found="it failed", expected="b", next_step="c")
    with pytest.raises(WorkshopError, match="it failed"):
        wait().until(lambda: 1, is_done=lambda state: False, text=str, failure=lambda state: failed)


def test_the_time_is_over() -> None:
    with pytest.raises(WorkshopError) as caught:
        wait(0.0).until(lambda: "Creating", is_done=lambda state: False, text=str)
    assert "news: Creating after 0 s" in caught.value.found
    assert "InService within 0 s" in caught.value.expected
    assert caught.value.next_step == "wait again"


def test_the_error_names_what_is_waited_for_and_the_setting_of_its_time() -> None:
    endpoint = dataclasses.replace(wait(0.0), subject="the endpoint news is", setting="endpoint_timeout_s")
    with pytest.raises(WorkshopError) as caught:
        endpoint.until(lambda: "Creating", is_done=lambda state: False, text=str)
    assert caught.value.found == "the endpoint news is Creating after 0 s"
    assert caught.value.expected == "InService within 0 s (endpoint_timeout_s in workshop.yaml)"
