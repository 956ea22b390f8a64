"""`python -m actors` is the `sessionflow` command."""

from actors.cli import main

if __name__ == "__main__":
    main(prog_name="sessionflow")
