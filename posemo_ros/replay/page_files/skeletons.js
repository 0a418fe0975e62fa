"use strict";
// 3D skeletons as plotly draws them, for the report and the live page. Joints are millimetres in the
// camera's optical frame (x right, y down, z away), flat; the plot has x right, y away, z up.
const Skeletons = {
  lines(joints, at, bones, unknown) { // of one person, whose first joint begins at `at`
    const x = [], y = [], z = [];
    for (const bone of bones) {
      for (const joint of bone) {
        const i = at + joint * 3, known = joints[i] !== unknown;
        x.push(known ? joints[i] / 1000 : null);
        y.push(known ? joints[i + 2] / 1000 : null);
        z.push(known ? -joints[i + 1] / 1000 : null);
      }
      x.push(null); y.push(null); z.push(null);
    }
    return [x, y, z];
  },

  restyled(people, slots, bones, unknown) { // people: {id, colour, joints, at}; a trace each, the rest empty
    const found = { x: [], y: [], z: [], name: [], "line.color": [], "marker.color": [] };
    for (let slot = 0; slot < slots; slot++) {
      const person = people[slot];
      const [x, y, z] = person ? Skeletons.lines(person.joints, person.at || 0, bones, unknown) : [[null], [null], [null]];
      const own = person ? person.colour : "rgba(0,0,0,0)";
      found.x.push(x); found.y.push(y); found.z.push(z);
      found.name.push(person ? person.id : "");
      found["line.color"].push(own); found["marker.color"].push(own);
    }
    return found;
  },

  trace() {
    return { type: "scatter3d", mode: "lines+markers", x: [null], y: [null], z: [null], line: { width: 6 }, marker: { size: 2.5 }, hoverinfo: "name" };
  },

  layout(ranges) {
    const axis = (range, title) => ({ range, title: { text: title }, color: "#a9b5c1", gridcolor: "#313c48", zerolinecolor: "#313c48", showbackground: false });
    const [x, y, z] = ranges, length = (r) => r[1] - r[0], longest = Math.max(length(x), length(y), length(z));
    return {
      // Dark in both themes, as the film is: the colours of people and sides are made for it.
      paper_bgcolor: "#12161c", margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, uirevision: "kept",
      font: { color: "#e8edf2" },
      scene: {
        xaxis: axis(x, "right [m]"), yaxis: axis(y, "away [m]"), zaxis: axis(z, "up [m]"), uirevision: "kept",
        aspectmode: "manual", aspectratio: { x: length(x) / longest, y: length(y) / longest, z: length(z) / longest },
        camera: { eye: { x: -0.5, y: -1.5, z: 0.5 }, center: { x: 0, y: 0, z: -0.1 } },
      },
    };
  },

  widened(ranges, people, unknown) { // ranges that hold everybody, or null when these do
    const far = 30, margin = 0.3, wide = ranges.map((r) => [...r]);
    let grown = false;
    const hold = (axis, value) => {
      if (Math.abs(value) > far) return;
      if (value < wide[axis][0]) { wide[axis][0] = value - margin; grown = true; }
      if (value > wide[axis][1]) { wide[axis][1] = value + margin; grown = true; }
    };
    for (const person of people) {
      for (let i = 0; i < person.joints.length; i += 3) {
        if (person.joints[i] === unknown) continue;
        hold(0, person.joints[i] / 1000);
        hold(1, person.joints[i + 2] / 1000);
        hold(2, -person.joints[i + 1] / 1000);
      }
    }
    return grown ? wide : null;
  },
};
