"use strict";
(() => {
  const root = document.documentElement;
  root.dataset.errors = "0";
  const report = (event) => {
    root.dataset.errors = String(Number(root.dataset.errors) + 1);
    root.dataset.error = String(event.message || event.violatedDirective || event.reason);
  };
  for (const name of ["error", "unhandledrejection", "securitypolicyviolation"]) window.addEventListener(name, report);

  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const make = (name, parent, text) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };
  const PRINT_WIDTH = 680;
  let printing = false;

  // Unpacking

  const series = (packed) => {
    const unit = 10 ** packed.decimals;
    let level = 0;
    return packed.steps.map((step) => (step === null ? null : (level += step) / unit));
  };
  const times = (packed) => {
    const found = packed.length ? [packed[0]] : [];
    for (let at = 1; at < packed.length; at += 2) {
      for (let n = 0; n < packed[at + 1]; n++) found.push(found[found.length - 1] + packed[at]);
    }
    return found;
  };
  const candles = (packed) => {
    const unit = 10 ** packed.decimals;
    let last = 0;
    return times(packed.time).map((time, n) => {
      const open = last + packed.open[n];
      const close = (last = open + packed.close[n]);
      const high = Math.max(open, close) + packed.high[n];
      const low = Math.min(open, close) - packed.low[n];
      return { time, open: open / unit, high: high / unit, low: low / unit, close: close / unit, volume: packed.volume[n] };
    });
  };
  const stamp = (time) => new Date(time * 1000).toISOString().slice(0, 19).replace("T", " ").replace(/:00$/, "");
  const figure = (value, digits) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const number = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 6 });

  // Colours are those of the page's style, so that both themes and paper have theirs

  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const LINES = ["accent", "warn", "up", "down", "soft"];
  const lineColour = (n) => colour(LINES[n % LINES.length]);
  const font = () => getComputedStyle(document.body).fontFamily;
  const widthOf = (place) => (printing ? PRINT_WIDTH : place.clientWidth);

  // Equity and drawdown

  let plots = [];
  const drawEquity = () => {
    for (const plot of plots) plot.destroy();
    plots = [];
    if (!data.equity) return;
    const places = times(data.equity.place);
    const clock = times(data.equity.time);
    const values = (name) => [places, ...data.equity.lines.map((line) => series(line[name]))];
    plots = [
      plot("equity-chart", 260, values("equity"), (value) => figure(value, 2), clock, false),
      plot("drawdown-chart", 150, values("drawdown"), (value) => `${figure(100 * value, 2)}%`.replace("-", "−"), clock, true),
    ];
  };
  const sessionTicks = (plot) => {
    const room = Math.max(1, Math.floor(plot.bbox.width / devicePixelRatio / 90));
    const { min, max } = plot.scales.x;
    const shown = data.equity.sessions.filter(([place]) => place >= min && place <= max);
    const every = Math.ceil(shown.length / room);
    return shown.filter((_, n) => n % every === 0);
  };
  const plot = (id, height, values, write, clock, filled) => {
    const place = byId(id);
    const axis = { stroke: colour("soft"), font: `12px ${font()}`, grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const names = data.equity.lines.map((line) => line.strategy);
    const options = {
      width: widthOf(place), height: printing ? 0.7 * height : height, cursor: { sync: { key: "equity" }, y: false, points: { size: 6 } },
      legend: { live: true, markers: { width: names.length > 1 ? 2 : 0 } },
      scales: { x: { time: false }, y: { range: filled ? (_, low) => [Math.min(low * 1.08, -1e-4), 0] : undefined } },
      axes: [
        { ...axis, size: 30, splits: (plot) => sessionTicks(plot).map(([at]) => at), values: (plot) => sessionTicks(plot).map(([, date]) => date) },
        { ...axis, size: 84, values: (_, ticks) => ticks.map(write) },
      ],
      series: [
        { label: filled ? "drawdown at" : "equity at", value: (_, at) => (at === null ? "–" : stamp(clock[places(values, at)])) },
        ...names.map((name, n) => ({
          label: name, stroke: lineColour(n), width: 1.5, points: { show: values[0].length < 2 },
          fill: filled && names.length === 1 ? `${lineColour(n)}26` : undefined, fillTo: 0,
          value: (_, value) => (value === null || value === undefined ? "–" : write(value)),
        })),
      ],
    };
    return new uPlot(options, values, place);
  };
  const places = (values, at) => {
    let low = 0, high = values[0].length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[0][middle] < at) low = middle + 1; else high = middle;
    }
    return low;
  };

  // Candles

  const chosen = { symbol: null, interval: null, strategy: 0, signals: true, fills: true, missing: true };
  let chart = null;
  let indicatorValues = [];
  const streamsOf = (symbol) => data.candles.scales.filter((scale) => symbol in scale.streams);
  const scaleOf = (symbol, interval) => streamsOf(symbol).find((scale) => scale.interval === interval);
  const bars = (scale, symbol) => scale.streams[symbol].volume.length;
  const marksNow = () => data.marks[chosen.strategy] || { strategy: "", signals: [], fills: [] };

  const firstInterval = (symbol) => {
    const scales = streamsOf(symbol);
    const told = scales.find((scale) => (scale.streams[symbol].indicators || []).some((one) => one.strategy === marksNow().strategy));
    const fine = scales.filter((scale) => bars(scale, symbol) <= 1500);
    return (told || fine[fine.length - 1] || scales[0]).interval;
  };
  const symbolsShown = () => data.candles.symbols.filter((symbol) => streamsOf(symbol).length);

  const select = (place, title, entries, value, take) => {
    const box = make("select", place);
    box.setAttribute("aria-label", title);
    entries.forEach((text, n) => { make("option", box, text).value = n; });
    box.value = value;
    box.onchange = () => take(Number(box.value));
  };
  const controls = () => {
    const place = byId("candle-controls");
    const symbols = symbolsShown();
    select(place, "symbol", symbols, symbols.indexOf(chosen.symbol), (n) => choose({ symbol: symbols[n] }));
    make("span", place).className = "choice";
    const names = data.marks.map((marks) => marks.strategy);
    if (names.length > 1) select(place, "strategy", names, 0, (n) => choose({ strategy: n }));
    const asked = { signals: data.marks.length > 0, fills: data.marks.length > 0, missing: true };
    for (const name of Object.keys(asked).filter((one) => asked[one])) {
      const label = make("label", place);
      const box = make("input", label);
      box.type = "checkbox";
      box.checked = true;
      box.onchange = () => choose({ [name]: box.checked });
      make("span", label, name === "missing" ? "gaps and partial bars" : name);
    }
  };
  const intervalButtons = () => {
    const place = byId("candle-controls").querySelector(".choice");
    place.replaceChildren();
    for (const scale of [...streamsOf(chosen.symbol)].reverse()) {
      const button = make("button", place, scale.interval);
      button.type = "button";
      button.setAttribute("aria-pressed", String(scale.interval === chosen.interval));
      button.onclick = () => choose({ interval: scale.interval });
    }
  };
  const choose = (change) => {
    Object.assign(chosen, change);
    if (!scaleOf(chosen.symbol, chosen.interval)) chosen.interval = firstInterval(chosen.symbol);
    intervalButtons();
    drawCandles();
  };

  const lastBefore = (found, time) => {
    let low = 0, high = found.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (found[middle].time < time) low = middle + 1; else high = middle;
    }
    return low - 1;
  };
  const gapsShown = () => data.gaps.marked.filter((gap) => gap[0] === chosen.symbol);
  const withPlaces = (found, scale) => {
    const known = new Set(found.map((bar) => bar.time));
    const added = [];
    for (const [, interval, begin, end, count] of gapsShown()) {
      if (interval !== scale.interval) continue;
      for (let n = 0; n < count; n++) {
        const time = Math.round(begin + (n * (end - begin)) / count);
        if (!known.has(time)) added.push({ time, missing: true });
        known.add(time);
      }
    }
    return added.length ? [...found, ...added].sort((one, other) => one.time - other.time) : found;
  };
  const bandsOf = (found, stream) => {
    const partial = new Set(stream.marks.filter(([, flags]) => flags & 1).map(([at]) => at));
    const faulty = new Set(found.bars.filter((_, n) => partial.has(n)).map((bar) => bar.time));
    return found.all.filter((bar) => bar.missing || faulty.has(bar.time))
      .map((bar) => ({ time: bar.time, value: 1, color: colour(bar.missing ? "band" : "thin-band") }));
  };
  const eventsOf = (found) => {
    const events = [];
    const add = (rows, kind) => {
      for (const row of rows) {
        const at = row[1] === chosen.symbol ? lastBefore(found, row[0]) : -1;
        if (at >= 0) events.push({ kind, row, time: found[at].time });
      }
    };
    add(marksNow().signals, "signal");
    add(marksNow().fills, "fill");
    return events;
  };
  const markOf = ({ kind, row, time }) => {
    if (kind === "fill") {
      const bought = row[2] > 0;
      return { time, position: bought ? "belowBar" : "aboveBar", shape: bought ? "arrowUp" : "arrowDown", color: colour("ink") };
    }
    const refused = row[4] !== "" && row[4] !== "APPROVED";
    return { time, position: row[2] === "BUY" ? "belowBar" : "aboveBar", shape: "circle", size: 0.6, color: colour(refused ? "warn" : "accent") };
  };
  const eventText = ({ kind, row }) => {
    if (kind === "fill") return `${stamp(row[0])} fill ${row[2] > 0 ? "+" : "−"}${number(Math.abs(row[2]))} at ${number(row[3])}`;
    const [time, , action, quantity, code, detail, reason] = row;
    const fate = code === "" || code === "APPROVED" ? "" : `, refused ${code}${detail ? ` (${detail})` : ""}`;
    return `${stamp(time)} ${action}${action === "CLOSE" ? "" : ` ${number(quantity)}`}${fate}${reason ? `: ${reason}` : ""}`;
  };

  const tick = (time, kind) => {
    const [date, clock] = new Date(time * 1000).toISOString().split("T");
    return kind === 0 ? date.slice(0, 4) : kind === 1 ? date.slice(0, 7) : kind === 2 ? date.slice(5) : clock.slice(0, 5);
  };
  const chartOptions = (place, height, scale) => ({
    width: widthOf(place), height,
    layout: {
      background: { type: "solid", color: "transparent" }, textColor: colour("soft"), fontFamily: font(), fontSize: 12,
      attributionLogo: false, panes: { separatorColor: colour("line"), enableResize: false },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: colour("line") } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderColor: colour("line"), timeVisible: scale.length_s < 86400 && scale.interval !== "session", minBarSpacing: 0.02, maxBarSpacing: 40, tickMarkFormatter: tick },
    localization: { locale: "en-US", timeFormatter: stamp },
    crosshair: { mode: 0 },
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    handleScale: { mouseWheel: false },
  });

  const digitsOf = (one) => Math.min(one.decimals, Math.max(one.decimals - 2, 2));
  const drawIndicators = (stream, found) => {
    const shown = (stream.indicators || []).filter((one) => one.strategy === marksNow().strategy);
    const panes = [...new Set(shown.map((one) => one.pane).filter((pane) => pane))];
    indicatorValues = shown.map((one, n) => {
      const values = series(one);
      const options = {
        color: lineColour(n), lineWidth: 1.5, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false,
        priceFormat: { type: "price", precision: digitsOf(one), minMove: 10 ** -digitsOf(one) },
      };
      const line = chart.addSeries(LightweightCharts.LineSeries, options, one.pane ? 1 + panes.indexOf(one.pane) : 0);
      line.setData(found.map((bar, at) => (values[at] === null ? { time: bar.time } : { time: bar.time, value: values[at] })));
      return { name: one.name, decimals: digitsOf(one), at: new Map(found.map((bar, at) => [bar.time, values[at]])) };
    });
    return panes.length;
  };
  const drawCandles = () => {
    if (!data.candles) return;
    if (chart) chart.remove();
    const place = byId("candle-chart");
    const scale = scaleOf(chosen.symbol, chosen.interval);
    const stream = scale.streams[chosen.symbol];
    const found = { bars: candles(stream) };
    found.all = chosen.missing ? withPlaces(found.bars, scale) : found.bars;
    chart = LightweightCharts.createChart(place, chartOptions(place, 440, scale));
    if (chosen.missing) {
      const bands = chart.addSeries(LightweightCharts.HistogramSeries, { priceScaleId: "bands", lastValueVisible: false, priceLineVisible: false, base: 0 });
      bands.priceScale().applyOptions({ scaleMargins: { top: 0, bottom: 0 } });
      bands.setData(bandsOf(found, stream));
    }
    const volume = chart.addSeries(LightweightCharts.HistogramSeries, { priceScaleId: "volume", color: colour("volume"), lastValueVisible: false, priceLineVisible: false });
    volume.priceScale().applyOptions({ scaleMargins: { top: 0.86, bottom: 0 } });
    volume.setData(found.bars.map((bar) => ({ time: bar.time, value: bar.volume })));
    const precision = stream.decimals;
    const main = chart.addSeries(LightweightCharts.CandlestickSeries, {
      upColor: colour("up"), borderUpColor: colour("up"), wickUpColor: colour("up"),
      downColor: colour("down"), borderDownColor: colour("down"), wickDownColor: colour("down"),
      priceLineVisible: false, lastValueVisible: false, priceFormat: { type: "price", precision, minMove: 10 ** -precision },
    });
    main.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.18 } });
    main.setData(found.all.map((bar) => (bar.missing ? { time: bar.time } : bar)));
    const panes = drawIndicators(stream, found.bars);
    chart.applyOptions({ height: 440 + 120 * panes });
    chart.panes().forEach((pane, n) => pane.setStretchFactor(n ? 120 : 440));
    const events = eventsOf(found.bars).filter(({ kind }) => chosen[kind === "fill" ? "fills" : "signals"]);
    events.sort((one, other) => one.time - other.time);
    LightweightCharts.createSeriesMarkers(main, events.map(markOf));
    chart.timeScale().fitContent();
    const told = tell(found, stream, events);
    told(null);
    chart.subscribeCrosshairMove((move) => told(move.time === undefined ? null : move.time));
  };
  const tell = (found, stream, events) => {
    const place = byId("candle-legend");
    const barAt = new Map(found.all.map((bar) => [bar.time, bar]));
    const partial = new Map(stream.marks.map(([at, flags, base, expected]) => [found.bars[at].time, { flags, base, expected }]));
    const happened = new Map();
    for (const event of events) happened.set(event.time, [...(happened.get(event.time) || []), eventText(event)]);
    return (time) => {
      place.replaceChildren();
      const bar = barAt.get(time);
      const line = make("div", place);
      if (!bar) {
        line.textContent = legendWords();
        return;
      }
      make("b", line, stamp(time));
      line.append(bar.missing ? "  missing" : prices(bar, stream.decimals) + flagWords(partial.get(time)) + indicatorWords(time));
      for (const text of happened.get(time) || []) make("div", place, text);
    };
  };
  const legendWords = () => {
    const marks = data.marks.length ? "Dots are signals, those refused in amber; arrows are fills. " : "";
    return `${marks}${chosen.missing ? "Amber stripes are missing bars, pale ones partial bars. " : ""}Drag to move, pinch or drag the axes to scale; point at a bar for its figures.`;
  };
  const prices = (bar, digits) => {
    const of = ["open", "high", "low", "close"].map((name) => `${name} ${figure(bar[name], digits)}`);
    return `   ${of.join("   ")}   volume ${number(bar.volume)}`;
  };
  const FLAGS = [[1, "partial"], [2, "clipped"], [4, "with a gap"], [8, "rebuilt"]];
  const flagWords = (mark) => {
    if (!mark) return "";
    const names = FLAGS.filter(([bit]) => mark.flags & bit).map(([, name]) => name).join(", ");
    return `   ${names}, ${mark.base} of ${mark.expected} bars`;
  };
  const indicatorWords = (time) => indicatorValues
    .map((one) => [one, one.at.get(time)])
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([one, value]) => `   ${one.name} ${figure(value, one.decimals)}`).join("");

  // Tables

  const cellValue = (row, column) => {
    const text = row.cells[column].textContent.trim();
    const value = Number(text.replace(/[,%+]/g, "").replace("−", "-"));
    return text !== "" && !Number.isNaN(value) ? value : text;
  };
  const compare = (one, other) => {
    if (typeof one === typeof other) return one < other ? -1 : one > other ? 1 : 0;
    return typeof one === "number" ? -1 : 1;
  };
  const sortBy = (table, column) => {
    const head = table.tHead.rows[0].cells;
    const down = head[column].getAttribute("aria-sort") === "ascending";
    for (const cell of head) cell.removeAttribute("aria-sort");
    head[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((one, other) => (down ? -1 : 1) * compare(cellValue(one, column), cellValue(other, column)));
    table.tBodies[0].append(...rows);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      cell.tabIndex = 0;
      cell.onclick = () => sortBy(table, column);
      cell.onkeydown = (event) => { if (event.key === "Enter") sortBy(table, column); };
    });
  }

  // Drawing, and drawing again when the theme, the width or the medium is another

  const draw = () => {
    drawEquity();
    drawCandles();
  };
  if (data.candles) {
    chosen.symbol = data.candles.first;
    controls();
    chosen.interval = firstInterval(chosen.symbol);
    intervalButtons();
  }
  draw();
  const print = (begins) => {
    printing = begins;
    if (begins) root.dataset.theme = "light"; else delete root.dataset.theme;
    draw();
    byId("candle-print")?.remove();
    if (begins && chart) {
      const picture = chart.takeScreenshot();
      picture.id = "candle-print";
      byId("candle-chart").after(picture);
    }
  };
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = document.body.clientWidth;
  window.addEventListener("resize", () => {
    if (printing || document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    draw();
  });
  setTimeout(() => {
    root.dataset.charts = String(["equity", "drawdown", "candle"].filter((name) => document.querySelector(`#${name}-chart canvas`)).length);
    root.dataset.drawn = "yes";
  }, 100);
})();
