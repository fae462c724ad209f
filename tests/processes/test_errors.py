"""What a person can cause says what was found, what was expected and what to do next."""

from __future__ import annotations

import pickle

import pytest

from processes.errors import UserError


class PackageError(UserError):
    """A package's own."""


def test_the_message_holds_found_expected_and_next_step() -> None:
    error = UserError(found="mode 'sampel'", expected="sample", next_step="edit workshop.yaml")
    assert str(error).splitlines() == [
        "found     mode 'sampel'",
        "expected  sample",
        "do next   edit workshop.yaml",
    ]


def test_no_secret_is_in_what_others_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine-1234")
    error = UserError(
        found="401 for sk-mine-1234 at https://me:pass@host/", expected="another", next_step="ask host"
    )
    assert error.found == "401 for *** at https://***@host/"
    assert "sk-mine" not in str(error)
    assert "pass" not in str(error)


def test_all_three_parts_are_required() -> None:
    with pytest.raises(TypeError):
        UserError(found="a", expected="b")  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [UserError, PackageError])
def test_the_error_and_its_subclasses_survive_pickling(kind: type[UserError]) -> None:
    error = pickle.loads(pickle.dumps(kind(found="a", expected="b", next_step="c")))
    assert (type(error), error.found, error.next_step) == (kind, "a", "c")
