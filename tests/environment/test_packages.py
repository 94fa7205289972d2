"""What is installed is held against what segx asks for, and the cure is named."""

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest
import torchvision

from segx.environment import packages
from segx.environment.packages import (
    Package,
    explain_import_error,
    install_command,
    read_extras,
    read_packages,
)

REQUIRES = [
    "numpy>=1",
    "torch<1",
    "segx-is-not-there>=2",
    "winonly; sys_platform == 'nowhere'",
    "pytest>=1; extra == 'test'",
    "segx[test]; extra == 'dev'",
    "segx-linter; extra == 'dev'",
]


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let segx ask for packages that are there, too new, missing, or for others."""

    class Metadata:
        def get_all(self, _key: str) -> list[str]:
            return ["test", "dev"]

    monkeypatch.setattr(importlib.metadata, "requires", lambda _: REQUIRES)
    monkeypatch.setattr(importlib.metadata, "metadata", lambda _: Metadata())


@pytest.mark.usefixtures("asks")
def test_packages_that_are_missing_or_too_new_do_not_fit() -> None:
    found = {package.name: package for package in read_packages()}
    assert list(found) == ["numpy", "segx-is-not-there", "torch"]
    assert found["numpy"].fits
    assert found["numpy"].installed == importlib.metadata.version("numpy")
    assert not found["torch"].fits
    assert found["torch"].wanted == "<1"
    assert found["segx-is-not-there"] == Package(
        "segx-is-not-there", wanted=">=2", installed=None, fits=False
    )


@pytest.mark.usefixtures("asks")
def test_an_extra_knows_what_it_misses() -> None:
    dev, test = read_extras()
    assert (dev.name, test.name) == ("dev", "test")
    assert [package.name for package in dev.missing] == ["segx-linter"]
    assert test.missing == ()


def test_sources_that_are_not_installed_ask_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "_DISTRIBUTION", "segx-is-not-there")
    assert read_packages() == ()
    assert read_extras() == ()


def test_the_command_is_for_this_very_python_and_quoted() -> None:
    missing = Package("monai", wanted=">=1.6,<2", installed=None, fits=False)
    command = install_command([missing])
    assert command == f"{sys.executable} -m pip install 'monai>=1.6,<2'"


def test_a_broken_module_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise OSError('no libfoo.so')")
    (tmp_path / "deadly.py").write_text("import os; os._exit(3)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        assert packages._probe(["json", "broken", "yaml"]) == {
            "broken": "OSError: no libfoo.so"
        }
        assert packages._probe(["json", "deadly"]) == {
            "deadly": "ended the process with status 3"
        }


def test_a_module_above_a_broken_one_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {"torchvision": "RuntimeError: x", "timm": "RuntimeError: x", "PIL": "y"}
    monkeypatch.setattr(packages, "_probe", lambda _: found)
    assert list(packages.import_problems()) == ["torchvision", "PIL"]


def test_a_torchvision_of_another_build_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A torchvision whose compiled operators don't load into this torch.
    (tmp_path / "torchvision").mkdir()
    for item in Path(torchvision.__file__).parent.iterdir():
        if not item.name.startswith(("_C", "__pycache__")):
            (tmp_path / "torchvision" / item.name).symlink_to(item)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    message = packages._probe(["torchvision"])["torchvision"]
    assert message == "RuntimeError: operator torchvision::nms does not exist"

    advice = explain_import_error(RuntimeError(message))
    assert advice is not None
    assert "does not fit torch" in advice
    assert "pip install --force-reinstall torch torchvision" in advice


def test_a_missing_and_a_broken_package_are_told_apart() -> None:
    missing = explain_import_error(ImportError("No module named 'x_y'", name="x_y.z"))
    assert missing is not None
    assert "x_y is not installed" in missing
    broken = explain_import_error(ImportError("libjpeg.so.8", name="PIL._imaging"))
    assert broken is not None
    assert "can't be imported (libjpeg.so.8)" in broken
    assert "--force-reinstall --no-deps pillow" in broken


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("size mismatch"),
        OSError("disk full"),
        ImportError("no name", name="segx.data"),
        ImportError("no name at all"),
    ],
)
def test_errors_about_something_else_are_left_alone(
    error: ImportError | RuntimeError | OSError,
) -> None:
    assert explain_import_error(error) is None
