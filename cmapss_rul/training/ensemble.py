"""Training of ensembles over folds of engines: one network per fold; predictions are averaged.

Each network is an ordinary run that validates on the engines of its fold and trains on all others.
So every engine has out-of-fold predictions, from a network that it did not train: they give the
validation metrics and the intervals of the ensemble.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.display.text import counted, shell_word
from cmapss_rul.system.errors import CheckpointError, UsageError
from cmapss_rul.system.files import remove_partial_files, write_atomic
from cmapss_rul.system.locks import entries_in, lock_folder
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.calibrate import calibrate_ensemble
from cmapss_rul.training.checkpoint import MEMBER_PARTS, Checkpoint, Clock, LoopState, RunRecord
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import RunInputs, TrainFiles, find_train_files, read_train_files
from cmapss_rul.training.ranks import ProcessGroup
from cmapss_rul.training.reporters import Reporter
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trained_model import TrainedModel
from cmapss_rul.training.validation import predict_out_of_fold, validation_metrics


def train_ensemble(
    config: RunConfig,
    run: RunFolder,
    train_member: Callable[[RunConfig, RunFolder, Sequence[Reporter]], RunFolder],
    resume: bool,
    reporter: Reporter,
    group: ProcessGroup,
) -> RunFolder:
    """Train the network of each fold, one after another, and combine them in one checkpoint.

    Args:
        config: configuration of the ensemble.
        run: folder of the ensemble; must not exist, unless `resume`.
        train_member: trains, or resumes, the run of one network, with additional reporters.
        resume: continue where an earlier call was stopped.
        reporter: receives the events of all runs.
        group: processes that train together.

    Raises:
        UsageError: the folder exists, or is not that of an ensemble.
        RulError: as for an ordinary run.
    """
    with ExitStack() as cleanup:
        if group.first:
            _refuse_other_content(run, resume)
            cleanup.enter_context(lock_folder(run.path))
            remove_partial_files(run.path)
        splits = config.split.members
        for fold, split in enumerate(splits):
            reporter.member_start(fold, len(splits))
            first = [_ConfigFile(config, run)] if fold == 0 else []
            train_member(config.model_copy(update={"split": split}), run.fold(fold), first)
        if group.first:
            write_atomic(run.config, to_yaml(config))
            _join(config, run, reporter)
    return run


class _ConfigFile(Reporter):
    """Writes config.yaml once the first network starts, since it may be refused before."""

    def __init__(self, config: RunConfig, run: RunFolder) -> None:
        self._config, self._run = config, run

    def epoch_start(self, epoch: int, epochs: int, windows: int, done: int) -> None:
        """Write the file."""
        del epoch, epochs, windows, done
        write_atomic(self._run.config, to_yaml(self._config))


def _refuse_other_content(run: RunFolder, resume: bool) -> None:
    if run.path.exists() and not resume:
        raise UsageError(
            f"{run} exists already and is left alone; resume it with --resume "
            f"{shell_word(run.path)}, or name another folder with --output"
        )
    others = entries_in(run.path) - {run.config.name}
    if others and not run.folds:
        raise UsageError(
            f"{run} has {min(others)} but no fold of an ensemble, so no ensemble is trained in it; "
            "name another folder with --output"
        )


def _join(config: RunConfig, run: RunFolder, reporter: Reporter) -> None:
    """Combine the networks of all folds in best.pt, unless it is up to date.

    Raises:
        CheckpointError: the best.pt of a fold is invalid, or was trained on other data.
        DataError: the training file cannot be read.
    """
    folds = [run.fold(fold) for fold in range(len(config.split.members))]
    digests = [fold.sha256(fold.best) for fold in folds]
    if _is_current(config, run, digests):
        reporter.note(f"{run} has the networks of all {len(folds)} folds: nothing to do")
        return
    bests = [fold.open(fold.best) for fold in folds]
    files = read_train_files(config, find_train_files(config))
    _refuse_other_data(bests, files)
    inputs = RunInputs.prepare(config, files)
    seconds = sum(float(row["seconds"]) for fold in folds for row in fold.newest()[0].rows)
    content = _content(config, run, inputs, bests, digests)
    content["host"]["seconds"] = seconds
    model = TrainedModel.from_checkpoint(Checkpoint.from_content(content, run.best))
    found = predict_out_of_fold(model, files[0][0].fleet)
    metrics = validation_metrics(found.predicted, found.probabilities, found.labelled)
    calibration = calibrate_ensemble(model, found)
    content |= {"out_of_fold": metrics, "calibration": calibration.model_dump()}
    checkpoint_file.write(run.best, content)
    for fold in folds:
        fold.release()
    reporter.note(
        f"ensemble of {counted(len(folds), 'fold')}: out-of-fold RMSE {metrics['val_rmse']:.3f} "
        f"{config.data.unit}, at random cuts {metrics['val_cut_rmse']:.3f}; trained in "
        f"{seconds:.0f} s"
    )


def _is_current(config: RunConfig, run: RunFolder, digests: Sequence[str]) -> bool:
    """Whether best.pt is valid and has these networks."""
    try:
        found = run.open(run.best)
    except CheckpointError:
        return False
    same = [member.get("sha256") for member in found.members] == list(digests)
    # also the configuration: training further may change the number of epochs but no network
    return same and found.config == config.without_paths()


def _refuse_other_data(bests: Sequence[Checkpoint], files: TrainFiles) -> None:
    for best in bests:
        for there, (_, here) in zip(best.data.files, files, strict=True):
            if there.canonical_sha256 != here.canonical_sha256:
                raise CheckpointError(
                    f"{best.path}: was trained on {there.name} of SHA-256 {there.sha256[:12]}…, "
                    f"found {here.sha256[:12]}…; restore that file, or remove the folder of this "
                    "fold and resume"
                )


def _content(
    config: RunConfig,
    run: RunFolder,
    inputs: RunInputs,
    bests: Sequence[Checkpoint],
    digests: Sequence[str],
) -> dict[str, Any]:
    """Build the content of the checkpoint that does not depend on predictions."""
    first = bests[0]
    labels = sorted({label for best in bests for label in best.data.label_columns})
    record = RunRecord(
        versions=first.versions,
        config=config.without_paths(),
        data=first.data.model_copy(update={"label_columns": labels}),
        preprocessor=inputs.data.preprocessor.state_dict(),
        engines=inputs.engine_numbers,
        host=first.host.model_copy(
            update={"folder": str(run.path), "data_dir": config.data.dir, "clock": Clock()}
        ),
    )
    return {
        "format_version": checkpoint_file.FORMAT_VERSION,
        **record.model_dump(by_alias=True),
        "model": {},
        "loop": LoopState().model_dump(),
        "members": [
            {
                **{part: best.content[part] for part in MEMBER_PARTS},
                "clock": best.content["host"]["clock"],
                "sha256": digest,
            }
            for best, digest in zip(bests, digests, strict=True)
        ],
        # placeholder, replaced after the out-of-fold predictions
        "out_of_fold": {"val_rmse": 0.0},
    }
