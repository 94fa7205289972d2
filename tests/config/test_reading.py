"""A config is read whole, overridden by key, and refused with every mistake named."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.config import (
    FitConfig,
    check_config,
    config_keys,
    dump_yaml,
    find_config,
    parse_overrides,
    parse_yaml,
    read_config,
    stock_configs,
)
from segx.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    return path


def test_what_is_dumped_is_read_back() -> None:
    config = FitConfig()
    assert check_config(parse_yaml(dump_yaml(config), name="x"), name="x") == config


@pytest.mark.parametrize("path", stock_configs(), ids=lambda path: path.stem)
def test_a_stock_config_is_complete_and_found_by_name(path: Path) -> None:
    assert find_config(path.stem) == path
    tree = parse_yaml(path.read_text(), name=path.name)
    for key in config_keys():
        node = tree
        for part in key.name.split("."):
            assert part in node, f"{path.name} lacks {key.name}"
            node = node[part]


def test_every_key_is_explained() -> None:
    keys = config_keys()
    assert [key.name for key in keys if not key.meaning] == []
    crop = next(key for key in keys if key.name == "data.crop")
    assert crop.default == "[192, 192]"


def test_every_mistake_is_listed_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "model: {decodr: FPN, head: {dropout: 3}}\ndta: 1\n")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    text = str(caught.value)
    assert "model.decodr: no such key. Did you mean decoder?" in text
    assert "dta: no such key. Did you mean data?" in text
    assert "model.head.dropout" in text


@pytest.mark.parametrize("window", ["[250, -150]", "[0, 0]", "[0, .inf]", "[.nan, 1]"])
def test_a_window_rises_and_is_finite(tmp_path: Path, window: str) -> None:
    path = write(tmp_path, "data: {window: [-150, 250]}\n")
    assert read_config(path).data.window == (-150, 250)
    with pytest.raises(ConfigError, match="below the second"):
        read_config(write(tmp_path, f"data: {{window: {window}}}\n"))


def test_a_new_class_drops_the_options_of_the_old_one(tmp_path: Path) -> None:
    path = write(tmp_path, "model: {decoder: {name: UNet, dropout: 0.5}}\n")
    swapped = read_config(path, [("model.decoder", "FPN")])
    assert swapped.model.decoder is not None
    assert (swapped.model.decoder.name, swapped.model.decoder.options) == ("FPN", {})
    same = read_config(path, [("model.decoder", "UNet")])
    assert same.model.decoder is not None
    assert same.model.decoder.options == {"dropout": 0.5}


def test_options_of_a_class_may_be_typed_before_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "model: {decoder: {name: UNet, dropout: 0.5}}\n")
    pairs = parse_overrides(
        ["--model.decoder.dropout", "0.1", "--model.decoder", "FPN"]
    )
    decoder = read_config(path, pairs).model.decoder
    assert decoder is not None
    assert (decoder.name, decoder.options) == ("FPN", {"dropout": 0.1})


@pytest.mark.parametrize("words", [["data.root"], ["--data.root"], ["--a", "--b", "1"]])
def test_a_word_that_is_no_pair_is_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError):
        parse_overrides(words)


def test_an_unknown_config_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="Did you mean unet"):
        find_config("unnet")


@pytest.mark.parametrize(
    "text",
    ["a: 1\na: 2\n", "a: [1\n", "!!python/object/apply:os.system ['true']", "[" * 5000],
)
def test_broken_or_hostile_yaml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_yaml(text, name="x")


@given(number=st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_numbers_are_read_as_python_writes_them(number: float) -> None:
    assert parse_yaml(repr(number), name="x") == number


@pytest.mark.parametrize(
    "text",
    [
        "model: {decoder: {class_path: evil.Module}}",
        "model: {decoder: evil.Module}",
        "model: {loss: {name: evil.Module}}",
        "training: {optimizer: {name: evil.Module, lr: 1}}",
        "data: {augment: {extra: [evil.Module]}}",
        "trainer: {callbacks: [{class_path: evil.Module}]}",
        "trainer: {strategy: evil.Module, logger: evil.Module}",
        "model: !!python/name:evil.Module",
        "model: !!python/object/new:evil.Module []",
    ],
)
def test_a_config_that_names_a_foreign_class_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    from segx.data.augment import Augment
    from segx.geometry import Extent
    from segx.training.fit import check_training

    marker = tmp_path / "marker"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my.yaml").write_text(text)

    def use() -> None:
        config = read_config(tmp_path / "my.yaml")
        Augment(config.data.augment, channels=3, extent=Extent(32, 32))
        check_training(config)

    with pytest.raises(ConfigError, match=r"evil|python|decoder|trainer"):
        use()
    assert not marker.exists()
    assert "evil" not in sys.modules
