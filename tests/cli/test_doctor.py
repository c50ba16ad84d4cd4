from __future__ import annotations

import json
import subprocess

import pytest

from spelke.cli import doctor
from spelke.cli.doctor import Finding, examine
from spelke.cli.main import OK, SOME_FAILED, main
from spelke.weights import table


@pytest.fixture
def quick(monkeypatch):
    """No graphics driver is started."""

    def run(*arguments, **options):
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(doctor.subprocess, "run", run)


def found(check):
    return next(finding for finding in examine() if finding.check == check)


def test_everything_that_users_ask_about_is_checked(quick):
    checks = {finding.check for finding in examine()}
    assert checks >= {
        "spelke", "python", "torch", "device", "extra worlds", "extra train", "graphics",
        "model spelke-tiny", "model spelke-small", "memory", "disk",
    }  # fmt: skip


def test_the_device_comes_with_its_reason(quick):
    assert ":" in found("device").detail


def test_findings_as_json(quick, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: iter([Finding("a", "ok", "fine")]))
    assert main(["doctor", "--json"]) == OK
    assert json.loads(capsys.readouterr().out) == {
        "check": "a", "state": "ok", "detail": "fine", "remedy": "",
    }  # fmt: skip


def test_a_fault_is_exit_1_with_the_remedy_and_a_note_is_not(monkeypatch, capsys):
    findings = [Finding("a", "note", "absent", "install it")]
    monkeypatch.setattr(doctor, "examine", lambda: iter(findings))
    assert main(["doctor"]) == OK
    findings.append(Finding("b", "fault", "broken", "mend it"))
    assert main(["doctor"]) == SOME_FAILED
    assert "FAULT b: broken\n      -> mend it" in capsys.readouterr().out


def test_graphics_that_fail_name_the_packages(monkeypatch):
    def run(*arguments, **options):
        return subprocess.CompletedProcess(arguments, 1, "", "Traceback\nUnavailable: no EGL")

    monkeypatch.setattr(doctor.subprocess, "run", run)
    finding = found("graphics")
    assert finding.state == "note"
    assert "no EGL" in finding.detail
    assert "apt-get install libegl1" in finding.remedy


def test_graphics_that_hang_are_a_fault(monkeypatch):
    def run(*arguments, **options):
        raise subprocess.TimeoutExpired("python", 60)

    monkeypatch.setattr(doctor.subprocess, "run", run)
    assert found("graphics").state == "fault"


def test_a_missing_extra_has_an_install_line(quick, monkeypatch):
    monkeypatch.setitem(doctor._EXTRAS, "worlds", ("no_such_module",))
    finding = found("extra worlds")
    assert finding.state == "note"
    assert finding.remedy == "pip install 'spelke[worlds]'"


def test_a_corrupt_checkpoint_is_a_fault(quick, monkeypatch, tmp_path):
    folder = tmp_path / "spelke-tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"x")
    monkeypatch.setattr(table, "CHECKPOINTS", tmp_path)
    assert found("model spelke-tiny").state == "fault"
    assert "install Spelke again" in found("model spelke-small").detail


def test_little_memory_is_noted(quick, tmp_path, monkeypatch):
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 5 kB\nMemAvailable: 1000000 kB\n")
    assert doctor._free_memory_gb(file) == pytest.approx(1.024)
    assert doctor._free_memory_gb(tmp_path / "absent") is None
    monkeypatch.setattr(doctor, "_free_memory_gb", lambda: 1.0)
    assert found("memory").state == "note"
