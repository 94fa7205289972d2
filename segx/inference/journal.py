"""What has been predicted already: never twice, and never half."""

import hashlib
import json
import logging
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from segx.alone import alone
from segx.atomic import sha256, sweep, write_text
from segx.errors import ScanError
from segx.scans.damage import reading, writing
from segx.scans.files import files_of
from segx.scans.suffix import split_suffix

__all__ = ["Entry", "Journal"]

logger = logging.getLogger(__name__)

_FOLDER = ".segx"
_FORMAT = 3  # rises when the outputs hold more or other things
_KEY_DIGITS = 16  # of a key, in a spool's name


@dataclass(frozen=True)
class Entry:
    """A scan whose outputs are there, whole.

    Args:
        scan: Name of the scan.
        key: Digest of everything that the outputs depend on.
        settings: Digest of all of it but the scan.
        about: Engine, device and precision that were used.
        seconds: Time that the prediction took.
        outputs: SHA-256 of each file that was written, by its name.
        source: Path of the scan; empty where an earlier version left the entry.
        contents: SHA-256 of the scan's files; empty likewise.
    """

    scan: str
    key: str
    settings: str
    about: str
    seconds: float
    outputs: dict[str, str]
    source: str = ""
    contents: str = ""


class Journal:
    """The folder ``.segx`` beside the outputs.

    It holds an entry for each finished scan, and the spools of those that are not.

    Args:
        out: Folder of the outputs.
        settings: All that the outputs depend on beside the scan: digests of the models,
            plan, engine, what is to be written.
    """

    def __init__(self, out: Path, *, settings: object) -> None:
        self._out = out
        self._folder = out / _FOLDER
        self._settings = json.dumps(settings, sort_keys=True, default=str)
        self._contents: dict[Path, str] = {}  # of scans whose keys were asked for

    @property
    def settings_digest(self) -> str:
        """SHA-256 of the settings."""
        return hashlib.sha256(self._settings.encode()).hexdigest()

    @property
    def engines(self) -> tuple[str, ...] | None:
        """The engines that these settings were run with before, if they were."""
        try:
            text = self._engines_file.read_text(encoding="utf-8")
        except OSError:
            return None
        return tuple(text.splitlines())

    def settle(self, engines: Sequence[str]) -> None:
        """Note the engines, so that what is resumed is computed alike."""
        write_text(self._engines_file, "".join(f"{name}\n" for name in engines))

    @contextmanager
    def alone(self, scan: Path) -> Iterator[None]:
        """Keep other processes from predicting a scan into this folder meanwhile.

        Raises:
            ScanError: If another one does, or the folder can't be written to.
        """
        lock = self._folder / f"{_name(scan)}.lock"
        busy = ScanError(
            f"Another process is predicting {scan} into {self._out}. Wait for it, or "
            "choose another folder for the outputs."
        )
        with ExitStack() as held:
            with writing(lock):
                self._folder.mkdir(parents=True, exist_ok=True)
                held.enter_context(alone(lock, refusal=busy))
            yield

    def key(self, scan: Path) -> str:
        """Digest of a scan's bytes and of the settings.

        Raises:
            ScanError: If it can't be said which files a scan is made of, or one can't
                be read.
        """
        contents = hashlib.sha256()
        with reading(scan):
            files = files_of(scan)
        for file in files:
            with reading(file):
                contents.update(f"{file.name} {sha256(file)}".encode())
        self._contents[scan] = contents.hexdigest()
        whole = f"{_FORMAT} {self._settings} {self._contents[scan]}"
        return hashlib.sha256(whole.encode()).hexdigest()

    def spool(self, scan: Path, key: str, kind: str) -> Path:
        """Where the finished rows of a scan are kept until it is done."""
        return self._folder / f"{_name(scan)}.{key[:_KEY_DIGITS]}.{kind}.spool"

    def find(self, scan: Path, key: str) -> Entry | None:
        """The entry of a scan whose outputs are all there as they were written."""
        entry = self._entry(scan)
        if entry is None or entry.key != key:
            return None
        is_whole = all(self._is_ours(*output) for output in entry.outputs.items())
        return entry if is_whole else None

    def refuse_clash(self, scan: Path, outputs: Iterable[Path]) -> None:
        """Refuse a scan whose outputs would replace those of another scan.

        The scan itself at an earlier time is none, nor are its bytes at another place.

        Args:
            scan: The scan, whose key was asked for.
            outputs: What would be written.

        Raises:
            ScanError: With the name of the other one.
        """
        own, contents = str(scan.resolve()), self._contents[scan]
        names = {path.relative_to(self._out).as_posix(): path for path in outputs}
        if not any(path.exists() for path in names.values()):
            return
        stem = _escaped(split_suffix(Path(_name(scan)))[0])
        for file in self._folder.glob(f"{stem}.*json"):
            entry = _read_entry(file)
            if entry is None or entry.source in ("", own) or entry.contents == contents:
                continue
            for name, digest in entry.outputs.items():
                if name in names and self._is_ours(name, digest):
                    raise ScanError(
                        f"{entry.source} (of an earlier call) and {scan} would both be "
                        f"written to {names[name]}. Predict them by separate calls, "
                        "each with an output folder of its own."
                    )

    def set_aside(self, scan: Path, outputs: Iterable[Path]) -> None:
        """Give outputs that are not as we wrote them other names: they are not ours.

        Not for what an earlier call, which was stopped, may have written.
        """
        for output in outputs:
            if output.exists():
                self._set_aside(scan, output)

    def _set_aside(self, scan: Path, output: Path) -> None:
        entry = self._entry(scan)
        known = entry.outputs if entry else {}
        names = [file.relative_to(self._out).as_posix() for file in files_of(output)]
        if all(name in known and self._is_ours(name, known[name]) for name in names):
            return
        number = 1
        while (aside := output.with_name(f"{output.name}.before{number}")).exists():
            number += 1
        output.rename(aside)
        told = "%s is not as it was predicted: it is kept as %s"
        logger.warning(told, output, aside.name)

    def is_of_others(self, scan: Path) -> bool:
        """Whether a scan's outputs are of another model, or of other settings."""
        entry = self._entry(scan)
        return entry is not None and entry.settings != self.settings_digest

    def finish(
        self,
        scan: Path,
        key: str,
        *,
        about: str,
        seconds: float,
        outputs: Sequence[Path],
    ) -> None:
        """Enter a scan; remove its spools, and outputs that are not made any more."""
        written = {
            file.relative_to(self._out).as_posix(): sha256(file)
            for output in outputs
            for file in files_of(output)
        }
        # Before the entry that knows them gives way, should the process be killed.
        self._remove_older(scan, kept=written)
        entry = Entry(
            scan=_name(scan),
            key=key,
            settings=self.settings_digest,
            about=about,
            seconds=round(seconds, 3),
            outputs=written,
            source=str(scan.resolve()),
            contents=self._contents[scan],
        )
        write_text(self._entry_file(scan), json.dumps(asdict(entry), indent=1) + "\n")
        self.tidy(scan)

    def tidy(self, scan: Path) -> None:
        """Remove the spools of a finished scan, and what a killed process left."""
        sweep(self._entry_file(scan))
        key = "[0-9a-f]" * _KEY_DIGITS  # not any text: "CT" is not "CT.thin"
        for left in self._folder.glob(f"{_escaped(_name(scan))}.{key}.*.spool"):
            left.unlink(missing_ok=True)

    def _remove_older(self, scan: Path, *, kept: Container[str]) -> None:
        """Remove what an earlier call made, if nobody has changed it since."""
        before = self._entry(scan)
        for name, digest in before.outputs.items() if before else ():
            if name not in kept and self._is_ours(name, digest):
                (self._out / name).unlink()

    def _is_ours(self, name: str, digest: str) -> bool:
        """Whether an output is there as it was written."""
        output = self._out / name
        return output.is_file() and sha256(output) == digest

    def _entry(self, scan: Path) -> Entry | None:
        return _read_entry(self._entry_file(scan))

    @property
    def _engines_file(self) -> Path:
        return self._folder / f"{self.settings_digest[:16]}.engines"

    def _entry_file(self, scan: Path) -> Path:
        return self._folder / f"{_name(scan)}.json"


def _read_entry(file: Path) -> Entry | None:
    """The entry in a file; None without one, or with one of another version."""
    try:
        return Entry(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _name(scan: Path) -> str:
    """What a scan is called, also one that was given as "." or ".."."""
    return scan.name if scan.name.strip(".") else scan.resolve().name


def _escaped(name: str) -> str:
    """A name in which a glob pattern finds nothing special."""
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in name)
