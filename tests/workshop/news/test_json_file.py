"""JSON in the forms that programs write it."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from workshop.news import json_file

from .conftest import SUMMARY, article, error_of, read, row

ROWS = [row(document=f'{article(number)} "[{{,}}]" \n', date="") for number in range(2_500)]
PANDAS = pd.DataFrame(
    [{"document": article(number), "summary": SUMMARY, "date": f"2026010{number}"} for number in range(3)]
)


FORMS = {
    "lines": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
    "array": json.dumps,
    "indented array": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False),
    "array with a row in a line": lambda rows: "[\r\n" + ",\r\n".join(map(json.dumps, rows)) + "\r\n]\r\n",
    "data": lambda rows: json.dumps({"data": rows}),
    "indented data": lambda rows: json.dumps(
        {"version": "1.0", "tags": ["a"], "data": rows, "n": 12345}, indent=1
    ),
    "table of pandas": lambda rows: pd.DataFrame(rows).to_json(orient="table", index=False),
    "objects over several lines": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows),
    "objects without lines": lambda rows: " ".join(map(json.dumps, rows)),
    "blank lines": lambda rows: "\n\n" + "\n \n".join(map(json.dumps, rows)),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("name", ["news.json", "news.jsonl"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_form_is_read_whatever_the_name(form, name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(form(ROWS), encoding=encoding)
    assert read(path) == ROWS


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("characters", [1, 7, 1_000])
def test_where_a_read_ends_makes_no_difference(
    form, characters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_file, "_CHARACTERS_TO_READ", characters)
    monkeypatch.setattr(json_file, "_LONGEST_LINE", 50)
    path = tmp_path / "news.json"
    rows = [row(document=f"{article(number)} \\\U0001f600") for number in range(5)]
    path.write_text(form(rows), encoding="utf-8")
    assert read(path) == rows


def test_number_that_a_read_cuts_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "news.json"
    path.write_text(json.dumps({"n": 123456789, "data": [row()]}), encoding="utf-8")
    monkeypatch.setattr(json_file, "_LONGEST_LINE", 5)
    for characters in range(1, 30):
        monkeypatch.setattr(json_file, "_CHARACTERS_TO_READ", characters)
        assert read(path) == [row()]


def test_row_with_an_array_of_objects_beside_its_text_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "news.json"
    path.write_text(json.dumps({**row(), "comments": [{"by": "a"}]}), encoding="utf-8")
    assert read(path) == [row()]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_json_under_a_name_of_csv_is_read(form, tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text(form(ROWS[:3]), encoding="utf-8")
    assert read(path) == ROWS[:3]


@pytest.mark.parametrize("start", ["", "[", '{"data": [', '{"a": '])
def test_nesting_beyond_measure_is_refused(start: str, tmp_path: Path) -> None:
    path = tmp_path / "news.json"
    path.write_text(start + "[" * 200_000)
    assert "recursion" in error_of(path).found


def test_two_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "news.json"
    path.write_text(json.dumps({"train": [row()], "test": [row()]}), encoding="utf-8")
    assert "'train' and 'test'" in error_of(path).found


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        (
            '[\n{"document": "a", "summary": "b"},\n{"document": "a" "summary": "b"}]',
            "line 3",
            "Expecting ','",
        ),
        ('[\n{"document": "a", "summary": "b"}\n{"document"', "line 3", "Expecting ','"),
        ('[{"document": "a", "summary": "b"}', "line 1", "Expecting ','"),
        ('{"data": [\n{"document": "a", "summary": "b"}\n', "line 3", "Expecting ','"),
        ('{"data": [\n{"document": "a, "summary": "b"}]}\n', "line 2", "Expecting"),
        ('{\n"document"\n', "line 3", "Expecting ':'"),
        ('[\n{"document": "a", "summary": "b"},\n"c"]', "line 3", "holds a JSON str"),
        ("[\n[1]]", "line 2", "holds a JSON list"),
        ("x", "line 1", "not JSON"),
        ('{"document": "a"', "line 1", "not JSON"),
        ('[{"document": 3, "summary": "b"}]', "line 1", "is of the type int"),
    ],
)
def test_damage_is_named_with_its_line(text: str, place: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "news.json"
    path.write_text(text)
    error = error_of(path)
    assert place in error.found
    assert what in error.found


@pytest.mark.parametrize("text", ["[]", "[ ]\n", "{}", '{"data": []}', "[{}]"])
def test_file_without_rows_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "news.json"
    path.write_text(text)
    assert "has no rows" in error_of(path).found or "the columns" in error_of(path).found


@pytest.mark.parametrize("orient", ["columns", "split", "list"])
@pytest.mark.parametrize("name", ["train.json", "오늘의 'news'.jsonl", "train.json.gz"])
def test_columns_of_pandas_are_refused_and_the_advice_works(orient: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    is_list = orient == "list"
    text = json.dumps(PANDAS.to_dict("list")) if is_list else PANDAS.to_json(orient=orient)
    write_text(path, text)
    error = error_of(path)
    assert "pandas' to_json" in error.found
    command = error.next_step.split("`")[1].replace("python -c", f"{sys.executable} -c")
    subprocess.run(command, shell=True, check=True)
    assert read(path) == [row(category="", **found) for found in PANDAS.to_dict("records")]


def write_text(path: Path, text: str) -> None:
    import gzip

    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(text)


def test_long_columns_of_pandas_are_refused_with_the_same_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_file, "_LONGEST_LINE", 50)
    path = tmp_path / "news.json"
    path.write_text(PANDAS.to_json())
    assert "pandas' to_json" in error_of(path).found


MEMORY = """
import sys, tracemalloc
from pathlib import Path
import pandas, pyarrow, pyarrow.compute
from workshop.news.files import read_file

tracemalloc.start()
num_rows = sum(batch.num_rows for batch in read_file(Path(sys.argv[1])))
print(num_rows, tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.parametrize("form", ["array", "indented array", "data"])
def test_array_is_never_in_memory_as_a_whole(form: str, tmp_path: Path) -> None:
    path = tmp_path / "news.json"
    rows = [row(document=article(number) * 5) for number in range(40_000)]
    path.write_text(FORMS[form](rows), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True
    )
    num_rows, peak = map(int, run.stdout.split())
    assert num_rows == len(rows)
    assert path.stat().st_size > 60 << 20
    # Measured 5 to 30 MiB: a batch of rows, a block of text; of a single line its first 16 Mi characters.
    assert peak < path.stat().st_size / 2, peak
