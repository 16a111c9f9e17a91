"""What makes a configuration or a grid the same as another."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cmapss_rul.system.text import printable
from cmapss_rul.training.config import RunConfig, completed, flatten


def comparable(config: RunConfig) -> dict[str, Any]:
    """Plain values that a figure depends on: without paths, seed and threads."""
    plain = config.without_host_facts()
    del plain["seed"], plain["train"]["threads"]
    return plain


def config_digest(config: RunConfig) -> str:
    """SHA-256 of a configuration without paths, seed and threads; the ledger's cells have it."""
    return digest_of(comparable(config))


def digest_of(plain: Any) -> str:
    """SHA-256 of plain values, whatever the order of keys.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(former: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name what tells two identities apart, one text a key."""
    found = [
        f"{key} was {printable(former.get(key))} and is {printable(now.get(key))}"
        for key in ("seeds", "oracle")
        if former.get(key) != now.get(key)
    ]
    then, here = former.get("cells", {}), now.get("cells", {})
    found += [f"it also has the cell '{printable(name)}'" for name in then if name not in here]
    found += [f"it lacks the cell '{printable(name)}'" for name in here if name not in then]
    for name in [name for name in here if name in then]:
        one, other = flatten(completed(then[name])), flatten(here[name])
        found += [
            f"{printable(name)}: {key} was {printable(one.get(key, 'absent'))} and is "
            f"{printable(other.get(key, 'absent'))}"
            for key in sorted((one.keys() | other.keys()) - {"seed", "train.threads"})
            if one.get(key) != other.get(key)
        ]
    return found


def as_text(value: Any) -> str:
    """Show a value as it would be typed.

    >>> as_text("huber"), as_text([64, 64]), as_text(None), as_text(0.5)
    ('huber', '[64, 64]', 'null', '0.5')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
