"""When a run may go on: same configuration, same data, and a word about the rest."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.data.verification import Provenance
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig, completed
from cmapss_rul.training.runs import finished

_FREE = {"train.threads"}
"""Keys that may change: they shape the result in its last bits at most."""


def check_same_run(
    config: RunConfig, sources: Sequence[Provenance], content: dict[str, Any], path: Path
) -> None:
    """Refuse to go on with another configuration or with other data.

    Args:
        config: of now.
        sources: of the train files of now, auxiliary ones last; none when not known yet.
        content: of `last.pt`.
        path: of `last.pt`, for the error.

    Raises:
        UsageError: naming each changed key with both values.
    """
    then, now = flat(completed(content["config"])), flat(config.without_host_facts())
    free = set(_FREE)
    if finished(content) and config.train.epochs > then["train.epochs"]:
        free.add("train.epochs")
    changed = [
        f"{key} was {printable(then.get(key, 'absent'))} and is {printable(now.get(key, 'absent'))}"
        for key in sorted(then.keys() | now.keys())
        if key not in free and then.get(key) != now.get(key)
    ]
    data = content["data"]
    changed += [
        f"data: {printable(here.name)} had SHA-256 {there['sha256'][:12]}… "
        f"and has {here.sha256[:12]}…"
        for there, here in zip((data, *data["auxiliary"]), sources, strict=False)
        if here.canonical_sha256 != there["canonical_sha256"]
    ]
    if changed:
        raise UsageError(
            f"{printable(path)} belongs to another run: {'; '.join(changed)}; "
            "undo the change, or start a new run without --resume"
        )


def flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys of nested mappings.

    >>> flat({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c': [2]}
    """
    found: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[f"{prefix}{key}"] = value
    return found


def host_warnings(content: dict[str, Any], facts: dict[str, Any]) -> Iterator[str]:
    """Say what may change the result, most of it in its last bits alone.

    Args:
        content: of `last.pt`.
        facts: of now, as a checkpoint would hold them.
    """
    ranks = (content["host"].get("ranks", 1), facts["host"]["ranks"])
    if ranks[0] != ranks[1]:
        yield (
            f"warning: the number of ranks was {printable(ranks[0])} and is {ranks[1]}: the run "
            "goes on, but dropout and noise are drawn otherwise"
        )
    pairs = {
        "torch": (content["versions"]["torch"], facts["versions"]["torch"]),
        "device": (content["host"]["device"], facts["host"]["device"]),
        "number of threads": (content["host"]["threads"], facts["host"]["threads"]),
    }
    for name, (then, now) in pairs.items():
        if then != now:
            yield (
                f"warning: the {name} was {printable(then)} and is {printable(now)}: "
                "the run goes on, but its last bits may differ"
            )
