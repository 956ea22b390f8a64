"""The page: the document's words and tables as HTML, its charts as data for the scripts, all in one file.

The page may load nothing: its content security policy names the scripts it holds by their digests and forbids
the rest. Texts are escaped by `elements`, data by `_script_data`.
"""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final

import msgspec

from actors.domain.errors import DataError
from actors.results import Run
from actors.runtime.private_files import replace_file
from actors.supervisor.report import sections
from actors.supervisor.report.document import build_document
from actors.supervisor.report.elements import Markup, element, joined, section
from actors.supervisor.report.result_sections import strategy_sections
from actors.supervisor.wording import listed

Json = dict[str, Any]
SCRIPTS: Final = ("vendor/lightweight-charts.standalone.production.js", "vendor/uPlot.iife.min.js", "page.js")
STYLES: Final = ("vendor/uPlot.min.css", "page.css")
LICENCES: Final = (
    "vendor/lightweight-charts.NOTICE",
    "vendor/lightweight-charts.LICENSE",
    "vendor/fancy-canvas.LICENSE",
    "vendor/uPlot.LICENSE",
)
TEMPLATE: Final = "page.html"
_UNSAFE: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write_report(run: Run, path: Path) -> int:
    """Make the report of a run and write it, whole or not at all; give its size in bytes.

    Raises DataError where the run has no summary, a table cannot be read, or the file cannot be written.
    """
    document = build_document(run, lambda rest: len(render_page(rest).encode()))
    content = render_page(document).encode()
    try:
        replace_file(path, content)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); choose another with --output"
        ) from error
    return len(content)


def render_page(document: Json) -> str:
    """Write a document as one HTML page."""
    scripts = [_text(name) for name in SCRIPTS]
    return Template(_text(TEMPLATE)).substitute(
        title=element("title", f"{document['name']} {document['status']}"),
        policy=" ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        styles="\n".join(_text(name) for name in STYLES),
        body=_body(document),
        licences=element("pre", *(f"{_text(name).strip()}\n\n" for name in LICENCES)),
        data=_script_data({name: document[name] for name in ("equity", "candles", "marks", "gaps")}),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _body(document: Json) -> Markup:
    return joined(
        [
            sections.head(document),
            sections.findings(document),
            sections.cards(document),
            *_equity(document),
            _candles(document),
            sections.quality(document),
            *strategy_sections(document),
            sections.pipeline(document),
            sections.configuration(document),
        ]
    )


def _equity(document: Json) -> list[Markup]:
    found = document["equity"]
    if found is None:
        return []
    charts = (element("div", id="equity-chart"), element("div", id="drawdown-chart"))
    if found["kept"] == found["steps"]:
        return [section("equity", "Equity and drawdown", *charts)]
    note = f"{found['kept']:,} of {found['steps']:,} steps are drawn, highs and lows among them; "
    note += "all of them are in tables/trading/."
    return [section("equity", "Equity and drawdown", *charts, note=note)]


def _candles(document: Json) -> Markup:
    if document["candles"] is None:
        return section("candles", "Bars", element("p", "There are no bars to show."))
    bare = (element("div", id=f"candle-{name}") for name in ("controls", "legend", "chart"))
    return section("candles", "Bars", *bare, note=" ".join(_left_out(document)))


def _left_out(document: Json) -> list[str]:
    """Say what there was no room for."""
    found = document["candles"]["left_out"]
    texts = [_left_out_text(entry) for entry in found]
    marks = sum(entry["left_out"] for entry in document["marks"])
    if marks:
        texts.append(f"{marks:,} signals and fills")
    return [f"No room on the page for {'; '.join(texts)}: see tables/."] if texts else []


def _left_out_text(entry: Json) -> str:
    if "indicator" in entry:
        return f"{entry['indicator']} on {entry['interval']}"
    rest = entry["symbols"]
    return f"{entry['interval']} bars" + (f" of {listed(rest, 5)}" if len(rest) < entry["of"] else "")


def _script_data(content: Json) -> str:
    """Write JSON that no HTML can be in."""
    text = msgspec.json.encode(content).decode()
    for char, escaped in _UNSAFE.items():
        text = text.replace(char, escaped)
    return text


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
