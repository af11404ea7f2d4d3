"use strict";
// What failed is noted on the root element, beside what was drawn, so that a test or a reader of the console can tell.
const root = document.documentElement;
window.addEventListener("error", event => { root.dataset.error = event.message; });
window.addEventListener("unhandledrejection", event => { root.dataset.error = String(event.reason); });
const read = node => JSON.parse(node.querySelector(':scope > script[type="application/json"]').textContent);

// ---- charts: the points of one instant, or of one member, are shown in all charts of a group --------------------------------------

const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], displayModeBar: false };
const groups = new Map();
let linking = false;

function link(plot, group) {
  if (!groups.has(group)) groups.set(group, []);
  groups.get(group).push(plot);
  plot.on("plotly_hover", event => {
    if (linking || !event.points.length) return;
    const point = event.points[0];
    const key = point.customdata ?? point.pointNumber;
    linking = true;
    for (const other of groups.get(group)) if (other !== plot) show(other, key);
    light(point.customdata);
    linking = false;
  });
  plot.on("plotly_unhover", () => {
    if (linking) return;
    linking = true;
    for (const other of groups.get(group)) if (other !== plot) Plotly.Fx.unhover(other);
    light();
    linking = false;
  });
}

function show(plot, key) {
  const box = plot.getBoundingClientRect();
  if (box.bottom < 0 || box.top > window.innerHeight) return;
  const points = [];
  plot.data.forEach((trace, curveNumber) => {
    const pointNumber = trace.customdata ? trace.customdata.indexOf(key) : typeof key === "number" && key < trace.x.length ? key : -1;
    if (pointNumber >= 0 && trace.y[pointNumber] !== null && trace.visible !== "legendonly") points.push({ curveNumber, pointNumber });
  });
  if (points.length) Plotly.Fx.hover(plot, points);
}

function light(key) {
  for (const row of document.querySelectorAll("tr.lit")) row.classList.remove("lit");
  if (key === undefined) return;
  for (const row of document.querySelectorAll("tr[data-key]")) if (row.dataset.key === String(key)) row.classList.add("lit");
}

async function drawCharts() {
  let drawn = 0;
  for (const plot of document.querySelectorAll(".plot[data-group]")) {
    const { data, layout } = read(plot);
    await Plotly.newPlot(plot, data, layout, CONFIG);
    link(plot, plot.dataset.group);
    root.dataset.charts = String(++drawn);
  }
}

// ---- trade-off ---------------------------------------------------------------------------------------------------------------------

// Members of some that no other one beats in both; `better` is 1 where less is better, -1 where more is.
function front(some, x, y, betterX, betterY) {
  const order = some.filter(n => x[n] !== null && y[n] !== null);
  order.sort((a, b) => betterX * (x[a] - x[b]) || betterY * (y[a] - y[b]));
  const found = [];
  let best = Infinity;
  for (const n of order) if (betterY * y[n] < best) { best = betterY * y[n]; found.push(n); }
  return found;
}

function setUpExplorer(figure) {
  const { columns, keys, sound, meaning } = read(figure);
  const plot = figure.querySelector(".plot");
  const choice = name => figure.querySelector(`select.${name}`).value;
  const axis = (title, values) => {
    const known = values.filter(v => v !== null);
    const log = Math.min(...known) > 0 && Math.max(...known) > 30 * Math.min(...known);
    return { title: { text: title }, type: log ? "log" : "linear", gridcolor: "#e7e9ec", linecolor: "#9aa0a8", automargin: true, exponentformat: "power" };
  };
  const draw = async () => {
    const [nameX, nameY] = [choice("x"), choice("y")];
    const [x, y] = [columns[nameX], columns[nameY]];
    const all = keys.map((_, n) => n);
    const [good, rest] = [all.filter(n => sound[n]), all.filter(n => !sound[n])];
    const best = front(figure.querySelector(".sound").checked ? good : all, x, y, Number(choice("x-better")), Number(choice("y-better")));
    const pick = (values, chosen) => chosen.map(n => values[n]);
    const hovertemplate = "member %{customdata}<br>%{x:.4g}<br>%{y:.4g}<extra></extra>";
    const data = [
      ...[[meaning, good, "circle"], ["others", rest, "circle-open"]].map(([name, some, symbol]) => ({ type: "scatter", mode: "markers", name, x: pick(x, some), y: pick(y, some),
        customdata: pick(keys, some), hovertemplate, marker: { size: 9, color: "#6f9dbf", symbol, line: { width: symbol === "circle" ? 0.8 : 1.6, color: symbol === "circle" ? "white" : "#6f9dbf" } } })).filter(trace => trace.x.length),
      { type: "scatter", mode: "lines+markers", name: "not beaten", x: pick(x, best), y: pick(y, best), customdata: pick(keys, best), hovertemplate,
        line: { color: "#d55e00", width: 1.6 }, marker: { size: 10, color: "#d55e00" } },
    ];
    const layout = { height: 420, margin: { l: 64, r: 14, t: 10, b: 50 }, hovermode: "closest", plot_bgcolor: "white", paper_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: "#2b2f36" }, legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      xaxis: axis(nameX, x), yaxis: axis(nameY, y) };
    await Plotly.react(plot, data, layout, CONFIG);
    figure.querySelector(".front").textContent = `Not beaten: member${best.length === 1 ? "" : "s"} ${pick(keys, best).join(", ")}.`;
    figure.dataset.front = pick(keys, best).join(" ");
  };
  for (const control of figure.querySelectorAll("select, input")) control.addEventListener("change", draw);
  return draw().then(() => link(plot, "study"));
}

// ---- failure-mode map: how members ended, over two axes to choose; the others stand at a value to choose ------------------------------

const FEW = 24; // different values up to which an axis is one of steps

function setUpOutcomes(figure) {
  const { axes, outcomes, colors, when, told: words, keys } = read(figure);
  const plot = figure.querySelector(".plot");
  const ending = "how it ended";
  const names = Object.keys(axes);
  const different = name => [...new Set(name === ending ? outcomes : axes[name])];
  const values = name => name === ending ? outcomes : axes[name];
  const stepped = name => different(name).length <= FEW;
  const told = value => (typeof value === "number" ? String(+value.toPrecision(4)) : value).replace(/^-/, "−");
  const sorted = name => { const d = different(name); return d.every(v => typeof v === "number") ? d.sort((a, b) => a - b) : d; };
  const [selectX, selectY] = ["x", "y"].map(which => figure.querySelector(`select.${which}`));
  const option = (text, value = text) => new Option(text, value);
  selectX.append(...names.map(name => option(name)));
  selectY.append(...names.map(name => option(name)), option(ending));
  const widest = [...names].sort((a, b) => different(b).length - different(a).length);
  selectX.value = widest[0];
  selectY.value = widest[1] ?? ending;
  const filters = figure.querySelector(".filters");

  function offerFilters() {
    filters.replaceChildren(...names.filter(name => ![selectX.value, selectY.value].includes(name) && stepped(name)).map(name => {
      const label = document.createElement("label");
      const select = document.createElement("select");
      select.dataset.name = name;
      select.append(...sorted(name).map(value => option(told(value), String(different(name).indexOf(value)))));
      select.addEventListener("change", draw);
      label.append(`${name} `, select);
      return label;
    }));
  }

  async function draw() {
    const [nameX, nameY] = [selectX.value, selectY.value];
    const chosen = keys.map((_, n) => n).filter(n =>
      [...filters.querySelectorAll("select")].every(s => different(s.dataset.name)[Number(s.value)] === values(s.dataset.name)[n]));
    const axis = name => {
      const look = { title: { text: name === ending ? "" : name }, gridcolor: "#e7e9ec", linecolor: "#9aa0a8", automargin: true, exponentformat: "power" };
      if (stepped(name)) return { ...look, type: "category", categoryorder: "array", categoryarray: sorted(name).map(told), showgrid: false, range: [-0.5, different(name).length - 0.5] };
      const known = values(name).filter(v => v !== null);
      return { ...look, type: Math.min(...known) > 0 && Math.max(...known) > 30 * Math.min(...known) ? "log" : "linear" };
    };
    const place = (name, n) => stepped(name) ? told(values(name)[n]) : values(name)[n];
    const tiled = stepped(nameX) && stepped(nameY);
    const roomy = tiled && (plot.clientWidth - 110) / different(nameX).length > 64 && 300 / different(nameY).length > 20;
    const [atX, atY] = [nameX, nameY].map(name => tiled ? new Map(sorted(name).map((value, n) => [value, n])) : null);
    const shapes = !tiled ? [] : chosen.map(n => [atX.get(values(nameX)[n]), atY.get(values(nameY)[n]), colors[outcomes[n]]]).map(([x, y, color]) =>
      ({ type: "rect", layer: "below", x0: x - 0.48, x1: x + 0.48, y0: y - 0.46, y1: y + 0.46, fillcolor: color, line: { width: 0 } }));
    const data = Object.entries(colors).map(([outcome, color]) => {
      const found = chosen.filter(n => outcomes[n] === outcome);
      return { type: "scatter", mode: roomy ? "markers+text" : "markers", name: outcome, x: found.map(n => place(nameX, n)), y: found.map(n => place(nameY, n)),
        customdata: found.map(n => keys[n]), hovertext: found.map(n => words[n]), text: found.map(n => when[n]), textfont: { size: 11, color: "white" },
        marker: { size: 13, color, symbol: "square", line: { width: tiled ? 0 : 1, color: "white" } },
        hovertemplate: `member %{customdata}: ${outcome.replaceAll("<", "&lt;")} %{hovertext}<extra></extra>` };
    }).filter(trace => trace.x.length);
    const layout = { height: 420, margin: { l: 64, r: 14, t: 10, b: 50 }, hovermode: "closest", plot_bgcolor: "white", paper_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: "#2b2f36" }, legend: { orientation: "h", y: 1.02, yanchor: "bottom", itemsizing: "constant" },
      showlegend: true, shapes, xaxis: axis(nameX), yaxis: axis(nameY) };
    await Plotly.react(plot, data, layout, CONFIG);
    figure.querySelector(".counts").textContent = data.map(trace => `${trace.x.length} ${trace.name}`).join(", ") + ".";
  }

  for (const select of [selectX, selectY]) select.addEventListener("change", () => { offerFilters(); draw(); });
  offerFilters();
  return draw().then(() => link(plot, "study"));
}

// ---- scenes: the viewer is in the page once; choosing a field opens it with that field's data ---------------------------------------

function setUpScenes(figure) {
  const views = read(figure);
  const viewer = JSON.parse(document.getElementById("viewer").textContent);
  const end = viewer.lastIndexOf("</body>");
  const frame = figure.querySelector("iframe");
  let start = null;
  const target = () => frame.contentWindow.global?.renderWindow;
  const renderer = () => target()?.getRenderers().find(one => one.getActors().length);
  const camera = () => renderer()?.getActiveCamera();

  function open(number) {
    const { data, bars } = views[number];
    const load = `<script>function loadDataSet() { OfflineLocalView.load(document.body, { base64Str: "${data}" }); }<` + "/script>";
    start = null;
    delete root.dataset.scene;
    frame.addEventListener("load", () => watch(number, 100), { once: true }); // until then the old scene is there
    frame.srcdoc = viewer.slice(0, end) + load + viewer.slice(end);
    figure.querySelector(".bars").replaceChildren(...bars.map(legend));
  }

  // Notes that the scene is there once it has a camera; patience in tenths of a second.
  function watch(number, patience) {
    if (camera()) {
      const narrow = Math.max(1, frame.clientHeight / frame.clientWidth); // a scene is made for a frame that is wider than high
      camera().setParallelProjection(true);
      camera().setParallelScale(narrow * views[number].scale);
      renderer().resetCameraClippingRange();
      target().render();
      camera().onModified(measure);
      measure();
      start = { position: camera().getPosition(), focus: camera().getFocalPoint(), up: camera().getViewUp(), scale: camera().getParallelScale() };
      root.dataset.scene = String(number);
    } else if (patience > 0) setTimeout(() => watch(number, patience - 1), 100);
  }

  // A length of 1, 2 or 5 times a power of ten in the plane of the screen, which parallel projection shows everywhere alike.
  const scale = figure.querySelector(".scale");
  function measure() {
    const perPixel = 2 * camera().getParallelScale() / frame.clientHeight; // um
    const power = 10 ** Math.floor(Math.log10(130 * perPixel));
    const length = power * [5, 2, 1].find(m => m * power <= 130 * perPixel);
    scale.hidden = false;
    scale.firstElementChild.style.width = `${length / perPixel}px`;
    scale.firstElementChild.textContent = length < 0.1 ? `${+(1000 * length).toPrecision(1)} nm` : `${+length.toPrecision(1)} µm`;
    scale.dataset.um = length;
  }

  const acts = {
    in: c => c.zoom(1.25), out: c => c.zoom(0.8), left: c => c.azimuth(12), right: c => c.azimuth(-12), up: c => c.elevation(-12), down: c => c.elevation(12),
    reset: c => { c.setPosition(...start.position); c.setFocalPoint(...start.focus); c.setViewUp(...start.up); c.setParallelScale(start.scale); },
  };
  for (const button of figure.querySelectorAll("[data-act]")) button.addEventListener("click", () => {
    if (!camera() || !start) return;
    acts[button.dataset.act](camera());
    camera().orthogonalizeViewUp();
    renderer().resetCameraClippingRange();
    target().render();
  });
  const select = figure.querySelector("select.field");
  select.addEventListener("change", () => open(Number(select.value)));
  open(0);
}

function legend(bar) {
  const box = document.createElement("div");
  const text = name => { const node = document.createElement("div"); node.className = name; return node; };
  const [label, ramp, ticks] = [text("label"), text("ramp"), text("ticks")];
  label.textContent = bar.label + (bar.logarithmic ? ", logarithmic" : "");
  ramp.style.background = `linear-gradient(to right, ${bar.stops.join(", ")})`;
  bar.ticks.forEach((value, n) => {
    const node = document.createElement("span");
    node.textContent = value;
    node.style.left = `${100 * n / (bar.ticks.length - 1)}%`;
    ticks.append(node);
  });
  box.append(label, ramp, ticks);
  return box;
}

// ---- pictures and contents ---------------------------------------------------------------------------------------------------------

function setUpPictures() {
  const dialog = document.querySelector("dialog.large");
  const image = dialog.querySelector("img");
  for (const button of document.querySelectorAll(".enlarge")) button.addEventListener("click", () => {
    const own = button.querySelector("img");
    image.src = own.src;
    image.alt = own.alt;
    dialog.showModal();
  });
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
}

function setUpContents() {
  const links = new Map([...document.querySelectorAll("nav a")].map(a => [a.hash.slice(1), a]));
  if (window.matchMedia("(max-width: 900px)").matches) document.querySelector("nav details").open = false;
  const seen = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) {
      for (const a of links.values()) { a.classList.remove("here"); a.removeAttribute("aria-current"); }
      links.get(target.id)?.classList.add("here");
      links.get(target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);
}

setUpPictures();
setUpContents();
document.querySelectorAll(".scenes").forEach(setUpScenes);
Promise.all([drawCharts(), ...[...document.querySelectorAll(".explorer")].map(setUpExplorer), ...[...document.querySelectorAll(".outcomes")].map(setUpOutcomes)]).then(() => { root.dataset.ready = "yes"; });
