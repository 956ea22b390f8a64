import click
import pytest
from click.testing import CliRunner

from actors.cli.errors import exits_cleanly
from actors.domain.errors import ConfigError, DataError, Problem
from actors.domain.exit_codes import ExitCode


class BarsLost(DataError):
    """A kind of DataError."""


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError(None, (Problem("mode", "is wrong"),)), ExitCode.CONFIGURATION, "mode: is wrong"),
        (DataError("data/x.parquet: is damaged"), ExitCode.DATA_MISSING, "data/x.parquet: is damaged"),
        (BarsLost("no bars"), ExitCode.DATA_MISSING, "no bars"),
        (
            DataError("\x1b]0;mine\x07a\u202eb\n\tc"),
            ExitCode.DATA_MISSING,
            "\\x1b]0;mine\\x07a\\u202eb\n\tc",
        ),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted"),
    ],
)
def test_a_known_error_ends_a_verb_with_its_message_and_code(
    error: BaseException, code: ExitCode, message: str
) -> None:
    @click.command()
    @exits_cleanly
    def verb() -> None:
        raise error

    result = CliRunner().invoke(verb)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""


def test_an_unknown_error_is_not_hidden() -> None:
    @click.command()
    @exits_cleanly
    def verb() -> None:
        raise ZeroDivisionError

    assert isinstance(CliRunner().invoke(verb).exception, ZeroDivisionError)
