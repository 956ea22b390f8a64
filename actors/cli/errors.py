"""From what goes wrong in a verb to a message and an exit code."""

import functools
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

import click

from actors.domain.errors import ConfigError, DataError
from actors.domain.exit_codes import ExitCode
from actors.domain.printing import printable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def exits_cleanly(verb: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a verb end with a message on stderr and an exit code where it would end with a known error.

    Put it between the options and the function:

        @click.command()
        @config_argument
        @exits_cleanly
        def run(config: Path) -> None: ...
    """

    @functools.wraps(verb)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return verb(*args, **kwargs)
        except ConfigError as error:
            _end(str(error), ExitCode.CONFIGURATION)
        except DataError as error:
            _end(str(error), ExitCode.DATA_MISSING)
        except KeyboardInterrupt:
            _end("interrupted", ExitCode.INTERRUPTED)

    return wrapper


def _end(message: str, code: ExitCode) -> NoReturn:
    click.echo(f"Error: {printable(message)}", err=True)
    sys.exit(code)
