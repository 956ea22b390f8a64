"""Show where a run is: `python scripts/status.py --help`."""

from actors.cli.status import status

if __name__ == "__main__":
    status()
