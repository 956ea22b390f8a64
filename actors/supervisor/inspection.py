"""Show what is stored and how good it is, for people or as JSON."""

import json
import sys
from pathlib import Path

from actors.domain.check_request import CheckRequest
from actors.domain.exit_codes import ExitCode
from actors.runtime.calendars import Calendars
from actors.runtime.store import stored_holdings
from actors.supervisor.check_document import CheckDocument, holdings_document
from actors.supervisor.check_tally import CheckTally
from actors.supervisor.console import open_console, print_check, print_holdings
from actors.supervisor.data_check import run_check


def show_holdings(catalog: Path, *, as_json: bool) -> ExitCode:
    """List what a catalog holds; DATA_MISSING where a file of it cannot be read.

    Raises DataError where there is no catalog, or nothing in it.
    """
    holdings = tuple(stored_holdings(catalog))
    if as_json:
        sys.stdout.write(json.dumps(holdings_document(catalog, holdings), indent=2) + "\n")
    else:
        print_holdings(open_console(), catalog, holdings)
    return ExitCode.DATA_MISSING if any(holding.damage for holding in holdings) else ExitCode.DONE


def show_check(request: CheckRequest, *, min_score: float | None, as_json: bool) -> ExitCode:
    """Judge what is stored; DATA_MISSING where a stream cannot be judged or its score is below `min_score`.

    Raises ConfigError, and DataError where nothing that was asked for is stored.
    """
    tally = CheckTally()
    if as_json:
        document = CheckDocument(request, tally, sys.stdout.write)
        run_check(request, Calendars(), document)
        document.close()
    else:
        run_check(request, Calendars(), tally)
        print_check(open_console(), tally, min_score)
    wanting = tally.unchecked or tally.has_below(min_score)
    return ExitCode.DATA_MISSING if wanting else ExitCode.DONE
