"""How optional parts are installed: never from a public index under our name."""

import importlib.metadata
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from segx.extras import install_extra


def installed(monkeypatch: pytest.MonkeyPatch, origin: object) -> None:
    text = None if origin is None else json.dumps(origin)
    found = SimpleNamespace(read_text=lambda name: text)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: found)


@pytest.mark.parametrize("is_editable", [False, True])
def test_a_folder_that_segx_came_from_is_named(
    is_editable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my segx"
    folder.mkdir()
    info = {"editable": True} if is_editable else {}
    installed(monkeypatch, {"url": folder.as_uri(), "dir_info": info})
    option = "-e " if is_editable else ""
    assert install_extra("wsi") == f"pip install {option}'{folder}[wsi]'"


def test_where_no_folder_is_known_it_is_that_of_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"url": (tmp_path / "gone").as_uri(), "dir_info": {}}
    wheel = {"url": "file:///segx.whl", "archive_info": {}}
    for origin in (None, gone, wheel):
        installed(monkeypatch, origin)
        hint = "pip install '.[onnx,wsi]' in the folder of segx's sources"
        assert install_extra("onnx", "wsi") == hint


def test_segx_that_is_not_installed_runs_from_its_sources(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert install_extra("zarr").startswith("pip install '.[zarr]'")
