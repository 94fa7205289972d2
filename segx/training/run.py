"""A run folder: config, splits, metrics.csv, checkpoints/, overlays/, test/."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from segx.alone import alone
from segx.atomic import write_text
from segx.config import FitConfig, check_config, dump_yaml, parse_yaml
from segx.errors import ArtifactError, TrainingError

__all__ = ["RunFolder"]

# What a training leaves before its first checkpoint: nothing that would be missed.
_BEGUN = {
    ".lock",
    "checkpoints",
    "config.yaml",
    "metrics.csv",
    "overlays",
    "splits.csv",
    "tensorboard",
    "transfer.json",
}


@dataclass(frozen=True)
class RunFolder:
    """The place of everything that one training run leaves behind."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The full config that the run was started with."""
        return self.path / "config.yaml"

    @property
    def splits(self) -> Path:
        """Table of the cases: their split and their image's digest."""
        return self.path / "splits.csv"

    @property
    def metrics(self) -> Path:
        """Table of what was logged."""
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of best.ckpt, last.ckpt and previous.ckpt."""
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        """The checkpoint that a resumed training goes on from."""
        return self.checkpoints / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The one before it, should it be damaged."""
        return self.checkpoints / "previous.ckpt"

    @property
    def goes_on(self) -> bool:
        """Whether there is a checkpoint to go on from, if it is whole."""
        return self.last.is_file() or self.previous.is_file()

    @property
    def best(self) -> Path:
        """The weights of the best validation."""
        return self.checkpoints / "best.ckpt"

    @property
    def transfer(self) -> Path:
        """What the weights were started from, tensor by tensor."""
        return self.path / "transfer.json"

    @property
    def recorded(self) -> Path | None:
        """That table, if there is one."""
        return self.splits if self.splits.is_file() else None

    @property
    def arguments(self) -> str:
        """How the command line names this run."""
        runs = self.path.parent
        where = "" if runs == Path("runs") else f" --runs {runs}"
        return f"--name {self.path.name}{where}"

    @property
    def overlays(self) -> Path:
        """Folder of pictures of validation cases."""
        return self.path / "overlays"

    @property
    def test(self) -> Path:
        """Folder of the test results."""
        return self.path / "test"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from training here, until the block or this one ends.

        Raises:
            TrainingError: If another one does, or the place can't be written to.
        """
        busy = TrainingError(
            f"Another process is training {self.path}. Wait for it, or choose another "
            "--name."
        )
        with ExitStack() as held:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                held.enter_context(alone(self._lock, refusal=busy))
            except OSError as error:
                raise self._unwritable(error) from error
            yield

    def create(self) -> None:
        """Make the folder.

        Raises:
            TrainingError: If there is such a run already, or the place can't be
                written to.
        """
        self.refuse_existing()
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            for left_over in (self.metrics, self.transfer):
                left_over.unlink(missing_ok=True)
            (self.path / ".writable").touch()
            (self.path / ".writable").unlink()
        except OSError as error:
            raise self._unwritable(error) from error

    def refuse_existing(self) -> None:
        """Raise if a run of this name would be overwritten.

        One that ended before its first checkpoint has nothing to lose, nor to go on
        from: it is started afresh. A checkpoint that was half written does not count.

        Raises:
            TrainingError: With the ways that there are.
        """
        has_learnt = self.goes_on or self.best.is_file()
        held = (
            {item.name for item in self.path.iterdir()} if self.path.is_dir() else set()
        )
        is_begun = self.config_file.is_file() and held <= _BEGUN and not has_learnt
        if held <= {".lock"} or is_begun:
            return
        way = "; it has no last.ckpt to go on from."
        if self.goes_on:
            way = f", or go on with it: segx fit {self.arguments} --ckpt_path last"
        raise TrainingError(
            f"{self.path} exists already and is not overwritten. Choose another "
            f"--name{way}"
        )

    def write_config(self, config: FitConfig) -> None:
        """Keep the full config."""
        write_text(self.config_file, dump_yaml(config))

    def read_config(self) -> FitConfig:
        """The config that the run was started with.

        Raises:
            ArtifactError: If the folder is no run.
        """
        try:
            text = self.config_file.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise ArtifactError(
                f"{self.path} is no run folder: it has no config.yaml."
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ArtifactError(
                f"{self.config_file} can't be read: {error}."
            ) from error
        tree = parse_yaml(text, name=str(self.config_file))
        if not isinstance(tree, dict):
            raise ArtifactError(
                f"{self.config_file} holds no keys: it is not a run's config."
            )
        return check_config(tree, name=str(self.config_file))

    @property
    def _lock(self) -> Path:
        """The file that the process holds which trains here."""
        return self.path / ".lock"

    def _unwritable(self, error: OSError) -> TrainingError:
        return TrainingError(
            f"{self.path} can't be written to ({error.strerror}). Choose another place "
            "with --runs DIR."
        )
