"""segx convert: write a data set as nnU-Net reads it."""

from dataclasses import replace
from pathlib import Path

from rich.progress import Progress

from segx.cli.console import console, messages
from segx.cli.parser import Parser
from segx.config import read_config
from segx.errors import ConfigError

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Read a data set as `segx fit` does, and write it as a raw data set of nnU-Net."""
    parser = Parser(
        prog="segx convert",
        description="Write images and masks of any layout that segx reads as a raw "
        "data set of nnU-Net 2. Keys of the config say how it is read, such as "
        "--data.manifest FILE.",
    )
    parser.add_argument("root", type=Path, help="folder of the data set")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="the new folder, named as nnU-Net wants: Dataset042_Cells",
    )
    arguments, keys = parser.parse_with_keys(argv)
    for key, _ in keys:
        if not key.startswith("data."):
            raise ConfigError(f"--{key}: only keys of data are allowed here.")
    data = read_config("unet", [*keys, ("data.root", arguments.root)]).data
    # Imported here, after wrong use has been refused.
    from segx.atomic import check_writable
    from segx.data.check import check_data
    from segx.data.nnunet import DESCRIPTION
    from segx.data.nnunet_export import write_nnunet

    check_writable(arguments.out / DESCRIPTION)
    checked = check_data(data, task="segmentation", seed=0)
    _, found = checked.refuse_defects()
    splits = checked.split_of
    cases = (replace(case, split=splits[case.id]) for case in checked.layout.cases)
    layout = replace(checked.layout, cases=tuple(cases))
    with Progress(console=messages, transient=True) as progress:
        bar = progress.add_task("Writing", total=len(layout.cases))
        write_nnunet(
            layout,
            found,
            arguments.out,
            on_case=lambda done, _: progress.update(bar, completed=done),
        )
    console.print(
        f"Written: {arguments.out} ({len(layout.cases)} cases). nnU-Net finds it in "
        "its nnUNet_raw folder.",
        highlight=False,
    )
    return 0
