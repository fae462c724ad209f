"""A command is printed as it is, but for its secrets."""

import shlex

import pytest

from workshop.view.command_text import command_text, short_name


def test_the_printed_command_is_the_command():
    command = [
        "torchrun",
        "--standalone",
        "--nproc_per_node",
        "2",
        "train.py",
        "--note",
        "두 단어 'x'",
        "--n",
        "-1",
    ]
    text = command_text(command, {"OMP_NUM_THREADS": "1", "NAME": "a b"})
    assert text.splitlines()[:3] == ["NAME='a b' \\", "  OMP_NUM_THREADS=1 \\", "  torchrun \\"]
    assert shlex.split(text.replace("\\\n", "")) == ["NAME=a b", "OMP_NUM_THREADS=1", *command]


def test_a_command_of_one_word_is_one_line():
    assert command_text(["torchrun"]) == "torchrun"


@pytest.mark.parametrize(
    ("name", "value", "is_shown"),
    [
        ("HF_TOKEN", "a", False),
        ("AWS_SECRET_ACCESS_KEY", "a", False),
        ("my_api_key", "1", False),
        ("DB_PASSWORD", "1234", False),
        ("API_TOKENS", "abc,def", False),
        ("MAX_TOTAL_TOKENS", "2048", True),
        ("TOKENIZERS_PARALLELISM", "false", True),
        ("OMP_NUM_THREADS", "1", True),
    ],
)
def test_variables_are_secret_by_their_name(name: str, value: str, is_shown: bool):
    assert command_text(["a"], {name: value}).startswith(f"{name}={value if is_shown else '***'} ")


def test_a_command_is_named_by_program_and_script():
    assert (
        short_name(["/bin/torchrun", "--standalone", "src/train/train.py", "--x", "1"]) == "torchrun train.py"
    )
    assert short_name(["/bin/docker", "run"]) == "docker"
