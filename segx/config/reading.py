"""From a YAML file and a command line's `--key value` pairs to a checked config."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from segx.config.names import did_you_mean, explain
from segx.config.schema import FitConfig
from segx.config.tasks import task_mistakes
from segx.errors import ConfigError

__all__ = [
    "ConfigKey",
    "check_config",
    "config_keys",
    "dump_yaml",
    "find_config",
    "on_one_line",
    "parse_overrides",
    "parse_yaml",
    "read_config",
    "stock_configs",
]

_ENDLESS = 2**20
"""A width that no line reaches."""


def read_config(
    source: str | Path, overrides: Sequence[tuple[str, Any]] = ()
) -> FitConfig:
    """Read a config and lay the command line's values over it.

    Args:
        source: A YAML file, or the name of a stock config such as ``unet``.
        overrides: Dotted keys and their values, later ones winning. A new class name
            (``model.decoder``) drops the options of the class before it.

    Raises:
        ConfigError: For a missing file, broken YAML, or any key, name or value that
            is not allowed; all mistakes of the schema are listed at once.
    """
    path = find_config(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read as a config: {error}.") from error
    tree = parse_yaml(text, name=str(path))
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{path} holds no keys. Start from a stock config: segx configs"
        )
    # A class name first, then its options, in whatever order they were typed.
    for key, value in sorted(overrides, key=lambda pair: pair[0].count(".")):
        _set(tree, key, value)
    return check_config(tree, name=path.name)


def check_config(tree: dict[str, Any], *, name: str) -> FitConfig:
    """Hold a tree of plain values against the schema, and its keys against its task.

    Raises:
        ConfigError: With one line for each mistake.
    """
    try:
        config = FitConfig.model_validate(tree)
    except ValidationError as error:
        raise _mistaken(name, explain(error, allowed=_keys_at)) from error
    mistakes = task_mistakes(config)
    if mistakes:
        raise _mistaken(name, mistakes)
    return config


def find_config(source: str | Path) -> Path:
    """The file that a path or the name of a stock config stands for."""
    path = Path(source)
    if path.is_file():
        return path
    stock = {item.stem: item for item in stock_configs()}
    if str(source) in stock:
        return stock[str(source)]
    near = did_you_mean(path.stem, stock)
    raise ConfigError(
        f"There is no config {str(source)!r}, neither file nor name. {near}"
    )


def stock_configs() -> list[Path]:
    """The configs that travel with segx, by name."""
    package = Path(__file__).parents[1]
    folders = (package / "configs", package.parent / "configs")
    folder = next(
        (item for item in folders if (item / "unet.yaml").is_file()), folders[0]
    )
    return sorted(folder.glob("*.yaml"))


def parse_overrides(arguments: Sequence[str]) -> list[tuple[str, Any]]:
    """Read `--key value` and `--key=value` pairs.

    Raises:
        ConfigError: If an argument is no key, or a key has no value.

    Examples:
        >>> parse_overrides(["--data.crop", "[64, 96]", "--model.decoder=FPN"])
        [('data.crop', [64, 96]), ('model.decoder', 'FPN')]
    """
    pairs = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not re.match(r"--[A-Za-z]", word):
            raise ConfigError(
                f"{word!r} is no key of a config. Keys look like --data.root DIR."
            )
        key, equals, text = word[2:].partition("=")
        if not equals:
            if not rest or re.match(r"--[A-Za-z]", rest[0]):
                raise ConfigError(f"--{key} needs a value after it.")
            text = rest.pop(0)
        pairs.append((key, parse_yaml(text, name=f"--{key}")))
    return pairs


def parse_yaml(text: str, *, name: str) -> Any:
    """Parse YAML into plain values; no tags, no key twice, ``1e-3`` is a number.

    Raises:
        ConfigError: With the line and column of the mistake.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - derived from SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not valid YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{name} is nested too deeply to be a config.") from error


def dump_yaml(values: BaseModel | dict[str, Any]) -> str:
    """Plain YAML of a config, keys in the schema's order."""
    return yaml.safe_dump(_plain(values), sort_keys=False, allow_unicode=True)


def on_one_line(value: Any) -> str:
    """A value as YAML writes it on a single line, however long.

    Examples:
        >>> on_one_line({"name": "FPN", "channels": (64, 32)})
        '{name: FPN, channels: [64, 32]}'
    """
    text = yaml.safe_dump(
        _plain(value),
        default_flow_style=True,
        allow_unicode=True,
        sort_keys=False,
        width=_ENDLESS,
    )
    return text.removesuffix("\n").removesuffix("\n...")


@dataclass(frozen=True)
class ConfigKey:
    """A key that a config may hold.

    Args:
        name: Dotted, such as ``data.crop``.
        default: Its default, as YAML writes it.
        meaning: One sentence of the schema.
    """

    name: str
    default: str
    meaning: str


def config_keys(
    section: type[BaseModel] = FitConfig, prefix: str = ""
) -> list[ConfigKey]:
    """Every key of the schema, in order."""
    keys = []
    for name, field in section.model_fields.items():
        inner = _section(field.annotation)
        if inner is not None and "options" not in inner.model_fields:
            keys += config_keys(inner, f"{prefix}{name}.")
        else:
            default = on_one_line(field.get_default(call_default_factory=True))
            meaning = " ".join((field.description or "").split())
            keys.append(ConfigKey(f"{prefix}{name}", default, meaning))
    return keys


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses doubled keys and reads 1e-3 as YAML 1.2 does."""

    def construct_mapping(  # the signature is PyYAML's
        self,
        node: Any,
        deep: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[Any, Any]:
        """Build a mapping, unless a key stands in it twice."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _mistaken(name: str, lines: Iterable[str]) -> ConfigError:
    return ConfigError("\n".join([f"{name}:", *(f"  {line}" for line in lines)]))


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; a class named by its bare name makes room for options."""
    *path, last = key.split(".")
    if "" in (*path, last):
        raise ConfigError(
            f"--{key} is no key of a config. Keys look like --data.root DIR."
        )
    for name in path:
        inner = tree.get(name)
        if isinstance(inner, str):
            inner = {"name": inner}
        elif inner is None:
            inner = {}
        elif not isinstance(inner, dict):
            raise ConfigError(f"--{key}: {name} holds {inner!r}, which has no keys.")
        tree[name] = inner
        tree = inner
    old = tree.get(last)
    if isinstance(old, dict) and isinstance(value, str):
        # The same class named again keeps the options that the file gives it.
        value = old if old.get("name") == value else {"name": value}
    tree[last] = value


def _keys_at(place: tuple[str, ...]) -> Iterable[str]:
    """The keys that the schema allows at a place."""
    section: type[BaseModel] = FitConfig
    for name in place:
        field = section.model_fields.get(name)
        inner = _section(field.annotation) if field else None
        if inner is None:
            break
        section = inner
    return section.model_fields


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section among the types of an annotation, if there is one."""
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return next(
        (
            item
            for item in candidates
            if isinstance(item, type) and issubclass(item, BaseModel)
        ),
        None,
    )


def _plain(value: Any) -> Any:
    """Sections, tuples and paths as YAML's own types."""
    if hasattr(value, "as_yaml"):
        return _plain(value.as_yaml())
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
