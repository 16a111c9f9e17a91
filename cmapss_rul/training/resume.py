"""Resuming a run: whether it may be resumed, and how its loop and files are restored."""

from collections.abc import Iterator, Sequence

from cmapss_rul.data.verification import Provenance
from cmapss_rul.display.text import shell_word
from cmapss_rul.system.errors import CheckpointError, UsageError, printable
from cmapss_rul.system.files import link_or_copy
from cmapss_rul.system.locks import entries_in
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint import Checkpoint, RunRecord, refuse_malformed
from cmapss_rul.training.config import RunConfig, changed_keys, completed, flatten
from cmapss_rul.training.loop import Loop
from cmapss_rul.training.reporters import Reporter, write_metrics
from cmapss_rul.training.runs import MAY_CHANGE, RunFolder


def open_checkpoint(run: RunFolder, resume: bool) -> tuple[Checkpoint | None, str]:
    """Read the checkpoint to resume from, if any; refuse a folder that must not be used.

    Returns:
        The checkpoint, None for a new run; and what is wrong with `last.pt` where the checkpoint
        is from `previous.pt`.

    Raises:
        UsageError: the folder exists, or is not a run's.
        CheckpointError: no checkpoint in it can be used.
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
    # a run leaves these before its first last.pt; anything else belongs to somebody else
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
    """Return whether nothing is left to train; report that, or that a run is trained further.

    The files of a finished run are repaired.

    Raises:
        UsageError: another configuration than the run's.
        CheckpointError: its configuration is malformed.
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
    """Refuse to resume with another configuration or with other data.

    `sources` are those of the training files, auxiliary ones last; empty if not known yet.

    Raises:
        UsageError: naming each changed key with both values.
        CheckpointError: the configuration in the checkpoint is malformed.
    """
    with refuse_malformed(checkpoint.path):
        then, now = flatten(completed(checkpoint.config)), flatten(config.without_paths())
        # more epochs are another run, unless the earlier ones are all done: then it is trained on
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
    """Bring the files of the run to the state of its loop, which has loaded the checkpoint.

    `damage` is what is wrong with `last.pt`, if the checkpoint is from `previous.pt`.

    Raises:
        CheckpointError: best.pt is damaged, and the state at hand is not that of its epoch.
    """
    run, reporter = loop.run, loop.reporter
    write_metrics(run.metrics, loop.rows)  # last.pt may be an epoch behind or ahead of it
    if damage:  # after metrics.csv, which never has an epoch that last.pt lacks
        reporter.note(damage)
        link_or_copy(run.previous, run.last)
    _repair_best(loop)
    for warning in host_warnings(checkpoint, loop.record):
        reporter.note(warning)
    reporter.note(f"resuming after epoch {loop.state.epoch}, batch {loop.state.batch}")


def _repair_best(loop: Loop) -> None:
    """Rewrite a damaged best.pt where the state at hand is the best one."""
    state = loop.state
    if not state.best_epoch:
        return
    try:
        checkpoint_file.read(loop.run.best)
    except CheckpointError as error:
        # only at the end of the best epoch are its weights at hand
        if state.best_epoch != state.epoch or state.batch:
            raise CheckpointError(
                f"{error} (resuming would not bring back epoch {state.best_epoch})"
            ) from error
        loop.save_best()
        loop.reporter.note(f"{error}; it was written again")


def host_warnings(then: RunRecord, now: RunRecord) -> Iterator[str]:
    """Name what may change the result, most of it in its last bits only."""
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
