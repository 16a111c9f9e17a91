"""Jobs of a comparison: training or evaluation of a run, in place or on copies of its files."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Self

import torch

from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.data.columns import FileKind
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.data.verification import manifest_path
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.save import EvaluationFiles, save, track_evaluation
from cmapss_rul.experiments.oracle import Oracle, oracle_file
from cmapss_rul.experiments.runs import COMMIT
from cmapss_rul.model.network import Network
from cmapss_rul.system.files import write_atomic
from cmapss_rul.system.workers import Send
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.device import pick_device
from cmapss_rul.training.reporters import Reporter, Row
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trackers.tracker_reporter import Tracking
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore


class JobMessage(NamedTuple):
    """Progress message of a job: about its latest epoch, if it has epochs, or a warning."""

    text: str
    epoch: int | None = None
    warning: bool = False


@dataclass(frozen=True)
class RunJob:
    """Base class of the jobs of a run; `config` has the current data paths."""

    name: str
    config: RunConfig
    folder: Path

    def moved(self, sources: Path, folder: Path) -> Self:
        """Return the job on copies of its files."""
        return replace(self, config=self.config.with_data_dir(sources), folder=folder)


@dataclass(frozen=True)
class TrainJob(RunJob):
    """Job that trains or resumes a run.

    With `oracle` it records the test RMSE of each epoch; `commit` is that of the code; `original`
    is set on copies of the files: the job whose paths are to be recorded.
    """

    device: str
    oracle: bool
    commit: str | None
    tracking: Tracking = field(default_factory=Tracking)
    original: "TrainJob | None" = None

    def __call__(self, send: Send) -> None:
        """Train; raises as `train`."""
        reporters: list[Reporter] = []
        if self.oracle:
            reporters.append(Oracle(self.config.data, self.config.split, oracle_file(self.folder)))
        reporters.append(_JobReporter(send, self.folder, self.commit))
        try:
            # `resume` also starts a new run
            train(
                self.config,
                self.folder,
                resume=True,
                device=self.device,
                reporters=reporters,
                tracking=self.tracking,
            )
        finally:  # also after a failure, since the run resumes from these files
            if self.original is not None:
                self._record_paths_of(self.original)

    def sources(self) -> list[Path]:
        """Return the training files, and with the oracle also the test files."""
        data = self.config.data
        return training_files(data) + (evaluation_files(data) if self.oracle else [])

    def moved(self, sources: Path, folder: Path) -> Self:
        """Return the job on copies of its files."""
        return replace(super().moved(sources, folder), original=self)

    def _record_paths_of(self, original: "TrainJob") -> None:
        # checkpoints must not contain paths of a worker's temporary folder
        run, home, config = RunFolder(self.folder), RunFolder(original.folder), original.config
        _set_paths(run, home, config)
        for fold, split in zip(run.folds, config.split.members, strict=False):
            place = home.path / fold.path.name
            _set_paths(fold, RunFolder(place), config.model_copy(update={"split": split}))


@dataclass(frozen=True)
class _JobReporter(Reporter):
    """Sends epochs to the parent process, and records the commit of the code."""

    send: Send
    folder: Path
    commit: str | None

    def evaluated(self, epoch: int, network: Network, preprocessor: Preprocessor) -> None:
        """Record the commit before the epoch's checkpoint, so that every finished run has it."""
        del epoch, network, preprocessor
        path, text = self.folder / COMMIT, f"{self.commit or ''}\n"
        if not path.is_file() or path.read_bytes() != text.encode():
            write_atomic(path, text)

    def epoch_end(self, row: Row, best: bool) -> None:
        """Send the epoch's validation RMSE."""
        del best
        epoch = int(row["epoch"])
        self.send(JobMessage(f"epoch {epoch}, val RMSE {row['val_rmse']:.2f}", epoch))

    def warning(self, text: str) -> None:
        """Send the warning."""
        self.send(JobMessage(text, warning=True))


def _set_paths(run: RunFolder, original: RunFolder, config: RunConfig) -> None:
    paths = {
        "folder": str(original.path),
        "data_dir": config.data.dir,
        "files": config.data.own_files,
    }
    for path in (run.best, run.last, run.previous):
        if path.exists():
            content = checkpoint_file.read(path)
            checkpoint_file.write(path, {**content, "host": {**content["host"], **paths}})
    if run.config.exists():
        write_atomic(run.config, to_yaml(config))


@dataclass(frozen=True)
class EvaluateJob(RunJob):
    """Job that evaluates a finished run, as `rul evaluate`."""

    device: str

    def __call__(self, send: Send) -> None:
        """Evaluate `best.pt` with one thread, since several processes run concurrently."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            model = restore(self.folder, pick_device(self.device))
            # the data may have been moved since the training
            config = model.config.model_copy(update={"data": self.config.data})
            evaluation = evaluate(dataclasses.replace(model, config=config), progress=False)
        finally:
            torch.set_num_threads(threads)
        files = EvaluationFiles.of(model.path)
        save(evaluation, files)

        def warn(text: str) -> None:
            send(JobMessage(text, warning=True))

        track_evaluation(model, evaluation, [files.metrics], warn)

    def sources(self) -> list[Path]:
        """Return the test and RUL file."""
        return evaluation_files(self.config.data)


def training_files(data: DataConfig) -> list[Path]:
    """Return the training files, including auxiliary subsets; see `_files`."""
    return _files(data, [data.subset, *data.auxiliary], ("train",))


def evaluation_files(data: DataConfig) -> list[Path]:
    """Return the test and RUL file; see `_files`."""
    return _files(data, [data.subset], ("test", "RUL"))


def _files(data: DataConfig, subsets: Sequence[str], kinds: Sequence[FileKind]) -> list[Path]:
    """Return files of subsets, downloaded if missing, and their manifests, if any."""
    paths: list[Path] = []
    for subset in subsets:
        paths += ensure_files(data.model_copy(update={"subset": subset}), kinds).values()
        manifest = manifest_path(Path(data.dir), subset)
        if manifest.exists() and not data.own:  # marks simulated files, also on another machine
            paths.append(manifest)
    return paths
