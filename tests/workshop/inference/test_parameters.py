"""One set of names, checked before anything is sent."""

from __future__ import annotations

import pytest

from workshop.errors import WorkshopError
from workshop.inference import Parameters


@pytest.mark.parametrize(
    ("given", "samples", "temperature"),
    [
        ({}, False, 0.0),
        ({"temperature": 0}, False, 0.0),
        ({"temperature": 0.7}, True, 0.7),
        ({"temperature": 1}, True, 1),
        ({"top_k": 5}, True, 1.0),
        ({"top_p": 0.9}, True, 1.0),
        ({"top_p": 1, "top_k": 0}, False, 0.0),
    ],
)
def test_sampling_is_what_was_asked_for(given: dict, samples: bool, temperature: float) -> None:
    parameters = Parameters(**given)
    assert (parameters.samples, parameters.sampling_temperature) == (samples, temperature)


@pytest.mark.parametrize(
    "given",
    [
        {"max_new_tokens": 0},
        {"max_new_tokens": 1.5},
        {"max_new_tokens": True},
        {"max_new_tokens": None},
        {"temperature": -1},
        {"temperature": "hot"},
        {"top_p": 0},
        {"top_p": 1.1},
        {"top_k": -1},
        {"repetition_penalty": 0},
        {"seed": -1},
        {"stop": ["a", ""]},
        {"stop": ["1", "2", "3", "4", "5"]},
        {"temperature": 0, "top_p": 0.9},
    ],
)
def test_a_value_out_of_range_is_named(given: dict) -> None:
    with pytest.raises(WorkshopError, match=rf"{next(iter(given))} = "):
        Parameters(**given)


def test_an_unknown_name_names_the_closest() -> None:
    with pytest.raises(WorkshopError, match=r"'max_tokens'.*\n.*closest: max_new_tokens"):
        Parameters.of({"max_tokens": 5})


def test_one_stop_text_may_stand_alone() -> None:
    assert Parameters(stop="끝").stop == ("끝",)
