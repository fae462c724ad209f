"""Java's properties, as serving.properties of notebooks has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.dialects.lmi.properties import read_properties


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("engine=Python\noption.model_id=s3://b/p/\n", {"engine": "Python", "option.model_id": "s3://b/p/"}),
        ("engine = Python", {"engine": "Python"}),
        ("engine: Python", {"engine": "Python"}),
        ("engine Python", {"engine": "Python"}),
        ("engine\tPython", {"engine": "Python"}),
        ("# a comment\n! another\n\n  engine=Python", {"engine": "Python"}),
        ("a=1\r\nb=2\rc=3", {"a": "1", "b": "2", "c": "3"}),
        ("a=1\na=2", {"a": "2"}),
        ("names=a,\\\n    b", {"names": "a,b"}),
        ("path=C\\:\\\\x", {"path": "C:\\x"}),
        ("a\\=b=c", {"a=b": "c"}),
        ("name=\\ub274\\uc2a4", {"name": "뉴스"}),
        ("name=뉴스", {"name": "뉴스"}),
        ("\ufeffengine=Python", {"engine": "Python"}),
        ('config={"a": "b=c"}', {"config": '{"a": "b=c"}'}),
        ("alone", {"alone": ""}),
        ("empty=", {"empty": ""}),
        ("trailing=x  ", {"trailing": "x"}),
        ("", {}),
    ],
)
def test_properties_are_read_as_java_reads_them(text: str, found: dict, tmp_path: Path) -> None:
    path = tmp_path / "serving.properties"
    path.write_bytes(text.encode())
    assert read_properties(path) == found
