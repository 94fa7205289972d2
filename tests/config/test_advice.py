"""Advice becomes YAML that reads back as it was meant, whatever the reasons say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.config import (
    Advice,
    advised_config,
    commented_yaml,
    parse_yaml,
    with_given,
)
from segx.errors import ConfigError

KEYS = ("task", "data.root", "data.crop", "data.augment.preset", "model.loss")
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(-1e9, 1e9), TEXT)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=4),
    st.dictionaries(st.text("abcd_", min_size=1), SCALARS, max_size=3),
)


@st.composite
def advices(draw: st.DrawFn) -> list[Advice]:
    keys = draw(st.permutations(KEYS))
    return [Advice(key, draw(VALUES), draw(TEXT)) for key in keys]


def at(tree: Any, key: str) -> Any:
    for name in key.split("."):
        tree = tree[name]
    return tree


@given(advice=advices(), heading=st.lists(TEXT, max_size=3))
def test_yaml_reads_back_as_the_values(
    advice: list[Advice], heading: list[str]
) -> None:
    tree = parse_yaml(commented_yaml(advice, heading=heading), name="a")
    assert {item.key: at(tree, item.key) for item in advice} == {
        item.key: item.value for item in advice
    }


@given(words=st.lists(st.text("abc", min_size=1, max_size=20), max_size=40))
def test_every_word_of_a_reason_is_written_and_no_line_is_too_long(
    words: list[str],
) -> None:
    advice = [Advice("data.crop", [256, 256], " ".join(words))]
    text = commented_yaml(advice, heading=[])
    comments = [line.partition("#")[2] for line in text.splitlines()]
    assert " ".join(comments).split() == words
    assert max(map(len, text.splitlines())) <= 88


def test_a_section_is_written_once_wherever_its_keys_come() -> None:
    keys = ("data.crop", "trainer.max_epochs", "data.batch_size")
    text = commented_yaml([Advice(key, 1, "") for key in keys], heading=["a"])
    assert text == (
        "# a\n\ndata:\n  crop: 1\n  batch_size: 1\n\ntrainer:\n  max_epochs: 1\n"
    )


@pytest.mark.parametrize(
    ("given_pairs", "expected"),
    [
        ([("data.crop", [64, 64])], {"data.crop": [64, 64], "model.loss": "DiceCE"}),
        ([("model.loss", "CE")], {"data.crop": 256, "model.loss": "CE"}),
        (
            [("model.loss.smooth", 0.0)],
            {"data.crop": 256, "model.loss": {"name": "DiceCE", "smooth": 0.0}},
        ),
        (
            [("training.optimizer.lr", 0.5)],
            {
                "data.crop": 256,
                "model.loss": "DiceCE",
                "training.optimizer": {
                    "name": "AdamW",
                    "lr": 0.5,
                    "weight_decay": 0.01,
                },
            },
        ),
        (
            [("trainer.max_epochs", 5)],
            {"data.crop": 256, "model.loss": "DiceCE", "trainer.max_epochs": 5},
        ),
        ([("seed", 3)], {"data.crop": 256, "model.loss": "DiceCE", "seed": 3}),
        ([("data", {})], {"data": {}, "model.loss": "DiceCE"}),
        (
            [("data.crop", 1), ("data.crop", 2)],
            {"data.crop": 2, "model.loss": "DiceCE"},
        ),
    ],
)
def test_what_is_given_takes_the_place_of_what_is_advised(
    given_pairs: list[tuple[str, Any]], expected: dict[str, Any]
) -> None:
    advice = [Advice("data.crop", 256, "a"), Advice("model.loss", "DiceCE", "b")]
    chosen = with_given(advice, given_pairs)
    assert {item.key: item.value for item in chosen} == expected


def test_a_config_of_advice_is_held_against_the_schema() -> None:
    config = advised_config([Advice("data.batch_size", 3, "")], name="a")
    assert (config.data.batch_size, config.seed) == (3, 0)
    with pytest.raises(ConfigError, match="Did you mean batch_size"):
        advised_config([Advice("data.bach_size", 3, "")], name="a")
    with pytest.raises(ConfigError, match=r"data.crop holds 3"):
        advised_config(
            [Advice("data.crop", 3, ""), Advice("data.crop.x", 1, "")], name="a"
        )
