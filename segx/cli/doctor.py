"""segx doctor: what this machine is, and what to install."""

from rich.table import Table
from rich.text import Text

from segx import __version__
from segx.cli.console import console, messages
from segx.cli.parser import Parser
from segx.environment import (
    Machine,
    Package,
    advise,
    describe_machine,
    import_problems,
    install_command,
    read_extras,
    read_packages,
)
from segx.extras import install_extra

__all__ = ["run"]

_GIB = 2**30


def run(argv: list[str]) -> int:
    """Print versions, device, precision and extras; exit 1 if something is broken."""
    parser = Parser(
        prog="segx doctor",
        description="Show versions, device, precision and extras, and what to install.",
    )
    parser.parse_args(argv)
    with messages.status("importing what segx stands on …"):
        problems = import_problems()
    _show_machine(problems)
    unfit = _show_packages(problems)
    _show_extras()
    advice = [advise(name, text) for name, text in problems.items()]
    if unfit:
        advice.append(f"Versions that segx can't work with: {install_command(unfit)}")
    for number, text in enumerate(advice, start=1):
        console.print(Text(f"\n{number}. {text}", style="red"), soft_wrap=True)
    if advice:
        return 1
    console.print("\nAll is well. New here? Type: segx demo", highlight=False)
    return 0


def _show_machine(problems: dict[str, str]) -> None:
    table = _table(f"segx {__version__}")
    if "torch" in problems or "numpy" in problems:
        table.add_row("torch", Text("can't be imported", style="red"))
    else:
        for label, text in _machine_rows(describe_machine()):
            table.add_row(label, Text(text))
    console.print(table)


def _machine_rows(machine: Machine) -> list[tuple[str, str]]:
    memory = _memory(machine.memory_bytes)
    device = machine.device
    if machine.device_name is not None:
        gpu_memory = _memory(machine.device_memory_bytes)
        device = f"{device}: {machine.device_name}, {gpu_memory} memory"
    rows = [
        ("system", f"{machine.system}, Python {machine.python}"),
        ("torch", f"{machine.torch}, torchvision {machine.torchvision or 'missing'}"),
        (
            "processor",
            f"{machine.processor}, {machine.cores} cores, {memory} memory",
        ),
        ("device", device),
        ("precision", f"{machine.precision.name}: {machine.precision.reason}"),
    ]
    if machine.idle_gpu is not None:
        rows.append(("GPU", machine.idle_gpu))
    return rows


def _show_packages(problems: dict[str, str]) -> list[Package]:
    """Print the packages that segx needs; return those that don't fit."""
    packages = read_packages()
    table = _table("packages")
    for package in packages:
        state = Text(package.installed or "missing")
        if not package.fits:
            state = Text(f"{state}, wanted {package.wanted or 'any'}", style="red")
        table.add_row(package.name, state)
    for name in problems:
        table.add_row(name, Text("can't be imported", style="red"))
    if not packages:
        table.add_row("", "segx runs from its sources; versions are not checked")
    console.print(table)
    return [package for package in packages if not package.fits]


def _show_extras() -> None:
    table = _table("extras")
    for extra in read_extras():
        state = install_extra(extra.name) if extra.missing else "installed"
        table.add_row(extra.name, Text(state))
    if table.row_count:
        console.print(table)


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    table.show_header = False
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _memory(count: int | None) -> str:
    return "unknown size" if count is None else f"{count / _GIB:.0f} GiB"
