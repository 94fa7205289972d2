"""A mask's meaning: as many names, logits and colours as its kind asks for."""

import pytest

from segx.errors import ConfigError
from segx.labels import Labels, MaskKind


@pytest.mark.parametrize(
    ("kind", "names", "logits", "foreground"),
    [
        ("binary", ("b", "f"), 1, ("f",)),
        ("multiclass", ("b", "c", "n"), 3, ("c", "n")),
        ("multilabel", ("c", "n"), 2, ("c", "n")),
    ],
)
def test_each_kind_counts_its_classes(
    kind: MaskKind, names: tuple[str, ...], logits: int, foreground: tuple[str, ...]
) -> None:
    labels = Labels(kind, names)
    assert labels.logits == logits
    assert labels.foreground == foreground
    assert len(labels.colours) == len(names)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("binary", ("a",)),
        ("binary", ("a", "b", "c")),
        ("multiclass", ("a",)),
        ("multilabel", ()),
        ("multiclass", ("a", "a")),
    ],
)
def test_names_that_do_not_fit_are_refused(
    kind: MaskKind, names: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError):
        Labels(kind, names)
