"""Show the log lines of a run: `python scripts/logs.py --help`."""

from actors.cli.logs import logs

if __name__ == "__main__":
    logs()
