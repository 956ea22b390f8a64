"""The names that a configuration may use: exchange groups, calendars, asset classes, indicators."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


EXCHANGE_GROUPS: Final = {
    "US_EQUITY": "XNYS",
    "US_FUTURES": "CMES",
    "UK_EQUITY": "XLON",
    "JP_EQUITY": "XTKS",
    "HK_EQUITY": "XHKG",
    "CRYPTO": "24/7",
    "FX": "24/5",
    "TSE": "XTKS",
}
"""Exchange group -> calendar."""

CALENDARS: Final = _words(
    """
    24/5 24/7 AIXK ARCX ASEX ASX BATS BMF BSE BVB BVMF CBOT CFE CME CMES COMEX FWB HKEX ICE ICEUS
    IEPA JKT JPX LSE LUXSE NASDAQ NYFE NYMEX NYSE OOTC OSE SIX SSE TASE TSX XAMS XASE XASX XBDA XBEL
    XBKK XBOG XBOM XBRA XBRU XBSE XBUD XBUE XCBF XCSE XCYS XDUB XDUS XEEE XETR XEUR XFRA XHAM XHEL
    XHKG XICE XIDX XIST XJSE XKAR XKLS XKRX XLIM XLIS XLIT XLJU XLON XLUX XMAD XMEX XMIL XMOS XNAS
    XNYS XNZE XOSL XPAR XPHS XPRA XRIS XSAU XSES XSGO XSHG XSTO XSTU XSWX XTAE XTAI XTAL XTKS XTSE
    XTSX XWAR XWBO XZAG us_futures
    """
)
"""What exchange_calendars offers, aliases included. Written out: importing it takes most of a second."""

INDICATORS: Final = _words(
    """
    sma ema wma dema tema hma vwap twap rsi macd stochastic cci roc mom williams_r ultimate_osc atr
    bbands keltner donchian stddev histvol obv pvt volume_sma volume_ratio pivot_points high_low
    swing_high swing_low avg_volume avg_range gap_stats range_ratio atr_daily
    """
)
"""Every indicator a configuration may name."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that is most like `word`, whatever the case; None where none is near."""
    by_folded = {name.casefold(): name for name in sorted(known)}
    found = get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Say what `word` may have meant, or what there is to choose from."""
    names = sorted(known)
    found = nearest(word, names)
    return f'did you mean "{found}"?' if found else f"choose from {', '.join(names)}"
