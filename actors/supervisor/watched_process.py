"""What runs in the process of a watched run."""

import sys
from pathlib import Path

import msgspec

from actors.domain.errors import ConfigError, DataError
from actors.domain.exit_codes import ExitCode
from actors.domain.overrides import Overrides
from actors.supervisor.launch import LaunchOptions, launch
from actors.supervisor.read_watch import ReadWatch
from actors.supervisor.watched_run import WatchedRun


def main() -> ExitCode:
    """Do the run that the command line describes."""
    order = msgspec.json.decode(sys.argv[1], type=WatchedRun)
    ReadWatch(Path(order.catalog), Path(order.copy), Path(order.report)).install()
    copy = Path(order.copy)
    overrides = Overrides(order.start, order.end, 0.0, order.window_steps, order.credit, copy)
    options = LaunchOptions(Path(order.runs), inline=True, as_json=True)
    try:
        return launch(Path(order.config), overrides, options)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.CONFIGURATION
    except DataError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.DATA_MISSING


if __name__ == "__main__":
    sys.exit(main())
