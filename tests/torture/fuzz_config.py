"""Campaign: any bytes as a configuration file, any lines as `--set`.

If the first byte of an input is odd, the rest is a YAML file; if even, each line of the rest is a
`--set` on a shipped configuration. Accepted configurations must be reproduced exactly by the YAML
that `rul config show` prints.
"""

import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from cmapss_rul.config.load import from_mapping
from cmapss_rul.config.schema import dotted_keys
from cmapss_rul.config.shipped import shipped_configs
from cmapss_rul.config.yaml import parse_yaml, read_yaml, to_yaml
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig
from tests.torture import fuzzing
from tests.torture.counts import Counts
from tests.torture.fuzzing import Defect, Target, require_one_line

_SHIPPED = {name: path.read_bytes() for name, path in shipped_configs().items()}


class Checker:
    """Writes each input to one file and loads it as a configuration."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "a.yaml"
        self._base = read_yaml(shipped_configs()["fd001"])

    def __call__(self, data: bytes) -> bool:
        """Load one input."""
        try:
            config = self._load(data)
        except UsageError as error:
            require_one_line(str(error))
            if not str(error).startswith((str(self._path), "a.yaml", "--set ")):
                raise Defect(f"a refusal that names neither file nor key: {error}") from error
            return False
        for comments in (False, True):
            shown = to_yaml(config, comments=comments)
            if not shown.replace("\n", "").isprintable():
                raise Defect("what is shown holds control characters")
            again: Any = parse_yaml(shown, "shown")
            if RunConfig.model_validate(again) != config:
                raise Defect("what is shown is another configuration")
        return True

    def _load(self, data: bytes) -> RunConfig:
        if data[:1] and data[0] % 2 == 1:
            self._path.write_bytes(data[1:])
            return from_mapping(RunConfig, read_yaml(self._path), where="a.yaml")
        sets = data[1:].decode("utf-8", "surrogateescape").split("\n")
        return from_mapping(RunConfig, self._base, sets, where="a.yaml")


_KEYS = (*dotted_keys(RunConfig), *["data.dir"] * 8)  # the only key with free text
_VALUES = (
    "0", "1", "2", "3", "5", "10", "60", "125", "0.1", "0.5", "1e-3", "true", "false", "null", "[]",
    "[1]", "[8, 4]", "[100, 50]", "{}", "x", "-1", "1e9",
    "[sensor_2, sensor_3]", "[[1]]", '"\\e[31m"', '"\\x85\\u2028"', "'it''s: #1'", "\u202e",
    "9" * 400, ".inf",
    "fixed", "gradnorm", "dwa", "huber", "mse", "engines", "windows", "FD004", "simulated",
    "2020-01-01",
)  # fmt: skip


def make(random: Random) -> bytes:
    """Return a few keys of the configuration with values that are valid for some of them."""
    lines = (
        f"{random.choice(_KEYS)}={random.choice(_VALUES)}" for _ in range(random.choice((1, 1, 2)))
    )
    return b"\0" + "\n".join(lines).encode()


TARGET = Target(
    name="config",
    check=Checker(),
    seeds=(
        *(b"\1" + text for text in _SHIPPED.values()),
        b"\1seed: 3\ndata:\n  subset: FD003\n",
        b"\1{seed: 1, balancer: {name: amnl}}",
        b"\0seed=1\ntrain.epochs=3",
        b"\0balancer.name=gradnorm\nbalancer.alpha=1.5",
        b"\0data.columns=[sensor_2, sensor_3]\nloss.health.boundaries=[100, 50]",
        b"\0model.cnn.channels=[1e1]\ntrain.learning_rate=1e-3\ntrain.threads=null",
        b"\0=\n",
        b"\1",
        b"",
    ),
    words=(
        b"&a ", b"*a", b"<<: ", b"!!python/object/apply:os.system [id]",
        b"!!python/name:os.system", b"!x ",
        b"!!binary ", b"!!set ", b"!!int ", b"!!float ", b"!!str ", b"? ", b": ", b"- ", b"[",
        b"]", b"{", b"}", b"|\n ",
        b">\n ", b"---\n", b"...\n", b"%YAML 1.1\n", b"\t", b"\0", b"\x1b[31m", b"\xff",
        b"\xe2\x80\xae", b"#", b"'", b'"',
        b"9" * 400, b"9" * 5000, b".inf", b".nan", b"1e400", b"1e999999999", b"-1e400",
        b"1e-400", b"true", b"yes", b"null",
        b"~", b"2020-01-01", b"2020-13-45", b"2001-12-14t21:59:43.10-05:00", b"0x10", b"010",
        b"1:30", b"1_000", b"1e3",
        b"0.5", b"-1", b"0", b"1e30", b"NaN", b"Infinity", b"[" * 30, b"{a: " * 30, b"a.b.c=1",
        b"train.epochs=", b"data.dir=",
        b"seed: ", b"balancer:\n  name: ", b"gradnorm", b"torchjd:mean", b"name: ", b"=", b".",
        b"\n", b"\n  ", b"\xc2\x85",
        b"1", b"2", b"3", b"7", b"0.1", b"0.25", b"[8, 8]", b"[100, 50]", b"FD002", b"huber",
        b"amnl", b"false",
    ),
    make=make,
    modules=("cmapss_rul.config", "cmapss_rul.display.text", "cmapss_rul.training.config"),
)  # fmt: skip


def run(rounds: int, seed: int, engine: str = "auto") -> Counts:
    """Run the campaign."""
    return fuzzing.run(TARGET, rounds, seed, engine)


if __name__ == "__main__":
    sys.exit(fuzzing.main(TARGET))
