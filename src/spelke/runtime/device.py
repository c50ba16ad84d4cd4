"""Which device and number format to compute in, and why.

The choice is returned with its reason, for `spelke doctor` and for logs. A device that was asked
for and is absent is an error; no other is ever taken in its place.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from spelke.errors import InvalidInput, Unavailable

_CPU_FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16", "bf16": "Arm BF16"}
"""Flags of /proc/cpuinfo that mean bfloat16 products in hardware."""


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Where to compute, in which number format, and why.

    Attributes:
        device: the torch device.
        dtype: format of matrix products; weights and sums stay float32.
        reason: one sentence for people.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str

    def autocast(self) -> AbstractContextManager:
        """The context in which networks run: autocast to `dtype`, or nothing for float32."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def __str__(self) -> str:
        return f"{self.device} in {str(self.dtype).removeprefix('torch.')}: {self.reason}"


def choose_device(name: str | torch.device | None = None) -> DeviceChoice:
    """The device to compute on: the one named, or the best that is here.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps"; None takes a CUDA GPU where there is one, else
            Apple's GPU, else the CPU.

    Raises:
        InvalidInput: torch knows no such device.
        Unavailable: the named device is not here.
    """
    if name is None:
        if torch.cuda.is_available():
            return _choose_cuda(torch.device("cuda"), "found")
        if torch.backends.mps.is_available():
            return _choose_mps("found")
        return _choose_cpu("no GPU found")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidInput(f'no device is called {name!r}; use "cpu", "cuda" or "mps"') from error
    if device.type == "cuda":
        return _choose_cuda(device, "asked for")
    if device.type == "mps":
        return _choose_mps("asked for")
    if device.type == "cpu":
        return _choose_cpu("asked for")
    raise InvalidInput(f'device {name!r} is not supported; use "cpu", "cuda" or "mps"')


def _choose_cuda(device: torch.device, why: str) -> DeviceChoice:
    """The CUDA device, if it is here."""
    if not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        cause = "torch finds no GPU or driver" if built else "this torch is built for the CPU only"
        raise Unavailable(
            f'device "{device}" was asked for, but {cause}; use "cpu", or install a torch built '
            "for your GPU"
        )
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        raise Unavailable(
            f'device "{device}" was asked for, but this machine has {count} CUDA device(s), '
            f"counted from 0; use one up to cuda:{count - 1}"
        )
    title = torch.cuda.get_device_name(device)
    # Emulated bfloat16 (before Ampere) would be slower than float32.
    if torch.cuda.get_device_capability(device)[0] >= 8 or torch.version.hip:
        return DeviceChoice(device, torch.bfloat16, f"{title} {why}, bfloat16 in hardware")
    return DeviceChoice(device, torch.float32, f"{title} {why}, no bfloat16 in hardware")


def _choose_mps(why: str) -> DeviceChoice:
    """Apple's GPU, if it is here."""
    if not torch.backends.mps.is_available():
        raise Unavailable('device "mps" was asked for, but there is no Apple GPU here; use "cpu"')
    return DeviceChoice(torch.device("mps"), torch.float32, f"Apple GPU {why}")


def _choose_cpu(why: str) -> DeviceChoice:
    """The CPU, in bfloat16 where it multiplies bfloat16 in hardware."""
    device = torch.device("cpu")
    unit = bfloat16_unit()
    if unit is None:
        return DeviceChoice(device, torch.float32, f"CPU {why}, no bfloat16 in hardware")
    return DeviceChoice(device, torch.bfloat16, f"CPU {why}, bfloat16 by {unit}")


def bfloat16_unit(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """What multiplies bfloat16 in this CPU, or None.

    torch's own question, `mkldnn._is_mkldnn_bf16_supported`, is also answered with yes where
    bfloat16 is emulated by AVX-512 and slower than float32, so the CPU's flags are read.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        title, _, flags = line.partition(":")
        if title.strip() in ("flags", "Features"):
            present = set(flags.split())
            return next((unit for flag, unit in _CPU_FLAGS.items() if flag in present), None)
    return None


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device; None where it cannot be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    limits = (_available(Path("/proc/meminfo")), _left_in_group(Path("/sys/fs/cgroup")))
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _available(meminfo: Path) -> int | None:
    """What the system could give."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        title, _, value = line.partition(":")
        if title == "MemAvailable":
            return 1024 * int(value.split()[0])
    return None


def _left_in_group(folder: Path) -> int | None:
    """What a container's limit leaves, files that it has merely read aside; None without limit."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    if not limit.isdigit():
        return None
    statistics = dict(line.split() for line in lines)
    return max(0, int(limit) - used + int(statistics.get("inactive_file", 0)))
