"""scripts/audit: its verdict on reports of pip-audit, including invalid ones."""

import importlib.machinery
import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit"
KNOWN = {"name": "jinja2", "version": "2.10", "vulns": [{"id": "CVE-1", "fix_versions": ["2.11"]}]}
CLEAN = {"name": "torch", "version": "2.13.0", "vulns": []}
BAD = {"name": "numpy", "version": "2.0", "vulns": [{"id": "CVE-2", "fix_versions": []}]}
SKIPPED = {"name": "torchjd", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def audit():
    loader = importlib.machinery.SourceFileLoader("audit", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("audit", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("canary", "found", "lines", "code"),
    [
        ([KNOWN], [CLEAN], ["1 distributions, no vulnerability known"], 0),
        ([KNOWN], [CLEAN, BAD], ["numpy 2.0: CVE-2, fixed in no version yet"], 1),
        ([KNOWN], [KNOWN], ["jinja2 2.10: CVE-1, fixed in 2.11"], 1),
        (
            [KNOWN],
            [CLEAN, SKIPPED],
            ["not audited: torchjd: Dependency not found on PyPI"],
            3,
        ),
        (
            [{**KNOWN, "vulns": []}],
            [CLEAN],
            ["not audited: the index has no advisory for jinja2==2.10, which is vulnerable"],
            3,
        ),
        (
            [{"name": "jinja2", "skip_reason": "not found"}],
            [CLEAN],
            ["not audited: the index has no advisory for jinja2==2.10, which is vulnerable"],
            3,
        ),
        ([KNOWN], [BAD, SKIPPED], ["numpy 2.0", "not audited: torchjd"], 1),
    ],
)
def test_verdicts(audit, canary, found, lines, code):
    messages, found_code = audit.judge(canary, found)
    assert found_code == code
    assert len(messages) == len(lines)
    assert all(line.startswith(start) for line, start in zip(messages, lines, strict=True))


def fake_pip_audit(monkeypatch, answer):
    """Make pip-audit print a report, or fail with a message."""

    def run(command, **_options):
        target = next((word for word in command if word.startswith("--output=")), None)
        if target and not isinstance(answer, str):
            Path(target.removeprefix("--output=")).write_text(json.dumps({"dependencies": answer}))
        return subprocess.CompletedProcess(command, 1 if target else 0, "", str(answer))

    monkeypatch.setattr(subprocess, "run", run)


def test_the_whole_command(audit, monkeypatch, capsys):
    fake_pip_audit(monkeypatch, [KNOWN])
    assert audit.main() == 1
    assert capsys.readouterr().out == "jinja2 2.10: CVE-1, fixed in 2.11\n"


def test_no_answer_is_not_audited(audit, monkeypatch, capsys):
    fake_pip_audit(monkeypatch, "Traceback\nConnectionError: no route")
    assert audit.main() == 3
    assert capsys.readouterr().out == "not audited: ConnectionError: no route\n"


def test_no_pip_audit_is_not_audited(audit, monkeypatch, capsys):
    def run(command, **_options):
        return subprocess.CompletedProcess(command, 1, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(audit.venv, "create", lambda *_args, **_options: None)
    assert audit.main() == 3
    assert capsys.readouterr().out == "not audited: pip-audit could not be installed\n"
