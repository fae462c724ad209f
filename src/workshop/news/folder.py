"""Find the files of each split in a folder, as people and the hub lay them out."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.news.encodings import is_compressed, kind_of
from workshop.news.files import EXTENSIONS, is_news_file

# Names in lower case. "eval" and 평가 are used for validation as well as for test: not here.
_SPLIT_NAMES = {
    "train": ("train", "training", "학습", "훈련"),
    "validation": ("validation", "valid", "val", "dev", "검증"),
    "test": ("test", "testing", "시험", "테스트"),
}
_SPLIT_OF_NAME = {name: split for split, names in _SPLIT_NAMES.items() for name in names}
# How the hub and `datasets` name the parts of one file: train-00000-of-00002, with a hash in older ones.
_SHARD = re.compile(r"(?P<name>.+?)-(?P<number>\d{5})-of-(?P<total>\d{5})(?:-[0-9a-f]{16})?")
# In a folder of the hub's own conversion, default/train/0000.parquet.
_NUMBERED = re.compile(r"\d{4}")
# Folders below the given one that are looked into where it has no split itself: data/, default/train/.
_MOST_LEVELS = 2
_FOLDERS_OF_SYSTEMS = ("__MACOSX", "__pycache__")


def is_saved_to_disk(folder: Path) -> bool:
    """Say whether `save_to_disk` of `datasets` wrote the folder."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def split_names(names: Iterable[str]) -> dict[str, str]:
    """Return what each split is called among these names; without a split that two of them could be."""
    found: dict[str, list[str]] = {}
    for name in names:
        if split := _split_named(name):
            found.setdefault(split, []).append(name)
    found = {split: [split] if split in same else same for split, same in found.items()}
    return {split: same[0] for split, same in found.items() if len(same) == 1}


def find_split_files(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each split, in the order of their parts.

    Files named like a split, whatever the case, in the folder itself; where it has none, in folders below
    it or in folders named like a split. Hidden files and those of macOS and Office do not count. Of a
    split that is in parts, all of them must be there.

    Returns:
        All three splits; or those that there are, where all are in parts: the hub's own layout.

    Raises:
        WorkshopError: a split has no file, or several that are no parts of one; a part is missing.
    """
    found: dict[str, list[Path]] = {split: [] for split in _SPLIT_NAMES}
    for level in range(_MOST_LEVELS + 1):
        for path in _files(folder, level):
            if (split := _split_of(path, folder)) is not None:
                found[split].append(path)
        if level == 0 and any(found.values()):
            break
    found = {split: _in_order(paths) for split, paths in found.items()}
    present = {split: paths for split, paths in found.items() if paths}
    if present and all(map(_are_parts, present.values())):
        return present
    for split, paths in found.items():
        if len(paths) != 1 and not _are_parts(paths):
            raise _error(split, paths, folder)
    return found


def _files(folder: Path, level: int) -> Iterator[Path]:
    """Give the news files that are so many folders below one, in the order of their names."""
    if level == 0:
        for path in sorted(folder.iterdir()):
            if is_news_file(path) and not path.name.startswith((".", "~$")) and path.is_file():
                yield path
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith(".") and path.name not in _FOLDERS_OF_SYSTEMS:
            yield from _files(path, level - 1)


def _split_of(path: Path, folder: Path) -> str | None:
    """Return the split that a file's name says, else that of the nearest folder above it."""
    shard = _SHARD.fullmatch(_stem(path))
    names = [shard["name"] if shard else _stem(path)]
    if kind_of(path) != ".txt":  # train/readme.txt is no news
        names += [parent.name for parent in path.relative_to(folder).parents if parent.name]
    return next(filter(None, map(_split_named, names)), None)


def _stem(path: Path) -> str:
    """Return a file's name without its extension and that of its compression."""
    return path.name.removesuffix(path.suffix if is_compressed(path) else "").rsplit(".", 1)[0]


def _split_named(name: str) -> str | None:
    # macOS writes Hangul decomposed.
    return _SPLIT_OF_NAME.get(unicodedata.normalize("NFC", name).casefold())


def _in_order(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.parent, path.name))


def _are_parts(paths: list[Path]) -> bool:
    """Say whether files are all the parts of one."""
    return bool(paths) and _missing_parts(paths) == []


def _missing_parts(paths: list[Path]) -> list[str] | None:
    """Return the names of the parts that are missing; None where the files are not parts of one."""
    if len({path.parent for path in paths}) != 1 or len({path.suffix for path in paths}) != 1:
        return None
    stems = list(map(_stem, paths))
    shards = [_SHARD.fullmatch(stem) for stem in stems]
    if all(shards) and len({(shard["name"], shard["total"]) for shard in shards if shard}) == 1:
        numbers = [int(shard["number"]) for shard in shards if shard]
        total = int(shards[0]["total"])
        names = [f"{shards[0]['name']}-{number:05}-of-{total:05}" for number in range(total)]
    elif all(map(_NUMBERED.fullmatch, stems)):
        numbers = list(map(int, stems))
        names = [f"{number:04}" for number in range(max(numbers) + 1)]
    else:
        return None
    if len(set(numbers)) != len(numbers):
        return None  # two sets of parts in one folder
    return [name for number, name in enumerate(names) if number not in numbers]


def _error(split: str, paths: list[Path], folder: Path) -> WorkshopError:
    missing = _missing_parts(paths) if paths else None
    if missing:
        return WorkshopError(
            found=f"{len(paths)} parts of the split {split} in {paths[0].parent}, "
            f"without {', '.join(missing[:10])}",
            expected="all parts of a split",
            next_step="download or copy the missing parts",
        )
    names = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
    if paths:
        names = ", ".join(str(path.relative_to(folder)) for path in paths[:10])
    single = next((path for path in (*paths, *_files(folder, 0), *_files(folder, 1))), None)
    as_single = (
        f"set news_source to a single file, such as {single},"
        if single
        else "name a single file as news_source"
    )
    return WorkshopError(
        found=f"{len(paths)} files for the split {split} in {folder} (which holds {names})",
        expected=f"exactly one, named {' or '.join(_SPLIT_NAMES[split])}, with one of "
        f"{', '.join(EXTENSIONS)}; or all parts of it, named as the hub does (train-00000-of-00002)",
        next_step=f"rename or remove files, or {as_single} to have it divided"
        + ("; or name the one folder that you mean" if len({path.parent for path in paths}) > 1 else ""),
    )
