"""Where downloads and converted models are kept on this machine.

`$SPELKE_HOME` where it is set, else the user's cache (`$XDG_CACHE_HOME/spelke` or
`~/.cache/spelke`). Nothing is made before something is written there.
"""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder that holds all of it."""
    chosen = os.environ.get("SPELKE_HOME")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "spelke"


def model_folder(name: str) -> Path:
    """Where the converted form of a published model is, or will be."""
    return home() / "models" / name


def downloads() -> Path:
    """Where published files are fetched to; models share some of them."""
    return home() / "downloads"
