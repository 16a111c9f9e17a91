"""YAML pitfalls in files and in `--set`, for each kind of key."""

import tracemalloc

import pytest
import yaml

from cmapss_rul.config.load import load
from cmapss_rul.config.yaml import MAX_BYTES
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig

NUMBERS = (
    "seed", "train.epochs", "train.batch_size", "train.learning_rate", "train.threads",
    "data.cap", "data.window", "data.smoothing", "split.validation", "model.bilstm.hidden",
    "model.shared.dropout", "loss.health.label_smoothing",
)  # fmt: skip
NO_NUMBERS = {
    "400 digits": "9" * 400,
    "5000 digits": "9" * 5000,
    "minus 400 digits": "-" + "9" * 400,
    "infinity": ".inf",
    "minus infinity": "-.inf",
    "no number": ".nan",
    "1e400": "1e400",
    "-1e400": "-1e400",
    "1e999999999": "1e999999999",
    "true": "true",
    "yes": "yes",
    "date": "2020-01-01",
    "time": "2001-12-14t21:59:43.10-05:00",
    "no date": "2020-13-45",
    "hexadecimal": "0x10",
    "sexagesimal": "1:30",
    "list": "[1]",
    "mapping": "{a: 1}",
    "text": "many",
    "control": '"\\e[31m"',
    "lone surrogate": '"\\ud800"',
}
TRAPS = {
    "aliases": "&a [1]\nb: *a",
    "merge": "{<<: {b: 1}}",
    "twice": "{b: 1, b: 2}",
    "deep list": "[" * 5000 + "]" * 5000,
    "deep mapping": "{b: " * 5000 + "1" + "}" * 5000,
    "deep keys": "? " * 5000,
    "deep dashes": "\n  " + "- " * 5000 + "1",
    "open brackets": "[" * 60_000,
    "open quotes": '"' + "x" * 60_000,
    "tag": "!!python/object/apply:os.system ['touch trace']",
    "name tag": "!!python/name:os.system",
    "module tag": "!!python/module:os",
    "own tag": "!x 1",
    "long tag": "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch trace']",
    "NUL": "\0",
    "tab": "\t1",
    "two documents": "1\n---\nb: 2",
    "list as key": "{[1]: 2}",
    "mapping as key": "{{a: b}: 2}",
    "number as key": "{1: 2}",
    "null as key": "{~: 2}",
    "date as key": "{2020-01-01: 2}",
    "text": "{b: 1}",
    "escape": "\x1b[31m",
    "next line": "\x85 x: [",
    "YAML 9": "1\n%YAML 9.9\n---\n",
}


def refusal(folder, content: str | bytes, sets=()) -> str:
    """The one-line error for a file."""
    path = folder / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        load(RunConfig, path, sets)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith((f"{path}, line ", f"{path}: ", f"{path} with --set: ", "--set "))
    assert len(message) < 3000
    return message.replace(str(path), "a.yaml")


def nested(key: str, value: str) -> str:
    """The key as nested lines of a file."""
    parts = key.split(".")
    lines = ["  " * depth + f"{part}:" for depth, part in enumerate(parts)]
    return "\n".join(lines) + f" {value}\n"


@pytest.mark.parametrize("kind", NO_NUMBERS)
@pytest.mark.parametrize("key", NUMBERS)
def test_invalid_numbers_are_refused_by_key_or_line(tmp_path, key, kind):
    value = NO_NUMBERS[kind]
    in_file = refusal(tmp_path, nested(key, value))
    by_option = refusal(tmp_path, "seed: 0", [f"{key}={value}"])
    assert key in in_file or f"line {len(key.split('.'))}: " in in_file
    assert key in by_option
    assert "expected" in by_option or "cannot be read as" in by_option or "unknown" in by_option


@pytest.mark.parametrize("kind", TRAPS)
@pytest.mark.parametrize("key", ["seed", "data", "data.dir", "balancer"])
def test_traps_are_refused_and_nothing_runs(tmp_path, monkeypatch, key, kind):
    monkeypatch.chdir(tmp_path)
    content = nested(key, TRAPS[kind])
    if kind == "text" and key == "data":
        content = nested("data", "x")
    assert "line " in refusal(tmp_path, content) or key in refusal(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        load(RunConfig, "fd001", [f"{key}={TRAPS[kind]}"])
    assert str(caught.value).isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_a_nul_in_a_path_is_refused(tmp_path):
    """YAML can write one; the system calls take none."""
    assert "data.dir: a path cannot contain a NUL" in refusal(tmp_path, 'data: {dir: "\\0"}')
    assert "data.dir: expected a string of at most" in refusal(
        tmp_path, f"data: {{dir: {'x' * 5000}}}"
    )


def bombs():
    laughs = "a0: &a0 [x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)
    )
    merges = "a0: &a0 {k0: 1}\n" + "".join(
        f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 30)
    )
    return {
        "aliases": laughs,
        "merges": merges,
        "brackets": "a: " + "[" * MAX_BYTES,
        "keys": "".join(f"k{i}: 1\n" for i in range(6000)),
        "list": "a: [" + "1," * 30_000 + "]",
        "gigabyte": "a: " + "x" * (1 << 26),
        "recursion": "a: &a [*a]",
        "comments": "#\n" * 30_000 + "b",
    }


@pytest.mark.parametrize("kind", ["aliases", "merges", "brackets", "keys", "list", "gigabyte",
                                  "recursion", "comments"])  # fmt: skip
def test_bombs_take_little_memory(tmp_path, kind):
    content = bombs()[kind].encode()
    (tmp_path / "a.yaml").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UsageError):
            load(RunConfig, tmp_path / "a.yaml")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_a_name_is_never_a_class(tmp_path):
    """Names of pickles, tags and constructors are plain text anywhere."""
    for value in ("!!python/object/new:type [a, [], {}]", "!!python/tuple [1]", "!!omap [a: 1]"):
        message = refusal(tmp_path, f"data: {value}")
        assert "line 1: the tag '" in message
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load("a: !!python/name:os.system")
