// The controls of the planner: fields with sliders, and the unit of the budget.

const SIGNIFICANT = 3; // digits of a number that a slider sets
const SVG_NAMES = ["path", "line", "rect", "circle", "text", "g"];

/** Return an element with attributes and children; text is never read as markup. */
function element(name, attributes = {}, children = []) {
  const made = SVG_NAMES.includes(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Return why a control cannot have a value; empty if it can. */
function refusal(control, value) {
  if (value === null) return control.off ? "" : "Write a number.";
  const most = control.most || Infinity;
  if ((value > 0 || (value === 0 && control.mayBeZero)) && value <= most) return "";
  if (most < Infinity) return `Write a number above 0 and at most ${most}.`;
  if (control.mayBeZero) return "Write 0 or a positive number, such as 1e24, 70B or 1.4T.";
  return "Write a positive number, such as 1e24, 70B or 1.4T.";
}

/** Return the place on its slider of a control's value. */
function placeOf(control, value) {
  if (value === null) return control.off === "no limit" ? control.high : control.low;
  return value > 0 ? Math.log10(value) : control.low;
}

/** Return the value of a control at a place of its slider; null where the control is off. */
function valueAt(control, place) {
  const atHigh = control.off === "no limit" && place >= control.high - 1e-9;
  const atLow = control.off !== "no limit" && place <= control.low + 1e-9;
  if (control.off && (atHigh || atLow)) return null;
  if (control.mayBeZero && atLow) return 0;
  return Number((10 ** place).toPrecision(SIGNIFICANT));
}

/** Add the elements of a control to a form. */
function addFieldset(form, control) {
  const id = `control-${control.name.replace(/\W/g, "-")}`;
  const field = element("input", {
    type: "text", id, inputmode: "text", autocomplete: "off", "aria-describedby": `${id}-error`,
  });
  const slider = element("input", {
    type: "range", min: control.low, max: control.high, step: 0.01,
    "aria-label": `${control.label}, slider`,
  });
  const error = element("div", { class: "error", id: `${id}-error` });
  const hint = control.off ? ` (empty: ${control.off})` : "";
  const label = element("label", { for: id }, [control.label + hint]);
  form.append(element("fieldset", {}, [label, field, slider, error]));
  return { field, slider, error };
}

/** Add a field and its slider to a form; `changed` is called when their value changes. */
function addControl(form, control, changed) {
  const { field, slider, error } = addFieldset(form, control);
  const state = { value: control.value, control, field };
  const write = () => (state.value === null ? "" : writeNumber(state.value, control.kind));
  const show = (inField) => {
    if (inField) field.value = write();
    slider.value = placeOf(control, state.value);
    slider.setAttribute("aria-valuetext", write() || control.off);
    field.removeAttribute("aria-invalid");
    error.textContent = "";
  };
  slider.addEventListener("input", () => {
    state.value = valueAt(control, Number(slider.value));
    show(true);
    changed(true);
  });
  field.addEventListener("input", () => {
    const value = field.value.trim() === "" ? null : readNumber(field.value);
    const refused = refusal(control, value);
    if (refused) {
      field.setAttribute("aria-invalid", "true");
      error.textContent = refused;
      return;
    }
    state.value = value;
    show(false);
    changed(false);
  });
  state.move = (low, high) => {
    [control.low, control.high, slider.min, slider.max] = [low, high, low, high];
    show(field !== document.activeElement);
  };
  show(true);
  return state;
}

/** Add the controls of the accelerator, which converts FLOPs to hours and dollars. */
function addAccelerator(form, hardware, changed) {
  const name = hardware.example ? "Accelerator (example: H100)" : "Accelerator";
  const more = element("details", {}, [element("summary", {}, [name])]);
  form.append(more);
  const add = (control) => addControl(more, { off: "", kind: "plain", ...control }, changed);
  return {
    peak: add({
      name: "peak", label: "Peak FLOPs per second", low: 12, high: 17, value: hardware.peak,
      kind: "flops",
    }),
    utilisation: add({
      name: "utilisation", label: "Utilisation, above 0 and at most 1", low: -2, high: 0,
      value: hardware.utilisation, most: 1,
    }),
    price: add({
      name: "price", label: "Dollars per hour", low: -1, high: 2, value: hardware.price,
      off: "no dollars",
    }),
  };
}

/** Return the units of a budget, with the FLOPs of each; NaN where the price is missing. */
function unitsOf(accelerator) {
  const hourly = () => accelerator.peak.value * accelerator.utilisation.value * 3600;
  const price = () => (accelerator.price.value === null ? NaN : accelerator.price.value);
  return {
    FLOPs: { kind: "flops", flops: () => 1 },
    "GPU hours": { kind: "count", flops: hourly },
    dollars: { kind: "count", flops: () => hourly() / price() },
  };
}

/** Add the budget, its unit, all other controls and the accelerator to a form. */
function addControls(form, settings, changed) {
  const budget = addControl(form, {
    name: "budget", label: "Budget", low: settings.budgets[0], high: settings.budgets[1],
    off: "", value: settings.budget, kind: "flops",
  }, changed);
  const states = settings.controls.map((control) => addControl(form, control, changed));
  let [unit, rate] = ["FLOPs", 1]; // the budget's unit, and its FLOPs
  const accelerator = addAccelerator(form, settings.hardware, () => setUnit(unit, budget.value));
  const units = unitsOf(accelerator);
  const options = Object.keys(units).map((name) => element("option", { value: name }, [name]));
  const chooser = element("select", { "aria-label": "Unit of the budget", id: "control-unit" }, options);
  const pair = element("div", { class: "pair" });
  budget.field.replaceWith(pair);
  pair.append(budget.field, chooser);

  function setUnit(name, value) {
    const flops = budget.value * rate;
    const known = units[name].flops() > 0;
    unit = known ? name : "FLOPs";
    rate = units[unit].flops();
    for (const option of options) option.disabled = !(units[option.value].flops() > 0);
    chooser.value = unit;
    budget.control.kind = units[unit].kind;
    budget.value = known ? value : flops;
    budget.move(...settings.budgets.map((place) => place - Math.log10(rate)));
    changed(false);
  }
  chooser.addEventListener("change", () => {
    setUnit(chooser.value, (budget.value * rate) / units[chooser.value].flops());
  });
  const start = units[settings.unit].flops();
  setUnit(settings.unit, settings.budget / start);
  return { states, units, compute: () => budget.value * rate };
}
