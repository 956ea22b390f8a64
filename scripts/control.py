"""Steer a run that is running: `python scripts/control.py --help`."""

from actors.cli.control import control

if __name__ == "__main__":
    control()
