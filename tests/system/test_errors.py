import pytest

from cmapss_rul.system.errors import CheckpointError, DataError, RulError, UsageError


@pytest.mark.parametrize("kind", [RulError, UsageError, DataError, CheckpointError])
def test_a_message_is_one_printable_line_whatever_it_quotes(kind):
    message = str(kind("a\x1b[31m\n.csv: found '\u202e\x9b', expected a name"))
    assert message.isprintable()
    assert message == r"a\x1b[31m\n.csv: found '\u202e\x9b', expected a name"
    assert str(kind()) == ""
    assert str(kind(message)) == message
