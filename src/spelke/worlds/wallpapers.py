"""Pictures of installed wallpaper packages, as a further source of textures.

Nothing is downloaded or kept: what the packages of the system put into their usual folders is used
where it is asked for. On Debian these hold photographs under free licences that differ from picture
to picture (see `/usr/share/doc/PACKAGE/copyright`): gnome-backgrounds, mate-backgrounds,
plasma-workspace-wallpapers, lomiri-wallpapers-16.04, lomiri-wallpapers-20.04, ukui-wallpapers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from spelke.errors import MissingData

FOLDERS = (Path("/usr/share/backgrounds"), Path("/usr/share/wallpapers"))
"""Where wallpaper packages put their pictures."""

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_HELD_OUT = 5
"""One picture in so many is kept for `test`."""


def find_wallpapers(split: str, folders: Sequence[Path] = FOLDERS) -> dict[str, Path]:
    """The wallpapers of a split: each picture whole in one split, whatever else is installed.

    Args:
        split: "train" or "test".
        folders: looked through with everything below them.

    Returns:
        Name -> file; of a picture in several sizes (or for day and night) the largest file.

    Raises:
        MissingData: the folders hold no wallpaper of this split.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in _SUFFIXES or path.is_symlink() or not path.is_file():
                continue
            name = picture_name(path.relative_to(folder))
            if split_of(name) == split and (
                name not in found or found[name].stat().st_size < path.stat().st_size
            ):
                found[name] = path
    if not found:
        raise MissingData(
            f"no wallpapers for '{split}' in {' or '.join(map(str, folders))}; install some, for "
            "example: apt-get install mate-backgrounds gnome-backgrounds "
            "plasma-workspace-wallpapers; or ask for the photographs of the wheels only"
        )
    return found


def picture_name(path: Path) -> str:
    """One name for all files of one picture: folders and stem without sizes and variants."""
    parts = [part for part in path.with_suffix("").parts if part.lower() not in ("contents",)]
    kept = []
    for part in parts:
        plain = re.sub(r"\d{3,5}\s*x\s*\d{3,5}(@\w+)?", "", part.lower())
        plain = re.sub(r"(^|[-_.])(images?|dark|light|night|day|[dl]|\dk)(?=$|[-_.])", "", plain)
        kept.append(re.sub(r"[-_. ]+", "-", plain).strip("-"))
    return "/".join(part for part in kept if part)


def split_of(name: str) -> str:
    """The split of a picture, from its name: what shares its first two words stays together."""
    folder, _, stem = name.rpartition("/")
    family = f"{folder}/{'-'.join(stem.split('-')[:2])}"
    first = hashlib.sha256(family.encode()).digest()[0]
    return "test" if first % _HELD_OUT == 0 else "train"
