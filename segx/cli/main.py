"""The outer parser: find the command, import only that, turn errors into exit codes."""

import importlib
import signal
import sys
from types import FrameType

from segx.errors import SegxError

__all__ = ["COMMANDS", "main"]

# Command → module under segx.cli, and what it does. Imported only when called.
COMMANDS = {
    "demo": ("demo", "make a small data set, train, test and predict a big scan"),
    "doctor": ("doctor", "device, versions and extras, and what to install"),
    "check": ("check", "read a whole data set and list its defects"),
    "init": ("init", "write a config for a data set: segx init DATA -o my.yaml"),
    "convert": ("convert", "write a data set as nnU-Net reads it"),
    "fit": ("fit", "train: segx fit -c unet --data.root DIR --name NAME"),
    "cv": ("cv", "cross-validate: segx cv -c unet --data.root DIR --folds 5"),
    "test": ("test", "measure a trained model on the test cases"),
    "evaluate": ("evaluate", "measure masks of any tool: segx evaluate TRUTH MASKS"),
    "compare": ("compare", "two models on the same cases, with intervals"),
    "calibrate": ("calibrate", "fit how sure a model may be, and flags for its masks"),
    "predict": (
        "predict",
        "write masks, classes or boxes of files: segx predict RUN PATH… -o OUT",
    ),
    "export": ("export", "one file that runs without torch: segx export RUN -o X.onnx"),
    "bench": ("bench", "how fast each engine runs a model on this machine"),
    "decoders": ("decoders", "the decoders, with options, parameters and cost"),
    "describe": ("describe", "an encoder's anatomy, held against the paper"),
    "configs": ("configs", "the stock configs, or the text of one"),
}

INTERRUPTED = 130
TERMINATED = 143


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 ok; 1 failed; 2 wrong use; 130 and 143 interrupted.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0 if arguments else 2
    name, *rest = arguments
    if name == "--version":
        from segx import __version__

        sys.stdout.write(f"segx {__version__}\n")
        return 0
    if name not in COMMANDS:
        sys.stderr.write(
            f"segx: there is no command {name!r}.{_nearest(name)}\n\n{_help()}"
        )
        return 2
    return _run(name, rest)


def _run(name: str, arguments: list[str]) -> int:
    """Call a command's module; its errors become one message and an exit code."""
    from segx.cli.console import set_up_logging, show_error

    set_up_logging()
    stopped = _stop_on_sigterm()
    try:
        module = importlib.import_module(f"segx.cli.{COMMANDS[name][0]}")
        code: int = module.run(arguments)
    except SegxError as error:
        show_error(name, error)
        return error.exit_code
    except (ImportError, RuntimeError) as error:
        from segx.environment import explain_import_error

        if stopped:
            # Workers die of the same signal, and their loader says so in its own way.
            return TERMINATED
        advice = explain_import_error(error)
        if advice is None:
            raise
        show_error(name, SegxError(advice))
        return SegxError.exit_code
    except OSError as error:
        if error.filename is None:
            raise
        place = error.filename2 or error.filename
        show_error(name, SegxError(f"{place} can't be used: {error.strerror}."))
        return SegxError.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"segx {name}: interrupted\n")
        return INTERRUPTED
    return code


def _stop_on_sigterm() -> list[int]:
    """Leave on SIGTERM as on an exit; the list tells afterwards that it came."""
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        raise SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, stop)
    return came


_HEAD = """\
segx: from a folder of medical images and masks to masks on scans of any size

usage: segx COMMAND [options]        segx COMMAND --help
"""


def _help() -> str:
    lines = [f"  {name:<10}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join([_HEAD, *lines, "", "New here? Type: segx demo", ""])


def _nearest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""
