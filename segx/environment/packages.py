"""The packages that segx stands on: which are there, which fit, what to install."""

import importlib.metadata
import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement

__all__ = [
    "Extra",
    "Package",
    "advise",
    "explain_import_error",
    "import_problems",
    "install_command",
    "installed_version",
    "read_extras",
    "read_packages",
]

_DISTRIBUTION = "segx"

# Modules whose import can fail although they are installed: they hold compiled parts,
# or stand on others that do. Each with those that it stands on.
_IMPORTS = {
    "numpy": (),
    "torch": ("numpy",),
    "torchvision": ("torch",),
    "timm": ("torch", "torchvision"),
    "segmentation_models_pytorch": ("torch", "torchvision", "timm"),
    "pytorch_lightning": ("torch", "torchvision"),
    "albumentations": ("numpy",),
    "PIL": (),
    "tifffile": ("numpy",),
    "imagecodecs": ("numpy",),
    "safetensors": (),
    "pydantic": (),
}

# Runs in a process of its own: a broken extension may end the process that imports it.
_PROBE = """
import importlib, json, os, sys, warnings
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    print(json.dumps([name, "started"]), flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(json.dumps([name, f"{type(error).__name__}: {error}"]), flush=True)
    else:
        print(json.dumps([name, None]), flush=True)
"""

_PROBE_SECONDS = 120

# torchvision without its compiled operators: the mark of a build that doesn't fit.
_MISMATCH = "torchvision::"


@dataclass(frozen=True)
class Package:
    """A package that segx asks for.

    Args:
        name: Name to install it by.
        wanted: Versions allowed, such as ``>=2.6.6,<2.7``; empty for any.
        installed: Version that is there; None if there is none.
        fits: Whether it is there in a version that is allowed.
    """

    name: str
    wanted: str
    installed: str | None
    fits: bool


@dataclass(frozen=True)
class Extra:
    """An optional part of segx and the packages that it needs."""

    name: str
    packages: tuple[Package, ...]

    @property
    def missing(self) -> tuple[Package, ...]:
        """Packages that are not there, or in a version that is not allowed."""
        return tuple(package for package in self.packages if not package.fits)


def read_packages() -> tuple[Package, ...]:
    """The packages that segx can't do without, by name.

    Empty if segx itself is not installed but run from its folder of sources.
    """
    return _packages(_requirements(extra=None))


def read_extras() -> tuple[Extra, ...]:
    """The optional parts of segx, by name."""
    try:
        metadata = importlib.metadata.metadata(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return ()
    names = sorted(metadata.get_all("Provides-Extra") or [])
    return tuple(Extra(name, _packages(_requirements(extra=name))) for name in names)


def install_command(packages: Iterable[Package]) -> str:
    """The command that installs what is missing into this very Python.

    Examples:
        >>> monai = Package("monai", wanted=">=1.6", installed=None, fits=False)
        >>> install_command([monai])
        "... -m pip install 'monai>=1.6'"
    """
    wanted = [f"{package.name}{package.wanted}" for package in packages]
    return shlex.join([sys.executable, "-m", "pip", "install", *wanted])


def installed_version(name: str) -> str | None:
    """Version of an installed package; None if it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def import_problems() -> dict[str, str]:
    """Import what segx stands on in a process of its own, and collect what goes wrong.

    Returns:
        Module → its error, for those that can't be imported; empty if all can. A module
        that fails because of one below it is left out.
    """
    problems = _probe(tuple(_IMPORTS))
    return {
        name: text
        for name, text in problems.items()
        if not any(below in problems for below in _IMPORTS[name])
    }


def explain_import_error(error: ImportError | RuntimeError | OSError) -> str | None:
    """What to do about an import that failed; None for any other error.

    Examples:
        >>> explain_import_error(RuntimeError("the loss is not a number"))
    """
    if isinstance(error, ImportError):
        module = (error.name or "").partition(".")[0]
        return advise(module, str(error)) if module not in ("", _DISTRIBUTION) else None
    if _MISMATCH in str(error):
        return advise("torchvision", str(error))
    return None


def advise(module: str, message: str) -> str:
    """What is wrong with a module that can't be imported, and what mends it.

    Args:
        module: Name of the module.
        message: What the import said.
    """
    pip = shlex.join([sys.executable, "-m", "pip"])
    name = _distribution_of(module)
    if _MISMATCH in message:
        pair = [installed_version(item) for item in ("torchvision", "torch")]
        return (
            f"torchvision {pair[0]} does not fit torch {pair[1]}: they were built for "
            f"different versions or hardware ({message}). Install both anew, from one "
            f"place: {pip} install --force-reinstall torch torchvision. If torch came "
            "from an index of its own (a CPU-only build, say), name that index for "
            "both with --index-url."
        )
    version = installed_version(name)
    if version is None:
        return f"{name} is not installed ({message}). Install it: {pip} install {name}"
    return (
        f"{name} {version} is installed and can't be imported ({message}). "
        f"Install it anew: {pip} install --force-reinstall --no-deps {name}"
    )


def _probe(modules: Sequence[str]) -> dict[str, str]:
    """Module → its error, for those that a process of its own can't import."""
    try:
        probe = subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", _PROBE, *modules],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
        output, end = probe.stdout, f"ended the process with status {probe.returncode}"
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
        end = f"took more than {_PROBE_SECONDS} s"
    return _problems(output.decode(errors="replace"), end=end)


def _problems(output: str, *, end: str) -> dict[str, str]:
    """Read the probe's lines; a module that only started took the process with it."""
    state: dict[str, str | None] = {}
    for line in output.splitlines():
        # Libraries print too; our lines are lists of two.
        if line.startswith("["):
            name, message = json.loads(line)
            state[name] = end if message == "started" else message
    return {name: message for name, message in state.items() if message is not None}


def _requirements(*, extra: str | None) -> list[Requirement]:
    """What segx asks for on this machine, for itself or for one extra."""
    try:
        lines = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = [Requirement(line) for line in lines]
    return [item for item in found if _belongs(item, extra=extra)]


def _belongs(requirement: Requirement, *, extra: str | None) -> bool:
    marker = requirement.marker
    if extra is None:
        return marker is None or marker.evaluate({"extra": ""})
    if requirement.name == _DISTRIBUTION or marker is None:
        return False
    return marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _packages(requirements: Iterable[Requirement]) -> tuple[Package, ...]:
    found = []
    for item in sorted(requirements, key=lambda item: item.name.lower()):
        version = installed_version(item.name)
        fits = version is not None and item.specifier.contains(
            version, prereleases=True
        )
        found.append(Package(item.name, str(item.specifier), version, fits))
    return tuple(found)


def _distribution_of(module: str) -> str:
    """Name that a module is installed by: pillow for PIL."""
    return importlib.metadata.packages_distributions().get(module, [module])[0]
