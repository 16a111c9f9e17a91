"""The cells of a grid: one configuration file, its balancers and settings, all resolved."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from cmapss_rul.config.load import apply_overrides, from_mapping
from cmapss_rul.config.schema import models_in, tags
from cmapss_rul.data.split import LEAK
from cmapss_rul.experiments.identity import as_text, comparable, config_digest, digest_of
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.text import printable
from cmapss_rul.training.config import RunConfig

_LONGEST_NAME = 120


@dataclass(frozen=True)
class Cell:
    """One thing that is compared: a configuration with one balancer and one setting.

    Attributes:
        config: name of the configuration: its file's, without ending.
        balancer: name.
        settings: of the grid's axes, dotted key → value.
        label: the balancer, then the settings as `key=value`: unique in its configuration.
        resolved: the configuration, with seed 0 and one thread.
    """

    config: str
    balancer: str
    settings: dict[str, Any]
    label: str
    resolved: RunConfig

    @property
    def subset(self) -> str:
        """Subset of C-MAPSS, or the name of a user's own file."""
        return self.resolved.data.fleet_name

    @property
    def leak(self) -> str | None:
        """What a split by windows is called; None where engines were split."""
        return LEAK if self.resolved.split.by == "windows" else None

    def with_seed(self, seed: int) -> RunConfig:
        """Return the configuration of one run."""
        return self.resolved.model_copy(update={"seed": seed})


def folder_name(cell: Cell) -> str:
    """Name of a cell's run folders, less the seed; safe for any file system."""
    settings = [f"{key}={as_text(value)}" for key, value in cell.settings.items()]
    plain = "-".join([cell.config, cell.balancer, *settings])
    safe = re.sub(r"[^A-Za-z0-9._=+-]", "_", plain)
    if safe == plain and len(safe) <= _LONGEST_NAME:
        return safe
    unique = digest_of([cell.config, cell.label, comparable(cell.resolved)])[:8]
    return f"{safe[:_LONGEST_NAME]}-{unique}"


class Source:
    """One configuration file, and the cells that come of it."""

    def __init__(
        self,
        name: str,
        mapping: dict[str, Any],
        where: str,
        sets: list[str],
        axes: dict[str, Sequence[Any]],
    ) -> None:
        self.name, self.mapping, self.where = name, mapping, where
        self.sets, self.axes = sets, axes
        self.taken: set[str] = set()
        self._seen: dict[str, str] = {}

    def cells(self, balancer: str | None) -> Iterator[Cell]:
        """Yield the cells of one balancer; None is the configuration's own."""
        base = [] if balancer is None else [f"balancer.name={balancer}"]
        base += [text for text in self.sets if self._takes(base, text.partition("=")[0].strip())]
        for settings in self._settings(base):
            texts = [_override(key, settings[key]) for key in _names_first(settings)]
            resolved = from_mapping(
                RunConfig, self.mapping, [*base, *texts, "seed=0", "train.threads=1"], self.where
            )
            name = resolved.balancer.name
            label = " ".join([name, *(f"{k}={as_text(v)}" for k, v in settings.items())])
            self._refuse_twins(label, resolved)
            plain = resolved.model_dump(mode="json")
            values = {key: _value(plain, key) for key in settings}
            yield Cell(self.name, name, values, label, resolved)

    def _settings(self, base: list[str]) -> list[dict[str, Any]]:
        """Multiply the axes out, each where the cell so far has its key."""
        partial: list[dict[str, Any]] = [{}]
        for key in _names_first(self.axes):
            grown = []
            for settings in partial:
                texts = [_override(*item) for item in settings.items()]
                if self._takes([*base, *texts], key, everywhere=False):
                    grown += [{**settings, key: value} for value in self.axes[key]]
                else:
                    grown.append(settings)
            partial = grown
        order = list(self.axes)
        return [dict(sorted(s.items(), key=lambda item: order.index(item[0]))) for s in partial]

    def _takes(self, base: list[str], key: str, everywhere: bool = True) -> bool:
        """Whether a key exists under these overrides.

        Where `everywhere`, keys outside of balancers do, and the validation judges them.
        """
        has = _has(apply_overrides(self.mapping, base), key)
        if has:
            self.taken.add(key)
        return has or (everywhere and not key.startswith("balancer."))

    def _refuse_twins(self, label: str, resolved: RunConfig) -> None:
        twin = self._seen.setdefault(config_digest(resolved), label)
        if twin != label:
            raise UsageError(
                f"{self.where}: the cells '{printable(twin)}' and '{printable(label)}' are the "
                "same; leave one out"
            )


def _has(values: Any, key: str) -> bool:
    """Whether a dotted key exists, given which members of the unions the values name."""
    model: type[BaseModel] | None = RunConfig
    *path, last = key.split(".")
    for name in path:
        field = model.model_fields.get(name) if model is not None else None
        if field is None:
            return False
        values = values.get(name) if isinstance(values, Mapping) else None
        members = models_in(field.annotation)
        chosen = values.get("name") if isinstance(values, Mapping) else None
        chosen = chosen or getattr(field.default, "name", None)
        fitting = [m for m in members if chosen in tags(m)] if len(members) > 1 else members
        model = fitting[0] if fitting else None
    return model is not None and last in model.model_fields


def _names_first(keys: Mapping[str, Any]) -> list[str]:
    """Order keys so that what chooses a member comes before the member's own keys."""
    return sorted(keys, key=lambda key: not key.endswith(".name"))


def _override(key: str, value: Any) -> str:
    return f"{key}={json.dumps(value, ensure_ascii=False, default=str)}"


def _value(plain: Mapping[str, Any], key: str) -> Any:
    for name in key.split("."):
        plain = plain[name]
    return plain
