"""What has been predicted already: never twice, and never half."""

import hashlib
import json
import logging
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from segx.alone import alone
from segx.atomic import sha256, sweep, write_text
from segx.errors import ScanError
from segx.scans.damage import writing
from segx.scans.files import files_of

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
    """

    scan: str
    key: str
    settings: str
    about: str
    seconds: float
    outputs: dict[str, str]


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
        lock = self._folder / f"{scan.name}.lock"
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
            ScanError: If it can't be said which files a scan is made of.
        """
        digest = hashlib.sha256(f"{_FORMAT} {self._settings}".encode())
        for file in files_of(scan):
            digest.update(f"{file.name} {sha256(file)}".encode())
        return digest.hexdigest()

    def spool(self, scan: Path, key: str, kind: str) -> Path:
        """Where the finished rows of a scan are kept until it is done."""
        return self._folder / f"{scan.name}.{key[:_KEY_DIGITS]}.{kind}.spool"

    def find(self, scan: Path, key: str) -> Entry | None:
        """The entry of a scan whose outputs are all there as they were written."""
        entry = self._entry(scan)
        if entry is None or entry.key != key:
            return None
        is_whole = all(self._is_ours(*output) for output in entry.outputs.items())
        return entry if is_whole else None

    def set_aside(self, scan: Path, key: str, output: Path) -> None:
        """Give an output that is not as we wrote it another name, for it is not ours.

        One that an earlier call, which was stopped, may have written is ours.
        """
        spools = f"{_escaped(scan.name)}.{key[:16]}.*.spool"
        if not output.exists() or any(self._folder.glob(spools)):
            return
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
            scan.name, key, self.settings_digest, about, round(seconds, 3), written
        )
        write_text(self._entry_file(scan), json.dumps(asdict(entry), indent=1) + "\n")
        self.tidy(scan)

    def tidy(self, scan: Path) -> None:
        """Remove the spools of a finished scan, and what a killed process left."""
        sweep(self._entry_file(scan))
        key = "[0-9a-f]" * _KEY_DIGITS  # not any text: "CT" is not "CT.thin"
        for left in self._folder.glob(f"{_escaped(scan.name)}.{key}.*.spool"):
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
        """The entry of a scan; None without one, or with one of another version."""
        try:
            text = self._entry_file(scan).read_text(encoding="utf-8")
            return Entry(**json.loads(text))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def _engines_file(self) -> Path:
        return self._folder / f"{self.settings_digest[:16]}.engines"

    def _entry_file(self, scan: Path) -> Path:
        return self._folder / f"{scan.name}.json"


def _escaped(name: str) -> str:
    """A name in which a glob pattern finds nothing special."""
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in name)
