"""Seeded mutations of files, and a child that reads them and may die of it."""

import contextlib
import os
import random
import resource
import select
import shutil
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from segx.errors import SegxError

SECONDS = 5.0  # of the processor: a busy machine is not the reader's fault
WAIT = 60.0  # seconds after which nothing more is waited for
BYTES = 2**30

# What four bytes of a header may be replaced by: sizes that no file of ours has.
_EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80")


@dataclass(frozen=True)
class Target:
    """Something that segx reads, as it was written.

    Args:
        files: Content by path below the folder that it is read from.
        read: Reads what lies in a folder, to the end; raises if what it gets is no
            valid value.
        mutable: The files that are mutated.
    """

    files: dict[str, bytes]
    read: Callable[[Path], None]
    mutable: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, read: Callable[[Path], None], *fixed: str) -> "Target":
        """All that lies in a folder; `fixed` names what is left as it is."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        mutable = tuple(name for name in files if name not in fixed)
        return cls(files, read, mutable)

    def write(self, folder: Path, number: int) -> None:
        """Lay the files out, one of them mutated; the same for the same number."""
        dice = random.Random(number)
        name = dice.choice(self.mutable)
        for path, content in self.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(mutated(content, dice) if path == name else content)


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Flip, cut, insert, swap or overwrite; most of it near the beginning."""
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        place = _place(data, dice)
        kind = dice.choice(("flip", "byte", "extreme", "cut", "insert", "swap", "drop"))
        length = dice.choice((1, 2, 4, 16, 200))
        if kind == "flip" and data:
            data[place] ^= 1 << dice.randrange(8)
        elif kind == "byte" and data:
            data[place] = dice.randrange(256)
        elif kind == "extreme":
            data[place : place + 4] = dice.choice(_EXTREMES)
        elif kind == "cut":
            del data[place:]
        elif kind == "insert":
            start = _place(data, dice)
            piece = dice.choice((dice.randbytes(length), data[start : start + length]))
            data[place:place] = piece
        elif kind == "swap":
            other = _place(data, dice)
            one, two = data[place : place + length], data[other : other + length]
            data[place : place + length], data[other : other + length] = two, one
        else:
            del data[place : place + length]
    return bytes(data)


def _place(data: bytearray, dice: random.Random) -> int:
    """Somewhere; every second time in the first 600 bytes, or in the last."""
    size = max(1, len(data))
    if dice.random() < 0.5:
        return dice.randrange(size)
    near = dice.randrange(min(600, size))
    return near if dice.random() < 0.7 else size - 1 - near


def findings(target: Target, numbers: range, room: Path) -> list[str]:
    """Read so many mutations; what is neither a value nor an error of ours is listed.

    A child reads one after the other, and gets no more memory than `BYTES`. If it takes
    more than `SECONDS`, that is a finding too; if it dies or does not answer, another
    child goes on.
    """
    found: list[str] = []
    left = list(numbers)
    while left:
        for number, fault in _in_child(target, tuple(left), room):
            left.remove(number)
            if fault:
                found.append(f"mutation {number}: {fault}")
    return found


def _in_child(
    target: Target, numbers: tuple[int, ...], room: Path
) -> Iterator[tuple[int, str]]:
    """Fork; yield each number that was read, with its fault, until the child ends."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _serve(target, numbers, room, writer)
    os.close(writer)
    try:
        for number in numbers:
            answered, _, _ = select.select([reader], [], [], WAIT)
            if not answered:
                os.kill(child, 9)
                yield number, f"no answer in {WAIT} s"
                return
            head = os.read(reader, 4)
            if len(head) < 4:
                yield number, "the process died"
                return
            # At most 2000 bytes: a pipe takes that much at once, or nothing.
            fault = os.read(reader, length) if (length := _length(head)) else b""
            yield number, fault.decode(errors="replace")
    finally:
        os.close(reader)
        os.waitpid(child, 0)


def _length(head: bytes) -> int:
    return int(struct.unpack("<I", head)[0])


def _serve(target: Target, numbers: tuple[int, ...], room: Path, writer: int) -> None:
    """Read mutations in this process, within the limits; never returns."""
    code = 1
    with contextlib.suppress(BrokenPipeError):
        warnings.simplefilter("ignore")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        limit = _data_bytes() + BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        for number in numbers:
            folder = room / str(number)
            fault = _fault(target, folder, number).encode()[:2000]
            os.write(writer, struct.pack("<I", len(fault)) + fault)
        code = 0
    os._exit(code)


def _fault(target: Target, folder: Path, number: int) -> str:
    """What was wrong with how a mutation was read; empty if nothing was."""
    target.write(folder, number)
    started = time.process_time()
    try:
        fault = _read(target, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.process_time() - started
    return f"took {seconds:.1f} s" if seconds > SECONDS else fault


def _read(target: Target, folder: Path) -> str:
    try:
        target.read(folder)
    except SegxError as error:
        return "" if str(error) else "an error without words"
    except BaseException as error:  # noqa: BLE001 — whatever comes out is a finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"
    return ""


def _data_bytes() -> int:
    """Bytes that this process may write to already."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no VmData on {sys.platform}")
