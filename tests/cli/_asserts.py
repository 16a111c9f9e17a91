"""Assertions shared by the tests of commands."""


def assert_fails(result, code=1):
    """Assert one line on stderr and nothing on stdout; returns the line."""
    found, out, err = result
    assert found == code
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("rul: error: ")
    return err


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())
