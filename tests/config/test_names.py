"""Names in a config are found, or refused with the nearest one before any import."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from segx.config import Choice, class_named, did_you_mean, typed_options
from segx.errors import ConfigError


class Layer(nn.Module):
    def __init__(self, size: int, *, width: int = 3, kind: str = "a") -> None:
        super().__init__()


REGISTRY: dict[str, type[nn.Module]] = {"Layer": Layer}


def test_a_short_name_is_found() -> None:
    assert class_named("Layer", REGISTRY, key="k", base=nn.Module) is Layer


def test_a_dotted_name_under_an_allowed_package_is_found() -> None:
    found = class_named("torch.nn.ReLU", REGISTRY, key="k", base=nn.Module)
    assert found is nn.ReLU


def test_a_misspelt_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"model\.x.*'Layr'.*Did you mean Layer"):
        class_named("Layr", REGISTRY, key="model.x", base=nn.Module)


@pytest.mark.parametrize(
    "name", ["evil.Module", "torch_evil.X", "os.path.join", "segx_evil.A"]
)
def test_a_class_outside_the_allowed_packages_is_refused_before_import(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "marker"
    for package in ("evil", "torch_evil", "segx_evil"):
        (tmp_path / f"{package}.py").write_text(f"open({str(marker)!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="not imported"):
        class_named(name, REGISTRY, key="k", base=nn.Module)
    assert not marker.exists()
    assert "evil" not in sys.modules


def test_a_class_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a Optimizer"):
        class_named("torch.nn.ReLU", {}, key="k", base=torch.optim.Optimizer)


def test_options_are_converted_to_the_annotated_types() -> None:
    choice = Choice(name="AdamW", options={"lr": "1e-3", "betas": [0.9, 0.99]})
    options = typed_options(torch.optim.AdamW, choice, key="k", supplied=("params",))
    assert options == {"lr": 0.001, "betas": (0.9, 0.99)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widht": 1}, "k.widht: no such key. Did you mean width?"),
        ({"width": "wide"}, "k.width: .*integer"),
        ({"size": 1}, "k.size: no such key"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    choice = Choice(name="Layer", options=options)
    with pytest.raises(ConfigError, match=message):
        typed_options(Layer, choice, key="k", supplied=("size",))


def test_a_far_name_lists_what_is_allowed() -> None:
    assert did_you_mean("zzzzz", ["b", "a"]) == "Allowed: a, b."
