"""The doctor exits 0 on a sound machine, and 1 with the cure on a broken one."""

import pytest

from segx.cli import doctor
from segx.environment import Extra, Package

MISMATCH = "RuntimeError: operator torchvision::nms does not exist"


def examine(
    monkeypatch: pytest.MonkeyPatch,
    *,
    problems: dict[str, str] | None = None,
    packages: tuple[Package, ...] = (),
    extras: tuple[Extra, ...] = (),
) -> int:
    monkeypatch.setattr(doctor, "import_problems", lambda: problems or {})
    monkeypatch.setattr(doctor, "read_packages", lambda: packages)
    monkeypatch.setattr(doctor, "read_extras", lambda: extras)
    return doctor.run([])


def test_a_sound_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fits = Package("torch", wanted=">=2", installed="2.15.0", fits=True)
    missing = Package("monai", wanted=">=1.6", installed=None, fits=False)
    code = examine(
        monkeypatch,
        packages=(fits,),
        extras=(Extra("bench", (missing,)), Extra("test", (fits,))),
    )
    assert code == 0
    out = capsys.readouterr().out
    for words in ("2.15.0", "precision", "[bench]", "segx demo"):
        assert words in " ".join(out.split())


def test_a_mismatched_torchvision_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(monkeypatch, problems={"torchvision": MISMATCH}) == 1
    assert "install --force-reinstall torch torchvision" in capsys.readouterr().out


def test_a_torch_that_does_not_import_ends_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(monkeypatch, problems={"torch": "OSError: libcudart.so"}) == 1
    out = capsys.readouterr().out
    assert "can't be imported" in out
    assert "--force-reinstall --no-deps torch" in out


def test_a_version_that_does_not_fit_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = Package("timm", wanted=">=1.0.20", installed="0.9", fits=False)
    assert examine(monkeypatch, packages=(old,)) == 1
    assert "install 'timm>=1.0.20'" in capsys.readouterr().out


def test_an_unknown_option_is_wrong_use() -> None:
    with pytest.raises(SystemExit) as stop:
        doctor.run(["--nonsense"])
    assert stop.value.code == 2
