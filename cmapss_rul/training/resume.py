"""Resumption of a run: checks, and restoring of its loop and files."""

from collections.abc import Iterator, Sequence

from cmapss_rul.data.verification import Provenance
from cmapss_rul.display.text import shell_word
from cmapss_rul.system.errors import CheckpointError, UsageError, printable
from cmapss_rul.system.files import link_or_copy
from cmapss_rul.system.locks import entries_in
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint import Checkpoint, RunRecord, refuse_malformed
from cmapss_rul.training.config import RunConfig, changed_keys, fill_defaults, flatten
from cmapss_rul.training.loop import Loop
from cmapss_rul.training.reporters import Reporter, write_metrics
from cmapss_rul.training.runs import MAY_CHANGE, RunFolder


def open_checkpoint(run: RunFolder, resume: bool) -> tuple[Checkpoint | None, str]:
    """Read the checkpoint to resume from, if any; refuse a folder that is not a run's.

    Returns:
        The checkpoint, or None for a new run; and the error of `last.pt` if the checkpoint is
        `previous.pt`.

    Raises:
        UsageError: the folder exists and is not to be resumed, or is not a run's.
        CheckpointError: it has no valid checkpoint.
    """
    if not resume:
        if run.path.exists():
            raise UsageError(
                f"{run} exists already and is left alone; resume it with --resume "
                f"{shell_word(run.path)}, or name another folder with --output"
            )
        return None, ""
    if run.resumable:
        return run.newest()
    # a run writes these before its first last.pt; other files are not a run's
    others = entries_in(run.path) - {run.config.name, run.log.name, run.best.name}
    if others:
        raise UsageError(
            f"{run} has no last.pt to resume from, but has {min(others)}, so no run is "
            "started in it; name another folder with --output"
        )
    return None, ""


def report_if_finished(
    config: RunConfig, checkpoint: Checkpoint, run: RunFolder, reporter: Reporter
) -> bool:
    """Return whether the run is finished; report that, or that it is trained further.

    Repairs the files of a finished run.

    Raises:
        UsageError: the configuration differs from the run's.
        CheckpointError: the configuration in the checkpoint is malformed.
    """
    check_same_run(config, [], checkpoint)
    if not checkpoint.is_finished():
        return False
    epochs = checkpoint.config["train"]["epochs"]
    if config.train.epochs <= epochs:
        reporter.note(f"{run} is finished after {checkpoint.loop.epoch} epochs: nothing to do")
        run.repair(checkpoint)
        return True
    reporter.note(f"{run} was finished at {epochs} epochs and is trained to {config.train.epochs}")
    if config.train.schedule.build().depends_on_length:
        reporter.note(
            f"the schedule '{config.train.schedule.name}' depends on the number of epochs: "
            "the result is not that of a longer run from the start"
        )
    return False


def check_same_run(
    config: RunConfig, sources: Sequence[Provenance], checkpoint: Checkpoint
) -> None:
    """Refuse to resume with another configuration or other data.

    `sources` are the training files, auxiliary ones last; empty if not known yet.

    Raises:
        UsageError: names each changed key with both values.
        CheckpointError: the configuration in the checkpoint is malformed.
    """
    with refuse_malformed(checkpoint.path):
        # keys added in later versions count as unchanged if they have their defaults
        then, now = flatten(fill_defaults(checkpoint.config)), flatten(config.without_paths())
        # a finished run may be trained further; otherwise more epochs are another run
        may_change = set(MAY_CHANGE)
        if checkpoint.is_finished() and config.train.epochs > then["train.epochs"]:
            may_change.add("train.epochs")
        changed = changed_keys(then, now, but=may_change)
    changed += [
        f"data: {here.name} had SHA-256 {there.sha256[:12]}… and has {here.sha256[:12]}…"
        for there, here in zip(checkpoint.data.files, sources, strict=False)
        if here.canonical_sha256 != there.canonical_sha256
    ]
    if changed:
        raise UsageError(
            f"{checkpoint.path} belongs to another run: {'; '.join(changed)}; "
            "undo the change, or start a new run without --resume"
        )


def resume_files(loop: Loop, checkpoint: Checkpoint, damage: str) -> None:
    """Make the files of the run consistent with its loop, which has loaded the checkpoint.

    `damage` is the error of `last.pt`, if the checkpoint is `previous.pt`.

    Raises:
        CheckpointError: best.pt is damaged and cannot be restored from this checkpoint.
    """
    run, reporter = loop.run, loop.reporter
    write_metrics(run.metrics, loop.rows)  # may be an epoch ahead of or behind last.pt
    if damage:  # after metrics.csv, which must not have an epoch that last.pt lacks
        reporter.note(damage)
        link_or_copy(run.previous, run.last)
    _repair_best(loop)
    for warning in host_warnings(checkpoint, loop.record):
        reporter.note(warning)
    reporter.note(f"resuming after epoch {loop.state.epoch}, batch {loop.state.batch}")


def _repair_best(loop: Loop) -> None:
    """Rewrite a damaged best.pt if the loop's state is that of the best epoch."""
    state = loop.state
    if not state.best_epoch:
        return
    try:
        checkpoint_file.read(loop.run.best)
    except CheckpointError as error:
        # the weights of the best epoch are known only at its end
        if state.best_epoch != state.epoch or state.batch:
            raise CheckpointError(
                f"{error} (resuming cannot restore epoch {state.best_epoch})"
            ) from error
        loop.save_best()
        loop.reporter.note(f"{error}; it was restored")


def host_warnings(then: RunRecord, now: RunRecord) -> Iterator[str]:
    """Yield warnings about differences of the host that may change the result."""
    if then.host.ranks != now.host.ranks:
        yield (
            f"warning: the number of ranks was {then.host.ranks} and is {now.host.ranks}: the run "
            "resumes, but dropout and noise are drawn differently"
        )
    pairs = {
        "torch": (then.versions.torch, now.versions.torch),
        "device": (then.host.device, now.host.device),
        "number of threads": (then.host.threads, now.host.threads),
    }
    for name, (previous, current) in pairs.items():
        if previous != current:
            yield (
                f"warning: the {name} was {printable(previous)} and is {printable(current)}: "
                "the run resumes, but its last bits may differ"
            )
