"""The runs of a grid: in which state a folder is, and the jobs that train and evaluate it."""

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.data.columns import FileKind
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.data.verification import manifest_path
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.save import EvaluationFiles, save
from cmapss_rul.experiments.identity import comparable
from cmapss_rul.experiments.oracle import Oracle, path_of, read_notes
from cmapss_rul.model.network import Network
from cmapss_rul.system.errors import CheckpointError, RulError
from cmapss_rul.system.files import write_atomic
from cmapss_rul.system.text import one_line
from cmapss_rul.training import checkpoint
from cmapss_rul.training.checkpoint import Checkpoint
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.device import pick_device
from cmapss_rul.training.loggers import Reporter, Row
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import TrainedModel, restore

COMMIT = "commit.txt"
"""File of a run folder that names the commit of the code that finished the run."""


class Damaged(RulError):
    """A run folder that cannot be gone on with, and is done again."""


def is_finished(config: RunConfig, folder: Path, *, oracle: bool) -> bool:
    """Whether a run needs no more training; its files are made whole where they can be.

    `metrics.csv` and `config.yaml` of a finished run follow from `last.pt`; a process killed
    at its very end may not have got to them.

    Args:
        config: that the run should have.
        folder: of the run.
        oracle: whether it should have noted every epoch's test RMSE.

    Raises:
        Damaged: what is there is of no use.
    """
    run = RunFolder(folder)
    if not run.last.exists():
        if run.previous.exists():
            return False
        if run.metrics.exists():
            raise Damaged("it has metrics.csv and no last.pt")
        remove(folder)  # stopped in its first epoch: nothing there is worth keeping
        return False
    try:
        # training goes on from the one before a damaged one, and says so
        last, _ = run.newest()
        _check_same(config, last)
        epochs = last.loop.epoch
        if epochs and not run.best.exists():
            raise Damaged("best.pt is missing")
        if run.best.exists():
            _check_same(config, run.open(run.best))
    except CheckpointError as error:
        raise Damaged(one_line(error)) from error
    if oracle and not set(range(1, epochs + 1)) <= read_notes(path_of(folder)).keys():
        raise Damaged("oracle.csv is missing, or epochs in it are")
    if not last.is_finished():
        return False
    run.repair(last)
    text = to_yaml(config)
    if not run.config.is_file() or run.config.read_bytes() != text.encode():
        write_atomic(run.config, text)
    return True


def _check_same(config: RunConfig, found: Checkpoint) -> None:
    """Refuse a checkpoint's content that is of another configuration or seed, or misshapen.

    A run whose weights do not load is misshapen too: neither training nor evaluation would ever
    get past it.
    """
    own = TrainedModel.from_checkpoint(found).config
    if comparable(own) != comparable(config):
        raise Damaged(f"{found.path.name} is of another configuration")
    if own.seed != config.seed:
        raise Damaged(f"{found.path.name} is of another seed")


def remove(folder: Path) -> None:
    """Remove a run, if there is one, to do it again."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class _JobReporter(Reporter):
    """Sends each epoch to the process that started this one, and notes the commit of the code."""

    send: Callable[[Any], None]
    folder: Path
    commit: str | None

    def evaluated(self, epoch: int, network: Network, preprocessor: Preprocessor) -> None:
        """Note the commit before the epoch is saved, so that a finished run has it."""
        del epoch, network, preprocessor
        path, text = self.folder / COMMIT, f"{self.commit or ''}\n"
        if not path.is_file() or path.read_bytes() != text.encode():
            write_atomic(path, text)

    def epoch_end(self, row: Row, best: bool) -> None:
        """Send the epoch's validation RMSE."""
        self.send({"epoch": row["epoch"], "val_rmse": row["val_rmse"], "best": best})


def _sources(data: DataConfig, subsets: Sequence[str], kinds: Sequence[FileKind]) -> list[Path]:
    """Files of some subsets, fetched where they are missing, and the manifests beside them."""
    found: list[Path] = []
    for subset in subsets:
        found += ensure_files(data.model_copy(update={"subset": subset}), kinds).values()
        manifest = manifest_path(Path(data.dir), subset)
        found += [manifest] if manifest.exists() and not data.own else []
    return found


def _with_data(config: RunConfig, folder: Path) -> RunConfig:
    return config.model_copy(update={"data": config.data.moved_to(folder)})


@dataclass(frozen=True)
class TrainJob:
    """Trains a run, or goes on with it, by the code of `rul train`.

    Attributes:
        name: of the run.
        config: of the run.
        folder: of the run.
        device: auto, cpu or cuda.
        oracle: whether each epoch's test RMSE is noted.
        commit: of the code, for the ledger.
    """

    name: str
    config: RunConfig
    folder: Path
    device: str
    oracle: bool
    commit: str | None

    def __call__(self, tell: Callable[[Any], None]) -> None:
        """Train until the end; raises what `train` raises."""
        reporters: list[Reporter] = [_JobReporter(tell, self.folder, self.commit)]
        if self.oracle:
            oracle = Oracle(self.config.data, self.config.split, path_of(self.folder))
            reporters.insert(0, oracle)
        train(self.config, self.folder, resume=True, device=self.device, reporters=reporters)

    def sources(self) -> list[Path]:
        """Train files; those of the test as well, where the oracle looks at them."""
        data = self.config.data
        looked_at = _sources(data, [data.subset], ("test", "RUL")) if self.oracle else []
        return _sources(data, [data.subset, *data.auxiliary], ("train",)) + looked_at

    def moved(self, sources: Path, folder: Path) -> "TrainedElsewhere":
        """The same job on copies of its files."""
        config = _with_data(self.config, sources)
        return TrainedElsewhere(self, replace(self, config=config, folder=folder))


@dataclass(frozen=True)
class TrainedElsewhere:
    """A run that is trained on copies of its files, and notes the paths of its own.

    Attributes:
        home: the job where the run belongs.
        here: the same with the paths of the copies.
    """

    home: TrainJob
    here: TrainJob

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.home.name

    def __call__(self, tell: Callable[[Any], None]) -> None:
        """Train until the end; raises what `train` raises."""
        try:
            self.here(tell)
        finally:
            self._settle()

    def _settle(self) -> None:
        run = RunFolder(self.here.folder)
        data = self.home.config.data
        paths = {
            "folder": str(self.home.folder),
            "data_dir": data.dir,
            "files": data.own_files,
        }
        for path in (run.best, run.last, run.previous):
            if path.exists():
                content = checkpoint.read(path)
                checkpoint.write(path, {**content, "host": {**content["host"], **paths}})
        if run.config.exists():
            write_atomic(run.config, to_yaml(self.home.config))


@dataclass(frozen=True)
class EvaluateJob:
    """Evaluates a finished run as `rul evaluate` does, in its folder.

    Attributes:
        name: of the run.
        config: of the run; its data folder is looked into.
        folder: of the run.
        device: auto, cpu or cuda.
    """

    name: str
    config: RunConfig
    folder: Path
    device: str

    def __call__(self, tell: Callable[[Any], None]) -> None:
        """Evaluate `best.pt` with one thread, because several processes do so at a time."""
        del tell
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            model = restore(self.folder, pick_device(self.device))
            here = model.config.model_copy(update={"data": self.config.data})  # files of now
            evaluation = evaluate(dataclasses.replace(model, config=here), progress=False)
        finally:
            torch.set_num_threads(threads)
        save(evaluation, EvaluationFiles.of(model.path))

    def sources(self) -> list[Path]:
        """Test and RUL file."""
        return _sources(self.config.data, [self.config.data.subset], ("test", "RUL"))

    def moved(self, sources: Path, folder: Path) -> "EvaluateJob":
        """The same job on copies of its files."""
        return replace(self, config=_with_data(self.config, sources), folder=folder)
