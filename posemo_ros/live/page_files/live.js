"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const shown = document.body.dataset; // what the page shows, for tests
  const AGAIN_MS = 1000, MOST = 12;
  let hello = null, drawing = false, waiting = null, lastNumber = null, skipped = 0;

  // Messages: the length of the JSON, the JSON, the JPEG --------------------------------------
  function connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => {
      if (typeof event.data === "string") welcome(JSON.parse(event.data));
      else take(socket, event.data);
    };
    socket.onclose = () => {
      if (!shown.state || !shown.state.startsWith("ended")) say("the program does not answer; trying again", "gone");
      setTimeout(connect, AGAIN_MS);
    };
  }

  function take(socket, data) {
    waiting = [socket, data];
    if (!drawing) next();
  }

  async function next() {
    drawing = true;
    while (waiting) {
      const [socket, data] = waiting;
      waiting = null;
      try {
        await draw(data);
      } finally {
        if (socket.readyState === WebSocket.OPEN) socket.send("drawn");
      }
      await new Promise((done) => (document.hidden ? setTimeout(done, 200) : requestAnimationFrame(done)));
    }
    drawing = false;
  }

  async function draw(data) {
    const length = new DataView(data).getUint32(0, true);
    const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const jpeg = new Uint8Array(data, 4 + length);
    status(facts);
    if (!jpeg.length) return;
    const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    const canvas = $("picture");
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    skeletons(facts.people);
    cards(facts.people);
    shown.image = facts.n;
    shown.people = facts.people.length;
  }

  // Status -------------------------------------------------------------------------------------
  function welcome(text) {
    hello = text;
    document.title = `${hello.title} – posemo live`;
    $("title").textContent = hello.title;
    const rows = $("models").querySelector("tbody");
    rows.replaceChildren(...hello.models.map((m) => row([m.station, m.name, m.runtime])));
    $("models").hidden = !hello.models.length;
    $("models").querySelectorAll(".warning").forEach((w) => w.remove());
    for (const m of hello.models.filter((m) => m.warning)) $("models").append(element("p", `${m.name}: ${m.warning}`, "warning"));
    lastNumber = null;
    skipped = 0;
    shown.ready = "yes";
  }

  function status(facts) {
    const words = { running: "running", waiting: "waiting for images" }[facts.state] || facts.state;
    const privacy = { blur: ", faces are blurred", skeleton: ", no pixels are shown" }[hello.privacy] || "";
    say(words + privacy, facts.state);
    if (lastNumber !== null && facts.n > lastNumber + 1) skipped += facts.n - lastNumber - 1;
    lastNumber = facts.n;
    write("rate", facts.rate_hz === null ? "–" : facts.rate_hz.toFixed(1));
    write("latency", facts.latency_ms === null ? "–" : `${facts.latency_ms} ms`);
    write("dropped", facts.dropped);
    write("skipped", skipped);
    const old = [...$("warnings").children].map((item) => item.textContent);
    if (old.join("\n") !== facts.warnings.join("\n")) $("warnings").replaceChildren(...facts.warnings.map((w) => element("li", w)));
  }

  function say(words, state) {
    shown.state = state;
    $("state").dataset.state = state.split(":")[0];
    write("state", words);
  }

  // 3D -----------------------------------------------------------------------------------------
  const quiet = { displayModeBar: false, responsive: true, scrollZoom: false };
  let ranges = [[-1, 1], [1, 5], [-1, 1]];
  Plotly.newPlot("skeleton", Array.from({ length: MOST }, Skeletons.trace), Skeletons.layout(ranges), quiet);
  const all = Array.from({ length: MOST }, (_, i) => i);

  function skeletons(people) {
    const found = people.filter((p) => p.joints).slice(0, MOST);
    Plotly.restyle("skeleton", Skeletons.restyled(found, MOST, hello.bones, hello.unknown), all);
    const wider = Skeletons.widened(ranges, found, hello.unknown);
    if (wider) {
      ranges = wider;
      Plotly.relayout("skeleton", Skeletons.layout(ranges));
    }
    shown.skeletons = found.length;
  }

  // People -------------------------------------------------------------------------------------
  function cards(people) {
    const list = $("people"), there = new Map([...list.children].map((item) => [item.dataset.id, item]));
    const items = people.map((person) => {
      const item = there.get(person.id) || card(person);
      fill(item, person);
      return item;
    });
    if (!items.length) items.push(element("li", "Nobody in view."));
    if (items.length !== list.children.length || items.some((item, i) => item !== list.children[i])) list.replaceChildren(...items);
  }

  function card(person) {
    const item = element("li", "");
    item.dataset.id = person.id;
    item.style.borderLeftColor = person.colour;
    const title = element("h3", person.id), bars = element("div", "", "bars");
    title.append(element("span", ""));
    bars.append(...hello.emotions.map((emotion) => {
      const bar = element("div", "", "bar"), full = element("b", ""), track = element("i", "");
      full.style.background = emotion.colour;
      track.append(full);
      bar.append(element("span", emotion.name), track, element("output", ""));
      return bar;
    }));
    item.append(title, element("p", ""), bars);
    return item;
  }

  function fill(item, person) {
    const [title, words, bars] = item.children, answered = Boolean(person.p);
    title.lastChild.textContent = person.quality == null ? "" : `skeleton ${Math.round(100 * person.quality)} %`;
    words.textContent = answered ? person.reasons.join(", ") : person.why ? `no emotion: ${person.why}` : "";
    bars.hidden = !answered;
    if (!answered) return;
    const best = person.p.indexOf(Math.max(...person.p));
    [...bars.children].forEach((bar, i) => {
      const [, track, number] = bar.children;
      track.firstChild.style.width = `${100 * person.p[i]}%`;
      number.textContent = `${Math.round(100 * person.p[i])} %`;
      bar.classList.toggle("best", i === best);
    });
  }

  // Elements -----------------------------------------------------------------------------------
  function element(kind, text, name) {
    const made = document.createElement(kind);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  }
  function row(cells) {
    const made = element("tr", "");
    made.append(...cells.map((cell) => element("td", cell)));
    return made;
  }
  function write(id, text) {
    if ($(id).textContent !== String(text)) $(id).textContent = text;
  }

  connect();
})();
