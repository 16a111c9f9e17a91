import pytest

from cmapss_rul.config import shipped as module
from cmapss_rul.config.shipped import describe_config, find_config, shipped_configs
from cmapss_rul.system.errors import UsageError


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with three configurations, and an empty working folder."""
    package = tmp_path / "checkout" / "cmapss_rul"
    configs = tmp_path / "checkout" / "configs"
    work = tmp_path / "work"
    for folder in (package, configs, work):
        folder.mkdir(parents=True)
    for name in ("fd001", "gradnorm", "demo"):
        (configs / f"{name}.yaml").write_text(f"# {name}\nseed: 0\n")
    (configs / "README.md").write_text("no configuration")
    monkeypatch.setattr(module, "_PACKAGE", package)
    monkeypatch.chdir(work)
    return tmp_path / "checkout"


def test_a_checkout_ships_its_top_folder(checkout):
    assert list(shipped_configs()) == ["demo", "fd001", "gradnorm"]
    assert shipped_configs()["demo"] == checkout / "configs" / "demo.yaml"


def test_a_wheel_ships_the_folder_inside_the_package(checkout):
    inside = checkout / "cmapss_rul" / "configs"
    inside.mkdir()
    (inside / "fd004.yaml").write_text("seed: 0")
    assert shipped_configs() == {"fd004": inside / "fd004.yaml"}


@pytest.mark.parametrize("name", ["fd001", "fd001.yaml"])
def test_a_shipped_name_is_found_with_and_without_ending(checkout, name):
    assert find_config(name) == ("fd001", checkout / "configs" / "fd001.yaml")


def test_a_file_goes_before_a_shipped_name(checkout, tmp_path):
    mine = tmp_path / "work" / "fd001.yaml"
    mine.write_text("seed: 1")
    assert find_config("fd001.yaml")[1].resolve() == mine
    assert find_config("fd001")[1] == checkout / "configs" / "fd001.yaml"
    assert find_config(mine) == ("fd001", mine)


@pytest.mark.usefixtures("checkout")
def test_a_run_is_named_by_the_file(tmp_path):
    path = tmp_path / "work" / "my.own.yml"
    path.write_text("seed: 1")
    assert find_config(str(path)) == ("my.own", path)


def test_a_folder_is_no_configuration(checkout, tmp_path):
    (tmp_path / "work" / "fd001").mkdir()
    assert find_config("fd001")[1] == checkout / "configs" / "fd001.yaml"


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("name", ["gradnrom", "gradnrom.yaml", "folder/gradnrom.yaml"])
def test_an_unknown_name_lists_the_shipped_ones_the_nearest_first(name):
    with pytest.raises(UsageError) as caught:
        find_config(name)
    assert str(caught.value) == (
        f"configuration '{name}' is neither a YAML file nor a shipped name; "
        "shipped: gradnorm, demo, fd001"
    )


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("name", ["", ".", "/", "x" * 5000, "a\x00b", "\x1b[31m", "fd001/x"])
def test_strange_names_are_refused_in_one_line(name):
    with pytest.raises(UsageError) as caught:
        find_config(name)
    assert str(caught.value).isprintable()


def test_with_nothing_shipped_the_error_lists_none(checkout, monkeypatch):
    monkeypatch.setattr(module, "_PACKAGE", checkout / "elsewhere" / "cmapss_rul")
    with pytest.raises(UsageError, match="shipped: none"):
        find_config("fd001")


def test_every_shipped_configuration_opens_with_what_it_is():
    for path in shipped_configs().values():
        assert path.read_text(encoding="utf-8").startswith("# ")


def test_configurations_are_described_by_their_first_line(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "#  A small one: très joli\x1b[31m.\n# more\nseed: 1\n", "utf-8"
    )
    (tmp_path / "b.yaml").write_text("seed: 1\n")
    (tmp_path / "c.yaml").write_text("")
    assert [describe_config(tmp_path / f"{name}.yaml") for name in "abc"] == [
        "A small one: très joli\\x1b[31m.",
        "",
        "",
    ]
