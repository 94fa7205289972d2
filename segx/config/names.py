"""Names in a config: the nearest right one, and which classes may be named at all."""

import difflib
import importlib
import inspect
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ConfigDict, ValidationError, create_model

from segx.config.schema import Choice
from segx.errors import ConfigError

__all__ = [
    "ALLOWED_PACKAGES",
    "class_named",
    "did_you_mean",
    "explain",
    "typed_options",
]

T = TypeVar("T")

ALLOWED_PACKAGES = (
    "segx",
    "torch.nn",
    "torch.optim",
    "pytorch_lightning",
    "albumentations",
)


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """A sentence that offers the nearest allowed name, or all of them.

    Examples:
        >>> did_you_mean("FNP", ["FPN", "PAN"])
        'Did you mean FPN?'
        >>> did_you_mean("?", ["FPN", "PAN"])
        'Allowed: FPN, PAN.'
    """
    names = sorted(allowed)
    by_lower = {item.lower(): item for item in names}
    near = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    if near:
        return f"Did you mean {by_lower[near[0]]}?"
    return f"Allowed: {', '.join(names)}."


def class_named(
    name: str, registry: Mapping[str, type[T]], *, key: str, base: type[T]
) -> type[T]:
    """Find the class that a config names, by short name or by dotted path.

    Args:
        name: A name in `registry`, or a dotted path under `ALLOWED_PACKAGES`.
        registry: Short names.
        key: Where the name stands in the config, for the error.
        base: The class found must be derived from this one.

    Raises:
        ConfigError: If the name is unknown, or stands outside the allowed packages;
            nothing is imported then.
    """
    if name in registry:
        return registry[name]
    if "." not in name:
        raise ConfigError(
            f"{key}: unknown name {name!r}. {did_you_mean(name, registry)}"
        )
    if not name.startswith(tuple(f"{package}." for package in ALLOWED_PACKAGES)):
        raise ConfigError(
            f"{key}: {name!r} is not imported. A config may only name classes under "
            f"{', '.join(ALLOWED_PACKAGES)}, or one of: {', '.join(sorted(registry))}."
        )
    module_name, _, class_name = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{key}: there is no module {module_name!r}.") from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        near = [n for n, item in vars(module).items() if inspect.isclass(item)]
        raise ConfigError(
            f"{key}: {name!r} is not a {base.__name__}. "
            f"{did_you_mean(class_name, near)}"
        )
    return found


def typed_options(
    cls: type, choice: Choice, *, key: str, supplied: Iterable[str] = ()
) -> dict[str, Any]:
    """Check a choice's options against the signature of the class it names.

    Args:
        cls: The class that `choice` names.
        choice: The options as the config gives them.
        key: Where the choice stands in the config, for the error.
        supplied: Arguments that segx itself passes; a config can't set them.

    Returns:
        The options that were given, converted to the annotated types.

    Raises:
        ConfigError: If an option does not exist, is missing or has a wrong type.
    """
    fields: dict[str, Any] = {}
    for parameter in _parameters(cls):
        kind = parameter.kind
        if parameter.name in supplied or kind in (
            kind.VAR_KEYWORD,
            kind.VAR_POSITIONAL,
        ):
            continue
        hint, default = parameter.annotation, parameter.default
        fields[parameter.name] = (
            Any if hint is parameter.empty or isinstance(hint, str) else hint,
            ... if default is parameter.empty else default,
        )
    model = create_model(
        cls.__name__,
        __config__=ConfigDict(
            extra="forbid", arbitrary_types_allowed=True, protected_namespaces=()
        ),
        **fields,
    )
    try:
        valid = model.model_validate(choice.options)
    except ValidationError as error:
        raise ConfigError(
            "\n".join(explain(error, prefix=key, allowed=lambda _: fields))
        ) from error
    return {name: getattr(valid, name) for name in choice.options}


def explain(
    error: ValidationError,
    *,
    prefix: str = "",
    allowed: typing.Callable[[tuple[str, ...]], Iterable[str]],
) -> list[str]:
    """One line a mistake: where, what was given, what is allowed.

    Args:
        error: What pydantic found.
        prefix: Put before each place.
        allowed: Gives the keys allowed at a place, for the nearest name.
    """
    lines = []
    for item in error.errors(include_url=False):
        place = tuple(str(part) for part in item["loc"])
        where = ".".join(([prefix] if prefix else []) + list(place))
        if item["type"] == "extra_forbidden":
            near = did_you_mean(place[-1], allowed(place[:-1]))
            lines.append(f"{where}: no such key. {near}")
        elif item["type"] == "missing":
            lines.append(f"{where}: must be given.")
        else:
            lines.append(f"{where}: {item['msg']}, not {item['input']!r}.")
    return lines


def _parameters(cls: type) -> Iterable[inspect.Parameter]:
    """A constructor's parameters, their types resolved where the library allows it."""
    try:
        return inspect.signature(cls, eval_str=True).parameters.values()
    except (NameError, TypeError):
        return inspect.signature(cls).parameters.values()
