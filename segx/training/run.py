"""A run folder: config, splits, metrics.csv, checkpoints/, overlays/, test/."""

from dataclasses import dataclass
from pathlib import Path

from segx.atomic import write_text
from segx.config import FitConfig, check_config, dump_yaml, parse_yaml
from segx.errors import ArtifactError, TrainingError

__all__ = ["RunFolder"]


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
        """Folder of best.ckpt and last.ckpt."""
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        """The checkpoint that a resumed training goes on from."""
        return self.checkpoints / "last.ckpt"

    @property
    def overlays(self) -> Path:
        """Folder of pictures of validation cases."""
        return self.path / "overlays"

    @property
    def test(self) -> Path:
        """Folder of the test results."""
        return self.path / "test"

    def create(self) -> None:
        """Make the folder.

        Raises:
            TrainingError: If there is such a run already, or the place can't be
                written to.
        """
        self.refuse_existing()
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            (self.path / ".writable").touch()
            (self.path / ".writable").unlink()
        except OSError as error:
            raise TrainingError(
                f"{self.path} can't be written to ({error.strerror}). Choose another "
                "place with --runs DIR."
            ) from error

    def refuse_existing(self) -> None:
        """Raise if a run of this name would be overwritten."""
        if self.path.is_dir() and any(self.path.iterdir()):
            raise TrainingError(
                f"{self.path} exists already and is not overwritten. Choose another "
                f"--name, or go on with it: --name {self.path.name} --ckpt_path last"
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
        except OSError as error:
            raise ArtifactError(
                f"{self.path} is no run folder: it has no config.yaml."
            ) from error
        tree = parse_yaml(text, name=str(self.config_file))
        if not isinstance(tree, dict):
            raise ArtifactError(
                f"{self.config_file} holds no keys: it is not a run's config."
            )
        return check_config(tree, name=str(self.config_file))
