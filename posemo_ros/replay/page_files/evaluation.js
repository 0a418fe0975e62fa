"use strict";
(() => {
  const plots = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Okabe & Ito, "Color Universal Design" (2008); yellow and black left out, for one of the two grounds swallows them.
  const colorway = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"];

  function layout(more) {
    const axis = { color: colour("--text"), gridcolor: colour("--line"), zerolinecolor: colour("--soft"), fixedrange: true, automargin: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: colour("--card"), font: { color: colour("--text"), size: 12 },
      margin: { l: 55, r: 10, t: 10, b: 45 }, height: 340, colorway, legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      ...more,
      xaxis: { ...axis, ...more.xaxis },
      yaxis: { ...axis, ...more.yaxis },
    };
  }
  function draw() {
    plots.forEach((plot, i) => Plotly.react(`plot${i}`, plot.traces, layout(plot.layout), { displayModeBar: false, responsive: true, scrollZoom: false }));
  }
  draw();
  dark.addEventListener("change", draw);
  document.body.dataset.ready = "yes";
})();
