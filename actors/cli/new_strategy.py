"""`sessionflow new-strategy`: a strategy and a configuration to begin with, which run as they are."""

import inspect
import json
import keyword
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from actors.cli.errors import exits_cleanly
from actors.strategies import template

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


@click.command("new-strategy")
@click.argument("name")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where both files are written; the working directory by default.",
)
@click.option(
    "--catalog",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data"),
    metavar="DIR",
    show_default=True,
    help="The folder of stored bars that the configuration names.",
)
@exits_cleanly
def new_strategy(name: str, output: Path, catalog: Path) -> None:
    """Write NAME.py, a small strategy to change, and NAME.json, which runs it on the sample bars."""
    _check_name(name)
    files = {
        output / f"{name}.py": _strategy(name),
        output / f"{name}.json": _configuration(name, _path_from(output, catalog)),
    }
    _write(files)
    for path in files:
        click.echo(f"{path}: written")
    if not (catalog / "bars").is_dir():
        click.echo(f"{catalog} holds no bars yet; make some: sessionflow data sample --output {catalog}")
    click.echo(f"run it: sessionflow run {output / f'{name}.json'}")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        wanted = (
            "small letters, digits and underscores, a letter first, 40 at most, and no word of Python's own"
        )
        raise click.BadParameter(
            f"{name!r} cannot name a strategy: write {wanted}, as my_breakout", param_hint="NAME"
        )
    names = {_class_name(name), f"{_class_name(name)}Params"}
    if hidden := names & vars(template).keys() - {"Template", "TemplateParams"}:
        message = f"{name!r} would give a class the name {', '.join(hidden)}, which strategies need"
        raise click.BadParameter(f"{message}; choose another name", param_hint="NAME")


def _strategy(name: str) -> str:
    """Give the strategy that comes with SessionFlow for this purpose another name."""
    return inspect.getsource(template).replace("Template", _class_name(name))


def _class_name(name: str) -> str:
    return "".join(part[0].upper() + part[1:] for part in name.split("_") if part)


def _path_from(folder: Path, catalog: Path) -> str:
    return Path(os.path.relpath(catalog.resolve(), folder.resolve())).as_posix()


def _configuration(name: str, catalog: str) -> str:
    document: dict[str, Any] = {
        "session_name": name.replace("_", " "),
        "exchange_group": "US_EQUITY",
        "asset_class": "EQUITY",
        "mode": "backtest",
        "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-07"},
        "session_data_config": {
            "symbols": ["AAPL", "RIVN"],
            "streams": ["1m", "5m"],
            "strategies": [
                {
                    "name": name,
                    "strategy": f"{name}.py:{_class_name(name)}",
                    "params": {"interval": "5m", "period": 20, "stop_percent": 1.0, "quantity": 10},
                }
            ],
        },
        "trading_config": {
            "max_buying_power": 100_000,
            "max_per_trade": 10_000,
            "max_per_symbol": 20_000,
            "max_open_positions": 5,
        },
        "catalog": {"path": catalog},
    }
    return json.dumps(document, indent=2) + "\n"


def _write(files: Mapping[Path, str]) -> None:
    """Write all, or none where one is there already."""
    there = [str(path) for path in files if path.exists()]
    if there:
        raise click.UsageError(
            f"{' and '.join(there)}: exists already; choose another name, or another folder with --output DIR"
        )
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        reason = f"cannot write {error.filename}: {error.strerror}; choose another folder"
        raise click.BadParameter(reason, param_hint="--output") from error
