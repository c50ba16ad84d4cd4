"""`spelke doctor`: what this installation can do, and what to do where it cannot."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from spelke.cli.parse import parse
from spelke.errors import SpelkeError

_EXTRAS = {
    "worlds": ("mujoco", "webdataset"),
    "train": ("lightning", "tensorboard", "webdataset"),
}
"""Optional extras and the modules by which they are known to be there."""

_LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "opencv-python-headless", "safetensors")

_EGL_PACKAGES = "libegl1 libgl1-mesa-dri"
"""Debian packages that give MuJoCo a software renderer."""

_EGL_TRIAL = "from spelke.worlds.gl import gl_context; gl_context()"

_LITTLE_MEMORY_GB, _LITTLE_DISK_GB = 2.0, 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    state: Literal["ok", "note", "fault"]
    """`note`: something optional is missing; `fault`: something that should work does not."""
    detail: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Check this installation: versions, device, graphics, extras, checkpoints, memory, disk.

    Exits with 1 if something that should work does not.
    """

    json: bool = False
    """Print one JSON object per check."""


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    options = parse(DoctorOptions, "doctor", argv)
    failed = False
    for finding in examine():
        failed |= finding.state == "fault"
        print(json.dumps(asdict(finding)) if options.json else _line(finding), flush=True)
    return 1 if failed else 0


def examine() -> Iterator[Finding]:
    """All findings, one check after another."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _versions, _device, _extras, _graphics, _checkpoints, _memory, _disk,
    )  # fmt: skip
    for check in checks:
        yield from check()


def _line(finding: Finding) -> str:
    mark = {"ok": "ok   ", "note": "note ", "fault": "FAULT"}[finding.state]
    remedy = f"\n      -> {finding.remedy}" if finding.remedy else ""
    return f"{mark} {finding.check}: {finding.detail}{remedy}"


def _versions() -> Iterator[Finding]:
    yield Finding("spelke", "ok", f"{version('spelke')} in {Path(__file__).parents[1]}")
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    for library in _LIBRARIES:
        try:
            yield Finding(library, "ok", version(library))
        except PackageNotFoundError:
            yield Finding(library, "fault", "is not installed", f"pip install {library}")


def _device() -> Iterator[Finding]:
    from spelke.runtime.device import choose_device

    yield Finding("device", "ok", str(choose_device()))


def _extras() -> Iterator[Finding]:
    for extra, modules in _EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            detail = f"not installed ({', '.join(missing)} missing)"
            yield Finding(f"extra {extra}", "note", detail, f"pip install 'spelke[{extra}]'")
        else:
            yield Finding(f"extra {extra}", "ok", "installed")


def _graphics() -> Iterator[Finding]:
    """Which renderers worlds have; OpenGL is tried in another process, because drivers crash."""
    if find_spec("mujoco") is None:
        return
    environment = {"MUJOCO_GL": "egl", **os.environ}
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _EGL_TRIAL],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield Finding("graphics", "fault", "no answer within 60 s", _egl_remedy())
        return
    if trial.returncode == 0:
        backend = environment["MUJOCO_GL"]
        yield Finding("graphics", "ok", f"worlds: renderers gl (MUJOCO_GL={backend}), raycast")
        return
    lines = trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"]
    detail = f"worlds: renderer raycast; no gl: {lines[-1]}"
    yield Finding("graphics", "note", detail, _egl_remedy())


def _egl_remedy() -> str:
    return f"on Debian or Ubuntu: apt-get install {_EGL_PACKAGES}"


def _checkpoints() -> Iterator[Finding]:
    from spelke.weights.checkpoint_files import check_integrity, read_config
    from spelke.weights.shards import WEIGHTS
    from spelke.weights.table import named_folder, shipped_names

    for name in shipped_names():
        try:
            folder = named_folder(name)
            config = read_config(folder)
            check_integrity(folder, config.sha256)
        except SpelkeError as error:
            yield Finding(
                f"model {name}", "fault", str(error), "pip install --force-reinstall spelke"
            )
        else:
            yield Finding(f"model {name}", "ok", f"intact, sha256 {config.sha256[WEIGHTS][:12]}…")


def _memory() -> Iterator[Finding]:
    free = _free_memory_gb()
    if free is None:
        yield Finding("memory", "note", "unknown on this system")
    elif free < _LITTLE_MEMORY_GB:
        yield Finding("memory", "note", f"{free:.1f} GB free", "close other programs")
    else:
        yield Finding("memory", "ok", f"{free:.1f} GB free")


def _free_memory_gb(meminfo: Path = Path("/proc/meminfo")) -> float | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 / 1e9
    return None


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    state = "note" if free < _LITTLE_DISK_GB else "ok"
    remedy = "write results elsewhere with --out" if state == "note" else ""
    yield Finding("disk", state, f"{free:.1f} GB free in {Path.cwd()}", remedy)
