// The planner's answers in the page.

const QUICK_DRAWS = 1000; // that answer while a slider moves
const REST = 150; // milliseconds after which a slider rests
const QUIET = 500; // milliseconds after which an answer is announced
const LEAST_DECADES = 0.1; // outside the range of the runs, below which a run counts as inside

const at = (id) => document.getElementById(id);
const percent = (share) => `${+(100 * share).toFixed(6)}\u00a0%`;
const rounded = (value, kind) => writeNumber(Number(value.toPrecision(3)), kind);

/** Return how many decades a value lies outside a range, and its nearer end. */
function outside(value, [low, high]) {
  if (value > high) return { decades: Math.log10(value / high), end: high, where: "beyond the largest run" };
  return { decades: Math.max(Math.log10(low / value), 0), end: low, where: "below the smallest run" };
}

/** Return sentences on what to know of an answer: how far it is from the runs. */
function remarksOn(found, seen, settings) {
  const remarks = [];
  const compute = outside(found.training, seen.training).decades;
  const asked = [
    ["training FLOPs", "flops", found.training, seen.training],
    [settings.size, "count", found.size.median, seen.size],
    ["tokens", "count", found.tokens.median, seen.tokens],
  ];
  asked.forEach(([what, kind, value, range], place) => {
    const { decades, end, where } = outside(value, range);
    if (decades < LEAST_DECADES || (place && decades <= compute)) return;
    remarks.push(
      `Extrapolated: ${rounded(value, kind)} ${what} is ${decades.toFixed(1)} decades ${where} ` +
      `(${rounded(end, kind)}).`,
    );
  });
  if (found.unspent) remarks.push("The limits leave some of the budget unspent.");
  return remarks;
}

/** Return the question in words: the budget in each unit, and the controls that are set. */
function describeQuestion(asked, controls, data, settings, count) {
  const which = settings.hardware.example ? " of an example accelerator" : "";
  const amount = (unit) => asked.compute / controls.units[unit].flops();
  const parts = [
    `Budget: ${writeNumber(asked.compute, "flops")} FLOPs`,
    `${rounded(amount("GPU hours"), "count")} GPU hours${which}`,
  ];
  if (amount("dollars") > 0) parts.push(`$${rounded(amount("dollars"), "count")}`);
  let text = parts.join(" = ");
  for (const { control, value } of controls.states) {
    if (value !== null) text += `; ${control.label.toLowerCase()}: ${writeNumber(value, control.kind)}`;
  }
  const [some, all] = [count, data.allDraws].map((each) => each.toLocaleString("en-US"));
  const draws = count < data.allDraws ? `${some} of the ${all}` : all;
  return `${text}. Medians, with ${percent(data.prob)} intervals, of ${draws} draws.`;
}

/** Return a card of a quantity: its name, its median and its interval. */
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

/** Empty the answer, and say why there is none. */
function showLost(share) {
  for (const id of ["numbers", "curve", "remarks"]) at(id).replaceChildren();
  for (const id of ["bar", "legend"]) at(id).textContent = "";
  const percentage = (100 * share).toPrecision(2);
  at("range").textContent =
    `The law has no best size here in ${percentage} % of the draws: choose a budget nearer the runs.`;
  return at("range").textContent;
}

/** Show the answer in numbers; return it in a sentence. */
function showFound(found, data, settings) {
  const size = settings.sizeIsParams ? "Model size N" : settings.size.replace(/_/g, " ");
  const cards = [card(size, "size", found, "count"), card("Training tokens D", "tokens", found, "count")];
  if (settings.sizeIsParams) cards.push(card("Tokens per parameter", "ratio", found, "ratio"));
  cards.push(card(`Expected ${settings.target}`, "loss", found, "loss"));
  at("numbers").replaceChildren(...cards);
  const ends = [found.smallest.median, found.largest.median];
  [at("range").dataset.smallest, at("range").dataset.largest] = ends;
  const [low, high] = ends.map((end) => writeNumber(end, "count"));
  at("range").textContent = found.unspent ? "" :
    `Sizes from ${low} to ${high} waste at most ${percent(data.waste)} of the compute, ` +
    "if the law is at its median.";
  const remarks = remarksOn(found, data.seen, settings);
  at("remarks").replaceChildren(...remarks.map((line) => element("li", {}, [line])));
  const shaded = found.unspent ? "" : " Shaded: the sizes that waste little.";
  at("legend").textContent =
    `Loss of a run of each size that spends the budget: median and ${percent(data.prob)} band. ` +
    `Dot: the best size.${shaded}`;
  const [best, tokens, loss] = [["size", "count"], ["tokens", "count"], ["loss", "loss"]].map(
    ([key, kind]) => writeInterval(found[key], kind)[0]);
  at("bar").textContent = `${size}: ${best}, tokens: ${tokens}, ${settings.target}: ${loss}`;
  return [`${at("bar").textContent}.`, at("range").textContent, ...remarks].join(" ");
}

/** Return a function that calls `update(quickly)` in the next frame, and once more at rest. */
function inNextFrame(update) {
  let [waiting, quickly, resting] = [false, false, 0];
  return (moving) => {
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
}

/** Build the page's planner and keep its answer up to date. */
function startPage(functions) {
  const [data, settings] = ["planner-data", "planner-settings"].map((id) => JSON.parse(at(id).textContent));
  data.draws = data.draws.map(decodeNumbers);
  if (data.errors !== null) data.errors = decodeNumbers(data.errors);
  const planner = createPlanner(data, functions);
  const form = document.querySelector("#planner form");
  const controls = addControls(form, settings, inNextFrame(update));
  let announcing = 0;

  function question() {
    const asked = { compute: controls.compute() };
    const inputs = Object.fromEntries(data.inputs);
    for (const { control, value } of controls.states) {
      if (control.name.startsWith("input:")) inputs[control.name.slice(6)] = value;
      else asked[control.name === "served" ? "servedTokens" : control.name] = value;
    }
    asked.inputs = data.inputs.map(([name]) => inputs[name]);
    return asked;
  }

  // While a slider moves, a part of the draws answers at once; all of them when it rests.
  function update(quick) {
    const asked = question();
    const every = quick ? Math.max(1, Math.floor(planner.count / QUICK_DRAWS)) : 1;
    const found = planner.summary(asked, every);
    at("numbers").dataset.draws = quick ? "some" : "all";
    at("question").textContent = describeQuestion(asked, controls, data, settings, planner.count);
    const answer = found.lost ? showLost(found.lost) : showFound(found, data, settings);
    if (!found.lost) {
      drawCurve(at("curve"), planner, asked, found, settings, quick ? QUICK_DRAWS / 2 : QUICK_DRAWS);
    }
    clearTimeout(announcing);
    announcing = setTimeout(() => { at("announcement").textContent = answer; }, QUIET);
  }

  update(false);
}
