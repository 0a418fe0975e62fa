"use strict";
(() => {
  const D = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const film = $("film"), seek = $("seek"), last = D.times.length - 1;
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const quiet = { displayModeBar: false, responsive: true, scrollZoom: false };

  // Everything follows one number: the image that is shown.
  const state = { image: -1 };
  const listeners = [];

  function imageAt(time) {
    let low = 0, high = last;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (D.times[middle] <= time + 1e-4) low = middle; else high = middle - 1; // browsers round a film's times
    }
    return low;
  }

  function show(image) {
    image = Math.max(0, Math.min(last, image));
    if (image === state.image) return;
    state.image = image;
    document.body.dataset.image = image;
    for (const listener of listeners) listener(image);
  }

  function go(image) {
    image = Math.max(0, Math.min(last, image));
    if (D.film) {
      const end = image < last ? D.times[image + 1] : D.times[image] + 0.02;
      film.currentTime = (D.times[image] + end) / 2; // the middle: rounding cannot reach a neighbour
    }
    show(image);
  }

  // Film ---------------------------------------------------------------------------------------
  if (D.film) {
    film.src = URL.createObjectURL(new Blob([bytes(D.film)], { type: "video/mp4" }));
    const follow = () => { if (!film.seeking) show(imageAt(film.currentTime)); };
    if ("requestVideoFrameCallback" in film) {
      const onFrame = (_, facts) => {
        if (!film.seeking) show(imageAt(facts.mediaTime));
        film.requestVideoFrameCallback(onFrame);
      };
      film.requestVideoFrameCallback(onFrame);
    }
    film.addEventListener("timeupdate", follow);
    const buttons = () => {
      $("play").textContent = film.paused ? "Play" : "Stop";
      $("play").setAttribute("aria-pressed", String(!film.paused));
    };
    film.addEventListener("play", buttons);
    film.addEventListener("pause", buttons);
  } else {
    film.hidden = true;
    $("play").disabled = true;
  }
  const toggle = () => (film.paused ? film.play().catch(() => {}) : film.pause());
  const step = (by) => { film.pause(); go(state.image + by); };
  $("play").addEventListener("click", toggle);
  $("back").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  seek.max = last;
  seek.addEventListener("input", () => { film.pause(); go(Number(seek.value)); });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const kind = event.target.tagName;
    if (kind === "SELECT" || kind === "VIDEO" || kind === "SUMMARY") return;
    if (event.key === " " && kind !== "BUTTON") toggle();
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else if (event.key === "Home") step(-last - 1);
    else if (event.key === "End") step(last + 1);
    else return;
    event.preventDefault();
  });
  listeners.push((image) => {
    seek.value = image;
    const text = `image ${image + 1} of ${last + 1}, ${D.seconds[image].toFixed(2)} s`;
    $("now").textContent = text;
    seek.setAttribute("aria-valuetext", text);
  });

  // Skeletons ----------------------------------------------------------------------------------
  const S = D.skeletons, joints = new Int16Array(bytes(S.millimetres).buffer), first = [0];
  for (const n of S.people) first.push(first[first.length - 1] + n);
  const UNKNOWN = -32768, slots = Math.max(1, ...S.people);

  function poses(image) {
    const k = S.of_image[image], found = [];
    for (let slot = 0; k >= 0 && slot < S.people[k]; slot++) {
      const row = first[k] + slot;
      found.push({ ...D.people[S.who[row]], joints, at: row * S.joints * 3 });
    }
    return Skeletons.restyled(found, slots, S.bones, UNKNOWN);
  }

  Plotly.newPlot("skeleton", Array.from({ length: slots }, Skeletons.trace), Skeletons.layout(S.ranges), quiet);
  const all = Array.from({ length: slots }, (_, i) => i);
  listeners.push((image) => {
    Plotly.restyle("skeleton", poses(image), all);
    document.body.dataset.skeletonImage = image;
  });

  // Timeline -----------------------------------------------------------------------------------
  const T = D.timeline, names = D.people.slice(0, T.rows).map((p) => p.id);
  const steps = T.states.flatMap((s, i) => [[i / T.states.length, s.colour], [(i + 1) / T.states.length, s.colour]]);
  const words = T.emotion.map((row) => row.map((s) => (s === null ? "" : T.states[s].name)));
  function timelineLayout() {
    const rows = { type: "category", autorange: "reversed", color: colour("--text"), gridcolor: colour("--line"), fixedrange: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: colour("--card"), font: { color: colour("--text"), size: 12 },
      height: 130 + 44 * Math.max(1, T.rows), margin: { l: 50, r: 10, t: 24, b: 40 },
      xaxis: { title: { text: "time [s]" }, color: colour("--text"), gridcolor: colour("--line"), range: [0, T.end], fixedrange: true, anchor: "y2" },
      yaxis: { ...rows, domain: [0.56, 1] }, yaxis2: { ...rows, domain: [0, 0.44] },
      annotations: [["Skeleton quality (mean score of the joints)", 1], ["Emotion, or why there is none", 0.44]].map(([text, y]) => ({ text, x: 0, y, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false })),
      shapes: [cursor(state.image)],
    };
  }
  function cursor(image) {
    const at = D.seconds[Math.max(0, image)];
    document.body.dataset.cursor = at;
    return { type: "line", xref: "x", yref: "paper", x0: at, x1: at, y0: 0, y1: 1, line: { color: colour("--accent"), width: 2 } };
  }
  if (T.rows) {
    Plotly.newPlot("timeline", [
      { type: "heatmap", x: T.at, y: names, z: T.quality, zmin: 0, zmax: 1, colorscale: "Cividis", showscale: false, ygap: 3, hovertemplate: "%{y} at %{x:.1f} s: %{z:.2f}<extra></extra>" },
      { type: "heatmap", x: T.at, y: names, z: T.emotion, zmin: -0.5, zmax: T.states.length - 0.5, colorscale: steps, showscale: false, ygap: 3, yaxis: "y2", text: words, hovertemplate: "%{y} at %{x:.1f} s: %{text}<extra></extra>" },
    ], timelineLayout(), quiet);
    const timeline = $("timeline");
    timeline.addEventListener("click", (event) => {
      const axis = timeline._fullLayout.xaxis, left = timeline.getBoundingClientRect().left + axis._offset;
      const seconds = axis.p2d(event.clientX - left);
      let best = 0;
      D.seconds.forEach((s, i) => { if (Math.abs(s - seconds) < Math.abs(D.seconds[best] - seconds)) best = i; });
      film.pause();
      go(best);
    });
    let waiting = false;
    listeners.push(() => { // at most once per picture of the screen
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; Plotly.relayout("timeline", { shapes: [cursor(state.image)] }); });
    });
    $("legend").innerHTML = "";
    for (const s of T.states) {
      const item = document.createElement("li"), patch = document.createElement("span");
      patch.style.background = s.colour;
      item.append(patch, s.name);
      $("legend").append(item);
    }
  }

  // Curves -------------------------------------------------------------------------------------
  const flat = (more) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: colour("--card"), font: { color: colour("--text"), size: 12 },
    margin: { l: 50, r: 10, t: 10, b: 40 }, height: 260, legend: { orientation: "h", y: 1.15 },
    ...more,
    xaxis: { color: colour("--text"), gridcolor: colour("--line"), fixedrange: true, ...more.xaxis },
    yaxis: { color: colour("--text"), gridcolor: colour("--line"), fixedrange: true, ...more.yaxis },
  });
  const plots = [];
  function plot(id, traces, more) {
    if (!$(id)) return;
    const draw = () => Plotly.react(id, traces(), flat(more), quiet);
    draw();
    plots.push(draw);
  }
  const chooser = $("person");
  if (chooser) {
    const curves = () => {
      const c = D.curves[chooser.value];
      return D.emotions.map((e, k) => ({ type: "scatter", mode: "lines", name: e.name, x: c.t, y: c.p[k], line: { color: e.colour, width: 2 }, connectgaps: false }));
    };
    const more = { xaxis: { title: { text: "time [s]" }, range: [0, T.end] }, yaxis: { range: [0, 1], title: { text: "probability" } } };
    plot("curves", curves, more);
    chooser.addEventListener("change", () => Plotly.react("curves", curves(), flat(more), quiet));
  }
  plot("latency", () => [{ type: "histogram", x: D.latency, nbinsx: 40, marker: { color: colour("--accent") } }], { xaxis: { title: { text: "milliseconds" } }, yaxis: { title: { text: "images" } } });
  plot("stations", () => [{ type: "bar", orientation: "h", y: Object.keys(D.stations), x: Object.values(D.stations), marker: { color: colour("--accent") } }], { xaxis: { title: { text: "milliseconds" } }, yaxis: { autorange: "reversed" }, margin: { l: 90, r: 10, t: 10, b: 40 } });
  dark.addEventListener("change", () => {
    if (T.rows) Plotly.relayout("timeline", timelineLayout());
    for (const draw of plots) draw();
  });

  for (const button of document.querySelectorAll("[data-go]")) {
    button.addEventListener("click", () => { film.pause(); go(Number(button.dataset.go)); $("player").scrollIntoView(); });
  }
  const wanted = /[#&]t=([0-9.]+)/.exec(location.hash);
  go(wanted ? imageAt(Number(wanted[1])) : D.start);
  document.body.dataset.ready = "yes";
})();
