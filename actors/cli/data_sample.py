"""`sessionflow data sample`: make the sample catalog."""

from pathlib import Path

import click

from actors.domain.sample import DEFAULT_SEED, INSTRUMENTS, SAMPLE_INTERVAL, sample_bars, sample_metadata
from actors.runtime.store import write_bars


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data"),
    show_default=True,
    help="The catalog's folder.",
)
@click.option("--seed", type=click.IntRange(min=0), default=DEFAULT_SEED, show_default=True)
def sample(output: Path, seed: int) -> None:
    """Make the sample catalog: synthetic minutes of two symbols, with planted defects."""
    for instrument in INSTRUMENTS:
        bars = sample_bars(instrument, seed)
        try:
            paths = write_bars(output, instrument.symbol, SAMPLE_INTERVAL, bars, sample_metadata(seed))
        except OSError as error:
            reason = f"cannot write {error.filename or output}: {error.strerror}; choose another folder"
            raise click.BadParameter(reason, param_hint="--output") from error
        for path in paths:
            click.echo(f"{path}: {len(bars['open_ts'])} synthetic rows")
