"""The parts of the page on the run itself: verdict, figures, quality, pipeline, configuration."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from actors.supervisor.console.text import (
    DASH,
    WHOLE,
    compact,
    count,
    memory,
    percent,
    plural,
    seconds,
    short,
)
from actors.supervisor.report.elements import (
    Content,
    Markup,
    element,
    joined,
    part,
    ratio,
    section,
    signed_part,
    table,
    words,
)
from actors.supervisor.wording import counted, listed

Json = dict[str, Any]
MARKS: Final = {"done": "✔", "failed": "✘", "interrupted": "■"}
GOOD: Final = 99.0
FAIR: Final = 95.0
SCORES_WRITTEN: Final = 12
"""Groups of sessions up to which the heat map has room for numbers."""


def head(document: Json) -> Markup:
    """Say which run this is and how it ended."""
    status = document["status"]
    days = f"{document['first_date']} … {document['last_date']}"
    facts = (
        document["calendar"],
        document["timezone"],
        days,
        listed(document["symbols"], 8),
        document["run"],
    )
    verdict = f"{MARKS.get(status, '?')} {status}"
    rest = f"exit code {document['exit_code']}, {seconds(document['wall_s'])}"
    return element(
        "header",
        element("h1", words(document["name"])),
        element("p", *(element("span", words(fact)) for fact in facts), class_="facts"),
        element("p", element("strong", words(verdict)), " ", words(rest), class_=f"verdict {status}"),
    )


def findings(document: Json) -> Markup:
    """List what is worth knowing."""
    found = document["findings"]
    if not found:
        return element("p", "Nothing stands out: no bar is missing, no signal was refused.", class_="note")
    return element("ul", *(_finding(finding) for finding in found), class_="findings")


def _finding(finding: Json) -> Markup:
    lines = finding["lines"]
    tail = element("pre", *(joined((words(line, 1000), "\n")) for line in lines)) if lines else ""
    return element("li", words(finding["text"], 2000), tail, class_=finding["level"])


def cards(document: Json) -> Markup:
    """Show the figures that matter most."""
    of_run = element("div", *_run_cards(document["figures"]), class_="cards")
    several = len(document["strategies"]) > 1
    return joined([of_run, *(_strategy_cards(found, several=several) for found in document["strategies"])])


def _run_cards(figures: Json) -> Iterator[Markup]:
    done, total = figures["sessions_done"], figures["sessions"]
    yield _card(
        "sessions",
        count(done) if done == total else f"{done:,} of {total:,}",
        plural(figures["steps"], "step"),
    )
    delivered = figures["delivered"]
    expected = "" if figures["expected"] is None else f"of {compact(figures['expected'])} expected"
    yield _card("bars", DASH if delivered is None else compact(delivered), expected)
    missing = "" if figures["missing"] is None else f"{counted(figures['missing'], 'bars')} missing"
    yield _card("quality", percent(figures["quality"]), missing)
    refused = "" if figures["refused"] is None else f"{figures['refused']:,} refused"
    yield _card("signals", count(figures["signals"]), refused)
    orders = "" if figures["orders"] is None else f"of {counted(figures['orders'], 'orders')}"
    yield _card("fills", count(figures["fills"]), orders)


def _strategy_cards(strategy: Json, *, several: bool) -> Markup:
    found = strategy["statistics"]
    if found is None:
        return joined(())
    sessions = f"by session, {plural(found['sessions'], 'session')}"
    made = (
        _card("return", signed_part(found["total_return"]), f"equity {found['end_equity']:,.2f}"),
        _card("max drawdown", part(found["intraday"]["max_drawdown"]), "by step"),
        _card("Sharpe", ratio(found["daily"]["sharpe"]), sessions),
        _card("trades", count(found["trades"]["count"]), _won(found["trades"]["win_rate"])),
        _card("in the market", part(found["time_in_market"]), "of all steps"),
    )
    title = (element("h3", words(strategy["name"])),) if several else ()
    return joined([*title, element("div", *made, class_="cards")])


def _won(win_rate: float | None) -> str:
    return "none is over" if win_rate is None else f"{part(win_rate)} won"


def _card(name: str, value: str, note: str) -> Markup:
    return element(
        "div",
        element("div", name, class_="name"),
        element("div", words(value.replace("-", "\u2212")), class_="value"),
        element("div", words(note), class_="note"),
        class_="card",
    )


def quality(document: Json) -> Markup:
    """Show the heat map and the longest gaps."""
    found = document["quality"]
    if found is None:
        return section("quality", "Quality", element("p", "No quality was measured in this run."))
    shown, total = len(found["rows"]), found["symbols_total"]
    note = "Bars that were there, in per cent of those expected; by symbol and session."
    note += f" The {shown} worst of {total} symbols." if shown < total else ""
    return section("quality", "Quality", _heat_map(found), *_gaps(document["gaps"]), note=note)


def _heat_map(found: Json) -> Markup:
    groups = found["groups"]
    titles = [_group_title(group) for group in groups]
    head_cells = [
        element("th", words(group[0][5:]), title=title) for group, title in zip(groups, titles, strict=True)
    ]
    rows = (_heat_row(row, titles) for row in found["rows"])
    kind = "heat written" if len(groups) <= SCORES_WRITTEN else "heat"
    made = element(
        "table", element("thead", element("tr", element("th", ""), *head_cells)), element("tbody", *rows)
    )
    legend = element("p", *(_legend(*entry) for entry in _LEGEND), class_="legend")
    return joined([element("div", made, class_=f"scroll {kind}"), legend])


_LEGEND: Final = (
    ("q0", "100%"),
    ("q1", "99% or more"),
    ("q2", "95% or more"),
    ("q3", "less"),
    ("qn", "not known"),
)


def _legend(kind: str, text: str) -> Markup:
    return element("span", element("i", class_=kind), text)


def _group_title(group: Sequence[str]) -> str:
    return group[0] if group[0] == group[1] else f"{group[0]} … {group[1]}"


def _heat_row(row: Json, titles: Sequence[str]) -> Markup:
    cells = [
        element(
            "td",
            "" if score is None else _short_score(score),
            class_=_heat(score),
            title=f"{row['symbol']} {title}: {percent(score)}, {counted(missing, 'bars')} missing",
        )
        for score, missing, title in zip(row["scores"], row["missing"], titles, strict=True)
    ]
    return element("tr", element("th", words(row["symbol"], 24), scope="row"), *cells)


def _short_score(score: float) -> str:
    return "100" if score >= WHOLE else f"{min(score, 99.99):.2f}"


def _heat(score: float | None) -> str:
    if score is None:
        return "qn"
    return "q0" if score >= WHOLE else "q1" if score >= GOOD else "q2" if score >= FAIR else "q3"


def _gaps(gaps: Json) -> Iterator[Content]:
    longest = gaps["longest"]
    if longest:
        rows = ((gap["symbol"], gap["interval"], gap["text"], count(gap["bars"])) for gap in longest)
        title = counted(gaps["total"], "gaps") + (", the longest" if len(longest) < gaps["total"] else "")
        listing = table(("symbol", "interval", "from", ">bars"), rows, sorted_by_click=True)
        yield element("details", element("summary", title), listing)


def pipeline(document: Json) -> Markup:
    """Show what the run took."""
    found = document["pipeline"]
    speed = f"{short(found['bars_per_s'])} bars/s in {seconds(found['wall_s']['total'])}"
    rest = f", {counted(found['restarts'], 'restarts')}" if found["restarts"] else ""
    lag = f", {seconds(found['max_lag_s'])} behind its pace at worst" if found["max_lag_s"] else ""
    content = element("div", _phases(found["wall_s"]), _actors(found), class_="columns")
    return section("pipeline", "Pipeline", content, note=f"{speed}{rest}{lag}")


def _phases(wall_s: Json) -> Markup:
    phases = {name: value for name, value in wall_s.items() if name != "total" and value is not None}
    known = sum(phases.values())
    phases["start and stop"] = max(wall_s["total"] - known, 0.0)
    longest = max(phases.values()) or 1.0
    rows = [
        (words(name.replace("_", " ")), seconds(value), _bar(value / longest))
        for name, value in phases.items()
    ]
    return element(
        "div", element("h3", "Wall time"), table(("phase", ">time", ""), rows), class_="block bars"
    )


def _bar(share: float) -> Markup:
    return element("span", element("i", style=f"width:{100 * share:.1f}%"), class_="bar")


def _actors(found: Json) -> Markup:
    memory_, cpu = found["peak_rss_bytes"] or {}, found["cpu_s"] or {}
    names = dict.fromkeys([*memory_, *cpu])
    rows = [(name, memory(memory_.get(name)), seconds(cpu.get(name))) for name in names]
    made = table(("actor", ">peak memory", ">processor"), rows) if rows else element("p", "Not known.")
    return element("div", element("h3", "Actors"), made, class_="block")


def configuration(document: Json) -> Markup:
    """Show the configuration and the digests."""
    digests = ((name, element("code", words(value or DASH))) for name, value in document["digest"].items())
    written = json.dumps(document["config"], indent=2, ensure_ascii=False)
    listing = element("details", element("summary", "Configuration"), element("pre", written))
    note = "Two runs of one configuration on one set of data have the same digests."
    return section("configuration", "Digests and configuration", table(("", ""), digests), listing, note=note)
