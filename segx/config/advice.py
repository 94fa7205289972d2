"""A config for people: every value with the reason for it in a comment."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from segx.config.reading import (
    check_config,
    config_keys,
    on_one_line,
    parse_yaml,
)
from segx.config.schema import FitConfig
from segx.errors import ConfigError

__all__ = ["Advice", "advised_config", "commented_yaml", "with_given"]

_WIDTH = 88
_COMMENT_COLUMN = 32
_GIVEN = "as given"

_Tree = dict[str, "Advice | _Tree"]


@dataclass(frozen=True)
class Advice:
    """A value for a key of the config, and why.

    Args:
        key: Dotted, such as ``data.crop``.
        value: Plain: what YAML holds.
        reason: One sentence, with the number behind it.
    """

    key: str
    value: Any
    reason: str


def with_given(
    advice: Iterable[Advice], given: Iterable[tuple[str, Any]]
) -> list[Advice]:
    """Let the values that a user gave take the place of what is advised.

    Args:
        advice: What is advised.
        given: Dotted keys and values, later ones winning.

    Examples:
        >>> loss = Advice("model.loss", "DiceCE", "rare classes")
        >>> [item.value for item in with_given([loss], [("model.loss.smooth", 0.1)])]
        [{'name': 'DiceCE', 'smooth': 0.1}]
    """
    items = list(advice)
    for key, value in given:
        choice = next((item for item in items if key.startswith(f"{item.key}.")), None)
        if choice is None:
            choice = _default_choice(key)
            items += [] if choice is None else [choice]
        if choice is not None:
            changed = _with_option(choice, key, value)
            items = [changed if item is choice else item for item in items]
            continue
        new = Advice(key, value, _GIVEN)
        place = next((n for n, item in enumerate(items) if _within(item, key)), None)
        items = [item for item in items if not _within(item, key)]
        items.insert(len(items) if place is None else place, new)
    return items


def advised_config(advice: Iterable[Advice], *, name: str) -> FitConfig:
    """The config that the advice makes, all other keys at their defaults.

    Args:
        advice: A value for each key that is not left at its default.
        name: What an error calls the config.

    Raises:
        ConfigError: With one line for each value that the schema refuses.
    """
    return check_config(_plain(_tree(advice)), name=name)


def commented_yaml(advice: Iterable[Advice], *, heading: Sequence[str]) -> str:
    """Write advice as YAML: the reason behind each value, or above it where it is long.

    Args:
        advice: In the order in which it is written; keys of one section come together.
        heading: Lines of the comment at the top.

    Examples:
        >>> crop = Advice("data.crop", [64, 96], "the largest cell has 60 px")
        >>> print(commented_yaml([crop], heading=["Cells"]))
        # Cells
        <BLANKLINE>
        data:
          crop: [64, 96]                # the largest cell has 60 px
        <BLANKLINE>
    """
    lines = [f"# {line}".rstrip() for line in heading]
    for name, item in _tree(advice).items():
        lines += ["", *_written({name: item}, indent="")]
    return "\n".join([*lines, ""])


def _tree(advice: Iterable[Advice]) -> _Tree:
    """Advice by section, in the order in which the sections first come up."""
    tree: _Tree = {}
    for item in advice:
        *path, last = item.key.split(".")
        place = tree
        for name in path:
            inner = place.setdefault(name, {})
            if isinstance(inner, Advice):
                raise ConfigError(f"{item.key}: {inner.key} holds {inner.value!r}.")
            place = inner
        place[last] = item
    return tree


def _plain(tree: _Tree) -> dict[str, Any]:
    return {
        name: item.value if isinstance(item, Advice) else _plain(item)
        for name, item in tree.items()
    }


def _written(tree: _Tree, *, indent: str) -> Iterator[str]:
    """The lines of a section."""
    for name, item in tree.items():
        if not isinstance(item, Advice):
            yield f"{indent}{name}:"
            yield from _written(item, indent=f"{indent}  ")
            continue
        entry = f"{indent}{name}: {on_one_line(item.value)}"
        reason = " ".join(item.reason.split())
        beside = f"{entry:<{_COMMENT_COLUMN - 2}}  # {reason}"
        if not reason:
            yield entry
        elif len(beside) <= _WIDTH:
            yield beside
        else:
            mark = f"{indent}# "
            yield from textwrap.wrap(
                reason, _WIDTH, initial_indent=mark, subsequent_indent=mark
            )
            yield entry


def _within(item: Advice, key: str) -> bool:
    """Whether advice is about a key or about what stands below it."""
    return item.key == key or item.key.startswith(f"{key}.")


def _default_choice(key: str) -> Advice | None:
    """The class that the schema names, where a key is one of its options."""
    for known in config_keys():
        if key.startswith(f"{known.name}."):
            value = parse_yaml(known.default, name=known.name)
            if isinstance(value, dict) and "name" in value:
                return Advice(known.name, value, "the default")
    return None


def _with_option(item: Advice, key: str, value: Any) -> Advice:
    """The same choice of a class, with another value of one of its options."""
    option = key.removeprefix(f"{item.key}.")
    named = item.value if isinstance(item.value, dict) else {"name": item.value}
    reason = f"{item.reason}; {option} {_GIVEN}"
    return replace(item, value={**named, option: value}, reason=reason)
