"""The device that was asked for, or an error; and always a reason."""

import pytest
import torch

from spelke.errors import InvalidInput, Unavailable
from spelke.runtime import device
from spelke.runtime.device import DeviceChoice, bfloat16_unit, choose_device


def test_the_cpu_can_always_be_asked_for():
    choice = choose_device("cpu")
    assert choice.device == torch.device("cpu")
    assert "asked for" in choice.reason
    assert str(choice).startswith("cpu in ")


def test_without_a_gpu_the_cpu_is_taken_and_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    choice = choose_device()
    assert choice.device.type == "cpu"
    assert "no GPU found" in choice.reason


@pytest.mark.parametrize(("unit", "dtype"), [(None, torch.float32), ("AMX", torch.bfloat16)])
def test_the_number_format_follows_the_cpu(monkeypatch, unit, dtype):
    monkeypatch.setattr(device, "bfloat16_unit", lambda: unit)
    choice = choose_device("cpu")
    assert choice.dtype == dtype
    assert (unit or "no bfloat16") in choice.reason
    with choice.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == dtype


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_missing_gpu_is_never_replaced(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(Unavailable, match=f'"{name}" was asked for.*use "cpu"'):
        choose_device(name)


def test_a_gpu_that_does_not_exist_is_not_replaced_by_another(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(Unavailable, match="has 2 CUDA"):
        choose_device("cuda:2")


@pytest.mark.parametrize(("capability", "dtype"), [(9, torch.bfloat16), (7, torch.float32)])
def test_a_gpu_computes_in_what_it_has(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "A GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (capability, 0))
    choice = choose_device()
    assert choice == DeviceChoice(torch.device("cuda"), dtype, choice.reason)
    assert choice.reason.startswith("A GPU found")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "meta", ""])
def test_an_unknown_device_is_refused_with_the_known_ones(name):
    with pytest.raises(InvalidInput, match='"cpu", "cuda" or "mps"'):
        choose_device(name)


def test_the_flags_of_the_cpu_decide(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16\n")
    assert bfloat16_unit(cpuinfo) == "AMX"
    cpuinfo.write_text("flags : fpu avx512f\n")
    assert bfloat16_unit(cpuinfo) is None
    cpuinfo.write_text("Features : fp asimd bf16\n")
    assert bfloat16_unit(cpuinfo) == "Arm BF16"
    assert bfloat16_unit(tmp_path / "absent") is None


def test_free_memory_of_the_cpu(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   2048 kB\n")
    assert device._available(tmp_path / "meminfo") == 2048 * 1024
    assert device._available(tmp_path / "absent") is None
    assert device.free_bytes(torch.device("meta")) is None
    assert device.free_bytes(torch.device("cpu")) > 0


def test_the_limit_of_a_container_counts(tmp_path):
    assert device._left_in_group(tmp_path) is None
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 150\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert device._left_in_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert device._left_in_group(tmp_path) == 1000 - 600 + 150
