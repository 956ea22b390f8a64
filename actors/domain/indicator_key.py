"""The names that strategies ask for indicators by."""

from collections.abc import Mapping


def indicator_key(name: str, interval: str, params: Mapping[str, int | float]) -> str:
    """Write `sma_20_5m`; `vwap_1m` where no period is given; `macd_fast=5_slow=20_5m`, others by name."""
    period = [str(params["period"])] if "period" in params else []
    others = [f"{key}={value}" for key, value in sorted(params.items()) if key != "period"]
    return "_".join([name, *period, *others, interval])
