import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Document = dict[str, Any]


@pytest.fixture
def document() -> Document:
    return {
        "session_name": "Two days",
        "exchange_group": "US_EQUITY",
        "backtest_config": {"start_date": "2025-07-02", "end_date": "2025-07-03"},
        "session_data_config": {"symbols": ["AAPL", "RIVN"], "streams": ["1m", "5m"]},
        "trading_config": {
            "max_buying_power": 1000,
            "max_per_trade": 100,
            "max_per_symbol": 200.5,
            "max_open_positions": 2,
        },
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[object], Path]:
    def write_config(content: object) -> Path:
        path = tmp_path / "session.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write_config
