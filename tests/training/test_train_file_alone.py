"""Training opens the training file and no other data file, by an audit hook.

Audit hooks cannot be removed, so each run has its own process, with another locale, hash seed
and working directory, none of which may change a bit.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cmapss_rul.training.inputs import load_data
from tests.training.inputs import assert_same_run, tiny_config

ROOT = Path(__file__).parents[2]
AUDITED_TRAINING = """
import json, sys
opened = []
def hook(event, arguments):
    if event in ("open", "os.listdir", "os.scandir", "glob.glob"):
        opened.append([event, str(arguments[0])])
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.train import train
config = RunConfig.model_validate_json(sys.stdin.read())
sys.addaudithook(hook)
train(config, sys.argv[1], device="cpu")
print(json.dumps(opened))
"""


def audited_training(data: Path, folder: Path, cwd: Path, **environment) -> list[tuple[str, str]]:
    """Train in a new process; return the files opened and folders listed."""
    completed = subprocess.run(
        [sys.executable, "-W", "error", "-c", AUDITED_TRAINING, str(folder)],
        input=tiny_config(data).model_dump_json(),
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    assert completed.returncode == 0, completed.stderr
    return [tuple(event) for event in json.loads(completed.stdout)]


SCRAMBLED = {"PYTHONHASHSEED": "2", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
DELETED = {"PYTHONHASHSEED": "3", "LC_ALL": "C.UTF-8", "LANG": "tr_TR.UTF-8"}


@pytest.mark.parametrize("environment", [SCRAMBLED, DELETED], ids=["scrambled", "deleted"])
def test_no_other_data_file_is_opened_or_has_any_influence(
    eight_engine_dir, finished_run, tmp_path, environment
):
    """The run equals one that was trained in this process with all files intact.

    The first run parses the training file and writes the cache, the second uses the cache.
    """
    data, run, cwd = tmp_path / "data", tmp_path / "a run", tmp_path / "elsewhere"
    cwd.mkdir()
    shutil.copytree(eight_engine_dir, data)
    if environment is SCRAMBLED:
        shutil.rmtree(data / "cache", ignore_errors=True)
    else:
        load_data(tiny_config(data))
    for name in ("test_FD001.txt", "RUL_FD001.txt"):
        if environment is SCRAMBLED:
            (data / name).write_bytes(b"\x00 scrambled \xff")
        else:
            (data / name).unlink()
    events = audited_training(data, run, cwd, **environment)
    touched = [Path(path) for _, path in events if str(data) in path]
    cached = {path.name for path in touched if "cache" in path.parts}
    files = {path.name for path in touched if "cache" not in path.parts}
    assert files == {"train_FD001.txt", "manifest_FD001.json"}  # the folder was not listed either
    (entry,) = (path.name for path in (data / "cache").iterdir())
    # a new entry is written under a temporary name; "cache": the names of the entries are listed
    assert any(entry in name for name in cached)
    assert (cached == {"cache", entry}) is (environment is DELETED)
    assert not any("test_FD" in path or "RUL_FD" in path for _, path in events)
    assert_same_run(finished_run, run)
