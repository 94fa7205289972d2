"""Run a segx command that is signalled: stopped.py training|validation AT SIGNAL ARGS.

A file, because Lightning starts further processes by calling it again.
"""

import sys

from segx.cli.main import main
from segx.training.processes import is_first
from segx.training.task import SegmentationTask
from tests.training.runs import stopping

if __name__ == "__main__":
    what, at, number, *arguments = sys.argv[1:]
    if is_first():
        name = f"{what}_step"
        step = getattr(SegmentationTask, name)
        step = stopping(step, at=int(at), number=int(number))
        setattr(SegmentationTask, name, step)
    sys.exit(main(arguments))
