"""ECR's repositories on disk: what was kept is given back, and what nobody understands keeps nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sandbox.storage.ecr_mirror import EcrMirror


def test_what_was_kept_is_given_back_and_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    mirror = EcrMirror(tmp_path / "ecr")
    for name in ("news/serving", "b"):
        mirror.keep("us-east-1", {"name": name, "layers": {}}, {})
    mirror.keep("ap-northeast-2", {"name": "gone", "layers": {}}, {})
    mirror.remove("ap-northeast-2", "gone")
    (tmp_path / "ecr" / "us-east-1" / "cut.json").write_text('{"name": ')
    found: list[tuple[str, str]] = []

    def restore(region: str, kept: dict[str, Any]) -> None:
        if kept["name"] == "b":
            raise KeyError("images")
        found.append((region, kept["name"]))

    mirror.restore(restore)
    assert found == [("us-east-1", "news/serving")]
    left = sorted(path.name for path in (tmp_path / "ecr" / "us-east-1").iterdir())
    assert left == ["b.json.damaged", "cut.json.damaged", "news%2Fserving.json"]


def test_a_layer_goes_with_the_last_repository_that_has_it(tmp_path: Path) -> None:
    mirror = EcrMirror(tmp_path / "ecr")
    assert mirror.blob("sha256:ab") is None
    for name in ("a", "b"):
        mirror.keep("us-east-1", {"name": name, "layers": {"sha256:ab": 6}}, {"sha256:ab": b"\0layer"})
    mirror.remove("us-east-1", "a")
    assert EcrMirror(tmp_path / "ecr").blob("sha256:ab") == b"\0layer"
    mirror.remove("us-east-1", "b")
    assert mirror.blob("sha256:ab") is None
