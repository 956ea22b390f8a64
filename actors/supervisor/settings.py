"""The parts of a plan that are the configuration's settings in the plan's words."""

from actors.config import SessionConfig
from actors.domain.session_plan import Flow, Remote, Restarts, Rules, StrategySpec, Trading
from actors.supervisor.demand import configured_indicators


def strategies(config: SessionConfig) -> tuple[StrategySpec, ...]:
    """Name an actor for every strategy."""
    indicators = configured_indicators(config)
    return tuple(
        StrategySpec(
            name=strategy.name,
            actor=f"analysis-{strategy.name}",
            target=config.strategy_target(strategy),
            params=strategy.params,
            on_error=strategy.on_error,
            indicators=indicators,
        )
        for strategy in config.session_data_config.strategies
    )


def remote(config: SessionConfig) -> Remote | None:
    """Say where observers on other machines listen, if anywhere."""
    address = config.remote.observe
    return None if address is None else Remote(address, str(config.remote_keys_path))


def flow(config: SessionConfig) -> Flow:
    """Say how windows are cut and paced."""
    return Flow(
        window_steps=config.pipeline.window_steps,
        window_rows=config.pipeline.window_rows,
        credit=config.pipeline.credit,
        prefetch_sessions=config.backtest_config.prefetch_days,
        speed=config.backtest_config.speed_multiplier,
        heartbeat_s=config.pipeline.heartbeat_seconds,
        stall_s=config.pipeline.stall_seconds,
        restarts=Restarts(
            limit=config.pipeline.restarts.limit,
            period_s=config.pipeline.restarts.period_seconds,
            backoff_s=config.pipeline.restarts.backoff_seconds,
            policy=dict(config.pipeline.restarts.policy.items()),
        ),
    )


def rules(config: SessionConfig) -> Rules:
    """Give the settings that change results."""
    data = config.session_data_config
    return Rules(
        min_coverage=config.derived.min_coverage,
        jump_ratio=config.quality.jump_ratio,
        catchup_threshold_s=data.streaming.catchup_threshold_seconds,
        history_quality_enabled=data.historical.enable_quality,
    )


def trading(config: SessionConfig) -> Trading:
    """Give the limits that signals are checked against, and how orders are filled."""
    limits, portfolio = config.trading_config, config.portfolio
    return Trading(
        max_buying_power=limits.max_buying_power,
        max_per_trade=limits.max_per_trade,
        max_per_symbol=limits.max_per_symbol,
        max_open_positions=limits.max_open_positions,
        initial_cash=portfolio.initial_cash or limits.max_buying_power,
        min_quality=portfolio.min_quality,
        min_confidence=portfolio.min_confidence,
        fill=portfolio.fill,
        volume_share=portfolio.volume_share,
        commission=portfolio.commission.model_dump(),
        slippage=portfolio.slippage.model_dump(),
    )
