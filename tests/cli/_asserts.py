"""What tests of several commands look at."""


def fails(result, code=1):
    """One line on stderr, nothing on stdout; returns the line."""
    found, out, err = result
    assert found == code
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("rul: error: ")
    return err


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())
