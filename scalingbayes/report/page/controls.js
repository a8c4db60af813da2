// The planner's controls and answers in the page.

const SUFFIXES = { K: 1e3, M: 1e6, B: 1e9, G: 1e9, T: 1e12, Q: 1e15 };
const SIGNIFICANT = 3;
const QUICK_DRAWS = 1000; // that answer while a slider moves
const REST = 150; // milliseconds after which a slider rests

/** Return the number that a text means, such as 1e24, 70B or 1,400,000; NaN if it is none. */
function readNumber(text) {
  const bare = text.trim().replace(/[\s,_$]/g, "");
  const match = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?([KMBGTQ]?)$/i.exec(bare);
  if (!match) return NaN;
  const unit = match[3] ? SUFFIXES[match[3].toUpperCase()] : 1;
  return Number(match[1] + (match[2] || "")) * unit;
}

/** Return the power of ten of the first digit. */
function exponentOf(value) {
  return Number(value.toExponential(15).split("e")[1]);
}

function fixed(value, place, bare) {
  const digits = Math.max(-place, 0);
  const text = value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return bare && text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

/** Write a number as the rest of the report does: 33.9B parameters, 5.76e23 FLOPs. */
function writeNumber(given, kind, place) {
  const bare = place === undefined;
  const digits = { count: 3, ratio: 3 }[kind] || 4;
  let last = place;
  if (bare) {
    last = given ? exponentOf(given) - digits + 1 : 0;
    if (Math.abs(given) < 1e6) last = Math.min(last, 0);
  }
  const unit = 10 ** last;
  const value = last < 0 ? Math.round(given * 10 ** -last) / 10 ** -last : Math.round(given / unit) * unit;
  const size = Math.abs(value);
  if (kind === "count" && size >= 1e6 && size < 1e15) {
    const [least, letter] = [[1e12, "T"], [1e9, "B"], [1e6, "M"]].find(([from]) => size >= from);
    return fixed(value / least, last - exponentOf(least), bare) + letter;
  }
  if (size >= (kind === "count" ? 1e15 : 1e6) || (size > 0 && size < 1e-4)) {
    const power = exponentOf(value);
    return `${fixed(value / 10 ** power, last - power, bare)}e${power}`;
  }
  return fixed(value, last, bare);
}

/** Write a median and its interval, to the digits that the interval supports. */
function writeInterval({ median, lower, upper }, kind) {
  const distances = [lower, upper].map((end) => Math.abs(end - median));
  const known = distances.filter((each) => each > 1e-9 * Math.abs(upper));
  if (!known.length) return [writeNumber(median, kind), ""];
  const finest = kind === "loss" ? -4 : -Infinity;
  const common = exponentOf(Math.min(...known)) - 1;
  const [middle, low, high] = [median, lower, upper].map((value) => {
    const first = exponentOf(value);
    let place = Math.max(Math.min(common, first - 1), finest);
    if (value > 3 * median) place = Math.max(place, first - 2);
    return writeNumber(value, kind, place);
  });
  return [middle, `[${low}, ${high}]`];
}

/** Return an element with attributes and children; text is never read as markup. */
function element(name, attributes = {}, children = []) {
  const svg = ["path", "line", "rect", "circle", "text", "g"].includes(name);
  const made = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Add a field and its slider to a form; `changed` is called when their value changes. */
function addControl(form, control, changed) {
  const id = `control-${control.name.replace(/\W/g, "-")}`;
  const hint = control.off ? ` (empty: ${control.off})` : "";
  const field = element("input", {
    type: "text", id, inputmode: "text", "aria-describedby": `${id}-error`,
  });
  const slider = element("input", {
    type: "range", min: control.low, max: control.high, step: 0.01,
    "aria-label": `${control.label}, slider`,
  });
  const error = element("div", { class: "error", id: `${id}-error` });
  const label = element("label", { for: id }, [control.label + hint]);
  form.append(element("fieldset", {}, [label, field, slider, error]));
  const offAtHighEnd = control.off === "no limit";
  const state = { value: control.value, control };

  const write = (value) => (value === null ? "" : writeNumber(value, control.kind));
  const isOff = (place) =>
    control.off && (offAtHighEnd ? place >= control.high - 1e-9 : place <= control.low + 1e-9);
  const show = (inField) => {
    if (inField) field.value = write(state.value);
    const off = offAtHighEnd ? control.high : control.low;
    slider.value = state.value === null ? off : Math.log10(state.value);
    slider.setAttribute("aria-valuetext", write(state.value) || control.off);
    field.removeAttribute("aria-invalid");
    error.textContent = "";
  };
  slider.addEventListener("input", () => {
    const place = Number(slider.value);
    state.value = isOff(place) ? null : Number((10 ** place).toPrecision(SIGNIFICANT));
    show(true);
    changed(true);
  });
  field.addEventListener("input", () => {
    const empty = field.value.trim() === "";
    const value = empty ? null : readNumber(field.value);
    if ((empty && !control.off) || (!empty && !(value > 0))) {
      field.setAttribute("aria-invalid", "true");
      error.textContent = "Write a positive number, such as 1e24, 70B or 1.4T.";
      return;
    }
    state.value = value;
    show(false);
    changed(false);
  });
  field.addEventListener("change", () => {
    if (!field.hasAttribute("aria-invalid")) show(true);
  });
  state.set = (value) => {
    state.value = value;
    show(true);
  };
  state.range = (low, high) => {
    [control.low, control.high] = [low, high];
    slider.min = low;
    slider.max = high;
    show(true);
  };
  show(true);
  return state;
}

/** Draw the loss against the model's size at the budget: median, band, optimum and range. */
function drawCurve(svg, planner, asked, found, settings, most) {
  const [width, height, left, bottom, top] = [640, 300, 62, 44, 12];
  const log = (value) => Math.log(value);
  const middle = log(found.size.median);
  const reach = Math.max(
    1, 1.4 * (log(found.largest.upper) - middle), 1.4 * (middle - log(found.smallest.lower)),
  );
  const half = Math.min(reach, 5);
  const sizes = Array.from({ length: 49 }, (_, place) => middle + half * (place / 24 - 1));
  const kept = [];
  planner.curve(asked, sizes, most).forEach((each, place) => {
    if (Number.isFinite(each.upper)) kept.push({ ...each, size: sizes[place] });
  });
  svg.replaceChildren();
  if (kept.length < 2) return;
  const best = kept.reduce((a, b) =>
    Math.abs(b.size - middle) < Math.abs(a.size - middle) ? b : a).median;
  const lows = kept.map((each) => each.lower);
  const lowest = Math.min(...lows);
  const highest = Math.min(Math.max(...kept.map((each) => each.upper)), best + 4 * (best - lowest));
  const pad = 0.05 * (highest - lowest);
  const [from, to] = [lowest - pad, highest + pad];
  const x = (size) => left + ((size - (middle - half)) / (2 * half)) * (width - left - 12);
  const y = (loss) => {
    const shown = top + ((to - loss) / (to - from)) * (height - top - bottom);
    return Math.max(top, Math.min(shown, height - bottom));
  };
  const points = (key, order) => order.map((each) => `${x(each.size).toFixed(1)},${y(each[key]).toFixed(1)}`);
  const band = [...points("upper", kept), ...points("lower", [...kept].reverse())];
  const edge = (size) => Math.max(left, Math.min(x(log(size)), width - 12));
  const [start, end] = [edge(found.smallest.median), edge(found.largest.median)];
  svg.append(
    element("rect", {
      x: start, y: top, width: Math.max(end - start, 1), height: height - top - bottom, fill: "#f7e3c4",
    }),
    element("path", { d: `M${band.join("L")}Z`, fill: "#7fa8d1", "fill-opacity": 0.45 }),
    element("path", {
      d: `M${points("median", kept).join("L")}`, fill: "none", stroke: "#1f4e79", "stroke-width": 2,
    }),
    element("circle", { cx: x(middle), cy: y(best), r: 5, fill: "#b35c00" }),
  );
  const text = (words, at, anchor, more = {}) =>
    element("text", {
      x: at[0], y: at[1], "text-anchor": anchor, "font-size": 13, fill: "#57606a", ...more,
    }, [words]);
  svg.append(element("line", {
    x1: left, x2: width - 12, y1: height - bottom, y2: height - bottom, stroke: "#818b98",
  }));
  const decade = Math.LN10;
  const ticks = [];
  for (let power = Math.floor((middle - half) / decade); power <= (middle + half) / decade + 1; power += 1) {
    for (const digit of half > 2.5 ? [1] : half > 1.3 ? [1, 3] : [1, 2, 5]) ticks.push(digit * 10 ** power);
  }
  for (const size of ticks) {
    if (log(size) < middle - half || log(size) > middle + half) continue;
    svg.append(
      element("line", {
        x1: x(log(size)), x2: x(log(size)), y1: height - bottom, y2: height - bottom + 5, stroke: "#818b98",
      }),
      text(writeNumber(size, "count"), [x(log(size)), height - bottom + 19], "middle"),
    );
  }
  const step = niceStep((to - from) / 4);
  for (let loss = Math.ceil(from / step) * step; loss <= to; loss += step) {
    svg.append(
      element("line", { x1: left - 5, x2: left, y1: y(loss), y2: y(loss), stroke: "#818b98" }),
      text(loss.toFixed(Math.max(0, -exponentOf(step))), [left - 9, y(loss) + 4], "end"),
    );
  }
  const sizeName = settings.sizeIsParams ? "Model size N, parameters" : settings.size.replace(/_/g, " ");
  svg.append(
    text(sizeName, [(left + width) / 2, height - 6], "middle"),
    text(`expected ${settings.target}`, [0, 0], "middle", {
      transform: `translate(14 ${(height - bottom + top) / 2}) rotate(-90)`,
    }),
  );
}

function niceStep(rough) {
  const power = 10 ** exponentOf(rough);
  return power * ([1, 2, 5, 10].find((each) => each * power >= rough) || 10);
}

/** Build the page's planner and keep its answer up to date. */
function startPage(functions) {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const data = read("planner-data");
  const settings = read("planner-settings");
  data.draws = data.draws.map(decodeNumbers);
  if (data.errors !== null) data.errors = decodeNumbers(data.errors);
  const planner = createPlanner(data, functions);
  const form = document.querySelector("#planner form");
  const at = (id) => document.getElementById(id);
  const percent = (share) => `${+(100 * share).toFixed(6)}\u00a0%`;
  const prob = percent(data.prob);
  let waiting = false;
  let quickly = false;
  let resting = 0;
  let announcing = 0;

  const { hardware } = settings;
  const hardwareState = {};
  const units = {
    flops: { label: "FLOPs", kind: "flops", perUnit: () => 1 },
    hours: { label: "GPU hours", kind: "count", perUnit: () => hourly() },
    dollars: { label: "dollars", kind: "count", perUnit: () => hourly() / hardwareState.price.value },
  };
  const hourly = () => hardwareState.peak.value * hardwareState.utilisation.value * 3600;
  let unit = "flops";

  // While a slider moves, a part of the draws answers at once; all of them when it rests.
  const changed = (moving) => {
    clearTimeout(resting);
    if (moving) resting = setTimeout(update, REST, false);
    quickly = moving;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      update(quickly);
    });
  };

  const budget = addControl(form, {
    name: "budget", label: "Budget", low: settings.budgets[0], high: settings.budgets[1],
    off: "", value: settings.budget, kind: "flops",
  }, changed);
  const chooser = element("select", { "aria-label": "Unit of the budget", id: "control-unit" },
    Object.entries(units).map(([name, { label }]) => element("option", { value: name }, [label])));
  const first = form.querySelector("fieldset");
  const budgetField = first.querySelector("input");
  first.insertBefore(element("div", { class: "pair" }, [budgetField, chooser]), first.children[1]);

  const states = settings.controls.map((control) => addControl(form, control, changed));
  const more = element("details", {}, [
    element("summary", {}, [hardware.example ? "Accelerator (example: H100)" : "Accelerator"]),
  ]);
  form.append(more);
  const numbers = {
    peak: ["Peak FLOPs per second", 12, 17, hardware.peak, "flops"],
    utilisation: ["Utilisation, from 0 to 1", -2, 0, hardware.utilisation, "plain"],
    price: ["Dollars per hour", -1, 2, hardware.price || 2.5, "plain"],
  };
  const rescale = () => {
    const shift = Math.log10(units[unit].perUnit());
    budget.range(settings.budgets[0] - shift, settings.budgets[1] - shift);
    changed(false);
  };
  for (const [name, [label, low, high, value, kind]] of Object.entries(numbers)) {
    hardwareState[name] = addControl(more, { name, label, low, high, off: "", value, kind }, rescale);
  }
  chooser.addEventListener("change", () => {
    const flops = budget.value * units[unit].perUnit();
    unit = chooser.value;
    budget.control.kind = units[unit].kind;
    budget.value = Number((flops / units[unit].perUnit()).toPrecision(SIGNIFICANT));
    rescale();
  });

  function question() {
    const asked = { inputs: [] };
    asked.compute = budget.value * units[unit].perUnit();
    const inputs = Object.fromEntries(data.inputs);
    for (const { control, value } of states) {
      if (control.name.startsWith("input:")) inputs[control.name.slice(6)] = value;
      else asked[{ served: "servedTokens" }[control.name] || control.name] = value;
    }
    asked.inputs = data.inputs.map(([name]) => inputs[name]);
    return asked;
  }

  function card(label, key, found, kind) {
    const [middle, interval] = writeInterval(found[key], kind);
    const { median, lower, upper } = found[key];
    return element("div", {
      class: "card", "data-name": key, "data-median": median, "data-lower": lower, "data-upper": upper,
    }, [
      element("div", { class: "label" }, [label]),
      element("div", { class: "value" }, [middle]),
      element("div", { class: "interval" }, [interval]),
    ]);
  }

  function remarksOn(asked, found) {
    const remarks = [];
    const ratio = asked.compute / data.largestCompute;
    if (ratio > 1.25) {
      remarks.push(
        `Extrapolated: ${writeNumber(Number(ratio.toPrecision(2)), "ratio")} times the compute of ` +
        `the largest run (${writeNumber(Number(data.largestCompute.toPrecision(3)), "flops")} FLOPs).`,
      );
    }
    if (found.unspent) remarks.push("The limits leave some of the budget unspent.");
    return remarks;
  }

  function describeQuestion(asked) {
    const parts = [`Budget: ${writeNumber(asked.compute, "flops")} FLOPs`];
    const hours = asked.compute / hourly();
    const rounded = (value) => writeNumber(Number(value.toPrecision(3)), "count");
    const which = hardware.example ? " of an example accelerator" : "";
    parts.push(`${rounded(hours)} GPU hours`);
    parts.push(`$${rounded(hours * hardwareState.price.value)}${which}`);
    let text = parts.join(" = ");
    for (const { control, value } of states) {
      if (value !== null) text += `; ${control.label.toLowerCase()}: ${writeNumber(value, control.kind)}`;
    }
    return `${text}. Medians, with ${prob} intervals.`;
  }

  function update(quick) {
    const asked = question();
    const every = quick ? Math.max(1, Math.floor(planner.count / QUICK_DRAWS)) : 1;
    const found = planner.summary(asked, every);
    at("numbers").dataset.draws = quick ? "some" : "all";
    at("question").textContent = describeQuestion(asked);
    if (found.lost) {
      at("numbers").replaceChildren();
      at("bar").textContent = "";
      at("curve").replaceChildren();
      at("legend").textContent = "";
      at("remarks").replaceChildren();
      at("range").textContent =
        `The law has no best size here in ${(100 * found.lost).toPrecision(2)} % of the draws: ` +
        "choose a budget nearer the runs.";
      announce(at("range").textContent);
      return;
    }
    const size = settings.sizeIsParams ? "Model size N" : settings.size.replace(/_/g, " ");
    const cards = [card(size, "size", found, "count"), card("Training tokens D", "tokens", found, "count")];
    if (settings.sizeIsParams) cards.push(card("Tokens per parameter", "ratio", found, "ratio"));
    cards.push(card(`Expected ${settings.target}`, "loss", found, "loss"));
    at("numbers").replaceChildren(...cards);
    const ends = [found.smallest.median, found.largest.median];
    const [low, high] = ends.map((end) => writeNumber(end, "count"));
    at("range").textContent = `Sizes from ${low} to ${high} waste at most ${percent(data.waste)} of the compute, if the law is at its median.`;
    [at("range").dataset.smallest, at("range").dataset.largest] = ends;
    at("remarks").replaceChildren(...remarksOn(asked, found).map((line) => element("li", {}, [line])));
    at("legend").textContent =
      `Loss of a run of each size that spends the budget: median and ${prob} band. ` +
      "Dot: the best size. Shaded: the sizes that waste little.";
    drawCurve(at("curve"), planner, asked, found, settings, quick ? QUICK_DRAWS / 2 : QUICK_DRAWS);
    const short = `${size}: ${writeInterval(found.size, "count")[0]}, ` +
      `tokens: ${writeInterval(found.tokens, "count")[0]}, ` +
      `${settings.target}: ${writeInterval(found.loss, "loss")[0]}`;
    at("bar").textContent = short;
    announce(`${short}. ${at("range").textContent}`);
  }

  function announce(text) {
    clearTimeout(announcing);
    announcing = setTimeout(() => {
      at("announcement").textContent = text;
    }, 500);
  }

  update(false);
}
