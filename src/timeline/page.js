"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const { rows, lanes, stages } = data;
  const LANE = 28, BAR = 20, TOP = 24, LOAD = 60;
  const GOOD = new Set(["built", "reused", "running", "dropped"]);
  const units = rows.filter((row) => row.kind === "unit");

  // The time of a row in each stage; the rest is spent in mjit-cc itself.
  for (const row of rows) {
    row.total = row.lane === undefined ? 0 : row.end - row.start;
    row.own = row.total;
    for (const [stage, start, end] of row.spans || []) {
      row[stages[stage]] = (row[stages[stage]] || 0) + end - start;
      row.own -= end - start;
    }
  }

  const ms = (time) => (time / 1e3).toFixed(time < 1e4 ? 2 : time < 1e6 ? 1 : 0);
  const human = (time) => time < 1e6 ? `${ms(time)} ms` : `${(time / 1e6).toFixed(2)} s`;
  const sum = (list, key) => list.reduce((total, row) => total + (row[key] || 0), 0);
  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const svg = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // The number of compilers and linkers that ran in parallel, as steps of time and number.
  const busy = (() => {
    const working = new Set(["compile", "link"].map((name) => stages.indexOf(name)));
    const changes = [];
    for (const row of rows) {
      for (const [stage, start, end] of row.spans || []) {
        if (working.has(stage)) changes.push([start, 1], [end, -1]);
      }
    }
    changes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    let number = 0, most = 0, area = 0, before = 0;
    const steps = [[0, 0]];
    for (const [time, change] of changes) {
      area += number * (time - before);
      before = time;
      number += change;
      most = Math.max(most, number);
      const last = steps[steps.length - 1];
      if (last[0] === time) last[1] = number; else steps.push([time, number]);
    }
    return { steps, most, mean: data.took ? area / data.took : 0 };
  })();

  const showTotals = () => {
    const count = (outcome) => units.filter((row) => row.outcome === outcome).length;
    const outcomes = [...new Set(units.map((row) => row.outcome))].map((one) => `${count(one)} ${one}`);
    const done = count("built") + count("reused");
    const headers = rows.filter((row) => row.kind === "header");
    const header = headers.length
      ? [headers.map((row) => row.outcome).join(", "), human(sum(headers, "total"))]
      : ["none", ""];
    const facts = [
      ["Units", String(units.length), outcomes.join(", ")],
      ["Wall time", human(data.took), ""],
      ["Reused", done ? `${count("reused")} of ${done}` : "0", done ? `${Math.round(100 * count("reused") / done)} %` : ""],
      ["PCH", ...header],
      ["Parallel processes", String(busy.most), `${busy.mean.toFixed(2)} on average`],
      ...stages.filter((stage) => sum(rows, stage)).map((stage) => [
        stage[0].toUpperCase() + stage.slice(1), human(sum(rows, stage)),
        sum(units, stage) ? `${human(sum(units, stage) / units.length)} per unit` : "",
      ]),
      ["mjit-cc itself", human(sum(units, "own")), units.length ? `${human(sum(units, "own") / units.length)} per unit` : ""],
    ];
    if (data.dropped) facts.push(["Dropped", String(data.dropped), "the oldest work, to limit memory"]);
    for (const [name, value, more] of facts) {
      const box = element("div"), dd = element("dd", value);
      if (more) dd.append(element("small", more));
      box.append(element("dt", name), dd);
      find("totals").append(box);
    }
    const began = new Date(data.began);
    find("about").textContent = [data.compiler, began.toLocaleString(), `mjit-cc ${data.version}`].filter(Boolean).join(" · ");
    const used = stages.filter((stage) => sum(rows, stage));
    for (const [name, words] of [...used.map((stage) => [stage, stage]), ["own", "mjit-cc itself"], ["reused", "reused"], ["bad", "failed"]]) {
      const item = element("li", words), box = element("i");
      box.style.background = `var(--${name})`;
      item.prepend(box);
      find("legend").append(item);
    }
  };

  // Rows of each lane, by time, for drawing and for finding the row under the pointer.
  const byLane = lanes.map(() => []);
  for (const row of rows) if (row.lane !== undefined) byLane[row.lane].push(row);
  for (const list of byLane) list.sort((a, b) => a.start - b.start);

  let scale = 1, marked = null;
  const height = TOP + LANE * lanes.length + LOAD + 8;

  const ticks = (width) => {
    const wanted = data.took / Math.max(1, width / 110);
    const power = 10 ** Math.floor(Math.log10(Math.max(wanted, 1)));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= wanted);
    return Array.from({ length: Math.floor(data.took / step) + 1 }, (_, at) => at * step);
  };

  // One path for each colour of a lane, however many bars there are. Bars too narrow to be told apart share pixels, and each pixel
  // shows the stage that took most of its time.
  const NARROW = 3;
  const paths = (list, y) => {
    const made = {}, pixels = new Map();
    const rectangle = (kind, left, right, top, tall) => {
      made[kind] = (made[kind] || "") + `M${left.toFixed(1)} ${top}H${right.toFixed(1)}v${tall}H${left.toFixed(1)}z`;
    };
    const share = (kind, start, end) => {
      for (let x = Math.floor(start * scale); x <= end * scale; x += 1) {
        const part = Math.min(end * scale, x + 1) - Math.max(start * scale, x);
        if (!pixels.has(x)) pixels.set(x, {});
        pixels.get(x)[kind] = (pixels.get(x)[kind] || 0) + part;
      }
    };
    let bad = -1;
    for (const row of list) {
      const ground = row.outcome === "reused" ? "reused" : "own";
      const [left, right] = [row.start * scale, row.end * scale];
      if (right - left < NARROW) {
        let from = row.start;
        for (const [stage, start, end] of row.spans) {
          share(ground, from, start);
          share(stages[stage], start, end);
          from = end;
        }
        share(ground, from, row.end);
      } else {
        rectangle(ground, left, right - .5, y, BAR);
        for (const [stage, start, end] of row.spans) {
          if ((end - start) * scale > .2) rectangle(stages[stage], start * scale, Math.min(end * scale, right - .5), y, BAR);
        }
      }
      // A failure stays visible even if it was short.
      if (!GOOD.has(row.outcome) && right > bad + 1) {
        bad = Math.max(right, left + 3);
        if (right - left < NARROW) rectangle("bad", left, bad, y, BAR); else rectangle("bad", left, bad, y + BAR - 4, 4);
      }
    }
    let run = null;
    for (const [x, parts] of [...pixels].sort((a, b) => a[0] - b[0])) {
      const kind = Object.keys(parts).reduce((most, one) => parts[one] > parts[most] ? one : most);
      if (run && run.kind === kind && run.end === x) {
        run.end = x + 1;
        continue;
      }
      if (run) rectangle(run.kind, run.start, run.end, y, BAR);
      run = { kind, start: x, end: x + 1 };
    }
    if (run) rectangle(run.kind, run.start, run.end, y, BAR);
    return ["reused", "own", ...stages, "bad"].filter((kind) => made[kind])
      .map((kind) => svg("path", { class: kind, d: made[kind] }));
  };

  const draw = () => {
    const room = find("scroll").clientWidth;
    const width = Math.max(200, room) * 2 ** Number(find("zoom").value);
    scale = (width - 12) / Math.max(1, data.took);
    const picture = svg("svg", { width, height, role: "img", "aria-label": `${lanes.length} lanes, ${rows.length} bars` });
    for (const time of ticks(width)) {
      const x = time * scale;
      picture.append(svg("line", { class: "grid", x1: x, x2: x, y1: TOP - 6, y2: height }));
      if (x + 60 < width) picture.append(svg("text", { x: x + 3, y: 14 }, human(time)));
    }
    byLane.forEach((list, lane) => {
      const y = TOP + LANE * lane + (LANE - BAR) / 2;
      const group = svg("g", { class: "lane", "data-bars": list.length });
      group.append(...paths(list, y));
      for (const row of list) {
        const wide = (row.end - row.start) * scale - 8;
        const name = row.name.split(/[\\/]/).pop() || row.name;
        const fits = Math.floor(wide / 6.6);
        if (fits < 4) continue;
        const words = name.length > fits ? `${name.slice(0, fits - 1)}…` : name;
        group.append(svg("text", { class: "name", x: row.start * scale + 4, y: y + 14 }, words));
      }
      picture.append(group);
    });
    const floor = height - 6, unit = (LOAD - 14) / Math.max(1, busy.most);
    const high = (number) => (floor - number * unit).toFixed(2);
    let area = `M0 ${floor}`;
    // A pixel shows the highest and the last value within it.
    for (let at = 0; at < busy.steps.length;) {
      const x = busy.steps[at][0] * scale;
      let peak = 0, last = 0;
      for (; at < busy.steps.length && busy.steps[at][0] * scale < x + .5; at += 1) {
        last = busy.steps[at][1];
        peak = Math.max(peak, last);
      }
      area += `H${x.toFixed(2)}V${high(peak)}V${high(last)}`;
    }
    picture.append(svg("path", { class: "busy", d: `${area}V${floor}z` }));
    if (marked && marked.lane !== undefined) {
      const y = TOP + LANE * marked.lane + (LANE - BAR) / 2;
      picture.append(svg("rect", {
        class: "mark", x: marked.start * scale, y: y - 1, width: Math.max(2, marked.total * scale), height: BAR + 2,
      }));
    }
    find("drawing").replaceChildren(picture);
  };

  const rowAt = (event) => {
    const box = find("drawing").getBoundingClientRect();
    const list = byLane[Math.floor((event.clientY - box.top - TOP) / LANE)];
    if (!list) return null;
    const time = (event.clientX - box.left) / scale, near = 2 / scale;
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle].start <= time + near) low = middle + 1; else high = middle;
    }
    const row = list[low - 1];
    return row && row.end >= time - near ? row : null;
  };

  const describe = (row) => [
    row.name,
    `${row.kind}, ${row.outcome}${row.note ? `: ${row.note}` : ""}`,
    row.queued === undefined ? "" : `waited ${human(row.queued)} for its turn`,
    row.lane === undefined ? "" : `from ${human(row.start)}, took ${human(row.total)}`,
    stages.filter((stage) => row[stage]).map((stage) => `${stage} ${human(row[stage])}`).join(", "),
    row.lane === undefined ? "" : `mjit-cc itself ${human(row.own)}`,
  ].filter(Boolean).join("\n");

  const point = (event) => {
    const row = rowAt(event), tip = find("tip");
    tip.hidden = !row;
    if (!row) return;
    tip.textContent = describe(row);
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
  };

  // The table: one row per unit, and other work.
  const name = { title: "Name", words: true, value: (row) => row.name };
  const columns = [
    name,
    { title: "What", words: true, value: (row) => row.kind },
    { title: "Outcome", words: true, value: (row) => row.outcome },
    { title: "Lane", words: true, value: (row) => row.lane === undefined ? "" : lanes[row.lane] },
    { title: "Start ms", time: true, value: (row) => row.lane === undefined ? -1 : row.start },
    { title: "Total ms", time: true, value: (row) => row.lane === undefined ? -1 : row.total },
    ...(rows.some((row) => row.queued !== undefined)
      ? [{ title: "Queued ms", time: true, value: (row) => row.queued === undefined ? -1 : row.queued }] : []),
    ...stages.filter((stage) => sum(rows, stage))
      .map((stage) => ({ title: `${stage[0].toUpperCase()}${stage.slice(1)} ms`, time: true, value: (row) => row[stage] || -1 })),
    { title: "Own ms", time: true, value: (row) => row.lane === undefined ? -1 : row.own },
  ];
  let sorted = columns.find((column) => column.title === "Total ms"), down = true;

  const cells = (row) => {
    const tr = element("tr");
    tr.dataset.kind = row.kind;
    for (const column of columns) {
      const value = column.value(row);
      const td = element("td", column.time ? (value < 0 ? "" : ms(value)) : value);
      if (column.words) td.className = "words";
      if (column === name) {
        td.className = "words name";
        if (row.note) td.append(element("small", row.note));
      }
      if (column.title === "Outcome" && !GOOD.has(row.outcome)) td.className = "words failed";
      tr.append(td);
    }
    tr.addEventListener("click", () => pick(row));
    row.tr = tr;
    return tr;
  };

  const fill = () => {
    const wanted = find("filter").value.toLowerCase();
    const matches = (row) => `${row.name} ${row.outcome} ${row.kind}`.toLowerCase().includes(wanted);
    const list = rows.filter(matches);
    const order = down ? -1 : 1;
    list.sort((a, b) => {
      const [x, y] = [sorted.value(a), sorted.value(b)];
      return order * (sorted.time ? x - y : x.localeCompare(y, undefined, { numeric: true }));
    });
    const all = document.createDocumentFragment();
    for (const row of list) all.append(row.tr || cells(row));
    find("table").tBodies[0].replaceChildren(all);
    find("shown").textContent = wanted ? `${list.length} of ${rows.length}` : "";
  };

  const head = () => {
    const tr = element("tr");
    for (const column of columns) {
      const th = element("th", undefined, column.words ? "words" : ""), button = element("button", column.title);
      th.scope = "col";
      if (column === sorted) th.ariaSort = down ? "descending" : "ascending";
      button.addEventListener("click", () => {
        down = column === sorted ? !down : !column.words;
        sorted = column;
        head();
        fill();
      });
      th.append(button);
      tr.append(th);
    }
    find("table").tHead.replaceChildren(tr);
  };

  const pick = (row) => {
    if (marked && marked.tr) marked.tr.classList.remove("picked");
    marked = row;
    row.tr.classList.add("picked");
    draw();
    const box = find("scroll");
    if (row.lane !== undefined) box.scrollLeft = row.start * scale - box.clientWidth / 3;
  };

  showTotals();
  lanes.forEach((lane) => find("lanes").append(element("div", lane)));
  find("lanes").append(element("div", "running compilers", "load"));
  head();
  fill();
  draw();
  find("zoom").addEventListener("input", () => {
    const box = find("scroll"), middle = (box.scrollLeft + box.clientWidth / 2) / scale;
    draw();
    box.scrollLeft = middle * scale - box.clientWidth / 2;
  });
  find("filter").addEventListener("input", fill);
  find("drawing").addEventListener("pointermove", point);
  find("drawing").addEventListener("pointerleave", () => { find("tip").hidden = true; });
  find("drawing").addEventListener("click", (event) => {
    const row = rowAt(event);
    if (!row) return;
    pick(row);
    row.tr.scrollIntoView({ block: "nearest" });
  });
  addEventListener("resize", draw);
})();
