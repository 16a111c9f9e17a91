"""CITATION.cff agrees with the package's metadata and with the CFF format."""

import re
import tomllib
from pathlib import Path

import yaml

import cmapss_rul

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_it_has_the_required_keys():
    assert CITED["cff-version"] == "1.2.0"
    assert CITED.keys() >= {"message", "title", "authors"}
    assert CITED["type"] == "software"
    for entry in (CITED, *CITED["references"]):
        for author in entry["authors"]:
            assert set(author) in ({"name"}, {"family-names", "given-names"})
    for reference in CITED["references"]:
        assert reference.keys() >= {"type", "title", "authors"}
        assert re.fullmatch(r"10\.\d{4,9}/\S+", reference["doi"])


def test_it_agrees_with_the_package():
    assert CITED["title"] == PROJECT["name"]
    assert CITED["version"] == cmapss_rul.__version__
    assert "version" in PROJECT["dynamic"]  # read from cmapss_rul/version.py
    assert CITED["license"] == PROJECT["license"]
    assert CITED["authors"][0]["name"] in (ROOT / "LICENSE").read_text()
    assert set(CITED["keywords"]) == set(PROJECT["keywords"])
