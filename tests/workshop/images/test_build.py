"""An image on top of another: whole by its digests, the same on any day, with the base's own below."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from tests.workshop.images.test_parts import described

from workshop.images.build import BASE_NAME, build_on, make_layer, revision_of
from workshop.images.parts import CONFIG, LAYER, MANIFEST

BASE_LAYER = described(LAYER, b"base")
BASE: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": described(CONFIG, b"{}"),
    "layers": [BASE_LAYER],
}
BASE_CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-01-01T00:00:00Z",
    "config": {"Env": ["PATH=/bin", "A=b=c"], "Labels": {"team": "aws"}, "Entrypoint": ["serve"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:base"]},
    "history": [{"created_by": "aws"}],
}


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_layer_is_an_archive_of_its_files_the_same_whenever_it_is_made() -> None:
    files = {"opt/news/b.txt": "나중".encode(), "opt/news/a.json": b"{}"}
    layer = make_layer(files)
    assert layer == make_layer(dict(reversed(files.items())))
    archive = gzip.decompress(layer.content)
    assert (layer.digest, layer.diff_id) == (digest_of(layer.content), digest_of(archive))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = {each.name: (tar.extractfile(each).read(), each.mode, each.uid, each.mtime) for each in tar}
    assert members == {name: (content, 0o644, 0, 0) for name, content in files.items()}


def test_the_new_image_has_the_bases_layers_and_settings_below_its_own() -> None:
    layer = make_layer({"opt/a": b"a"})
    labels = {BASE_NAME: "base:1"}
    image = build_on(BASE, BASE_CONFIG, layer, environment={"A": "new", "B": "2"}, labels=labels)
    assert image == build_on(BASE, BASE_CONFIG, layer, environment={"A": "new", "B": "2"}, labels=labels)
    manifest, (own_layer, own_config) = json.loads(image.manifest), image.blobs
    assert own_layer == layer
    assert image.digest == digest_of(image.manifest.encode())
    assert manifest == {**BASE, "config": own_config.described, "layers": [BASE_LAYER, layer.described]}
    config = json.loads(own_config.content)
    assert config["config"] == {
        "Env": ["PATH=/bin", "A=new", "B=2"],
        "Labels": {"team": "aws", BASE_NAME: "base:1"},
        "Entrypoint": ["serve"],
    }
    assert config["rootfs"]["diff_ids"] == ["sha256:base", layer.diff_id]
    assert len(config["history"]) == 2
    assert BASE_CONFIG["config"]["Env"] == ["PATH=/bin", "A=b=c"], "the base's own is not changed"
    other = build_on(BASE, BASE_CONFIG, layer, environment={"A": "newer"}, labels=labels)
    assert other.digest != image.digest


def test_a_base_without_variables_labels_and_history_is_enough() -> None:
    bare = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    image = build_on(BASE, bare, make_layer({}), environment={"A": "1"}, labels={})
    config = json.loads(image.blobs[1].content)
    assert (config["config"], "history" in config) == ({"Env": ["A=1"], "Labels": {}}, False)


def test_the_revision_is_the_commit_and_unknown_without_git(tmp_path: Path) -> None:
    assert revision_of(tmp_path) == "unknown"
    assert revision_of(tmp_path / "absent") == "unknown"
