// The curve of the loss against the model's size at a budget.

const [WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP] = [640, 300, 62, 12, 44, 12];
const LONGEST_HALF = 5; // log size, to each side of the best one
const POINTS = 49; // of the curve
const AXIS_COLOR = "#818b98";

/** Return a round step of an axis that is at least as long as a rough one. */
function niceStep(rough) {
  const power = 10 ** exponentOf(rough);
  return power * ([1, 2, 5, 10].find((each) => each * power >= rough) || 10);
}

/** Return round sizes between two log sizes. */
function niceSizes(low, high) {
  const half = (high - low) / 2;
  const digits = half > 2.5 ? [1] : half > 1.3 ? [1, 3] : [1, 2, 5];
  const sizes = [];
  for (let power = Math.floor(low / Math.LN10); power <= high / Math.LN10 + 1; power += 1) {
    for (const digit of digits) sizes.push(digit * 10 ** power);
  }
  return sizes.filter((size) => Math.log(size) >= low && Math.log(size) <= high);
}

/** Return the points of the curve, and functions from log sizes and losses to the picture. */
function frameOf(planner, asked, found, most) {
  const middle = Math.log(found.size.median);
  const [up, down] = [found.largest.upper, found.smallest.lower].map((end) => Math.log(end) - middle);
  const half = Math.min(Math.max(1, 1.4 * up, -1.4 * down), LONGEST_HALF);
  const sizes = Array.from({ length: POINTS }, (_, place) =>
    middle + half * (place / ((POINTS - 1) / 2) - 1));
  const points = [];
  planner.curve(asked, sizes, most).forEach((each, place) => {
    if (Number.isFinite(each.upper)) points.push({ ...each, size: sizes[place] });
  });
  if (points.length < 2) return null;
  const best = points.reduce((a, b) =>
    Math.abs(b.size - middle) < Math.abs(a.size - middle) ? b : a).median;
  const lowest = Math.min(...points.map((each) => each.lower));
  const above = Math.max(...points.map((each) => each.upper));
  const highest = Math.min(above, best + 4 * (best - lowest));
  const pad = 0.05 * (highest - lowest);
  const [from, to] = [lowest - pad, highest + pad];
  const [low, high] = [middle - half, middle + half];
  const x = (size) => LEFT + ((size - low) / (high - low)) * (WIDTH - LEFT - RIGHT);
  const y = (loss) => {
    const shown = TOP + ((to - loss) / (to - from)) * (HEIGHT - TOP - BOTTOM);
    return Math.max(TOP, Math.min(shown, HEIGHT - BOTTOM));
  };
  return { points, best, middle, low, high, from, to, x, y };
}

/** Return the band, the median, the best size, and the range of sizes that waste little. */
function marksOf({ points, best, middle, x, y }, found) {
  const along = (key, order) =>
    order.map((each) => `${x(each.size).toFixed(1)},${y(each[key]).toFixed(1)}`);
  const band = [...along("upper", points), ...along("lower", [...points].reverse())];
  const marks = [
    element("path", { d: `M${band.join("L")}Z`, fill: "#7fa8d1", "fill-opacity": 0.45 }),
    element("path", {
      d: `M${along("median", points).join("L")}`, fill: "none", stroke: "#1f4e79",
      "stroke-width": 2,
    }),
    element("circle", { cx: x(middle), cy: y(best), r: 5, fill: "#b35c00" }),
  ];
  if (found.unspent) return marks;
  const edge = (size) => Math.max(LEFT, Math.min(x(Math.log(size)), WIDTH - RIGHT));
  const [start, end] = [edge(found.smallest.median), edge(found.largest.median)];
  const range = element("rect", {
    x: start, y: TOP, width: Math.max(end - start, 1), height: HEIGHT - TOP - BOTTOM,
    fill: "#f7e3c4",
  });
  return [range, ...marks];
}

/** Return the axes, with ticks and labels. */
function axesOf({ low, high, from, to, x, y }, settings) {
  const base = HEIGHT - BOTTOM;
  const line = (x1, y1, x2, y2) => element("line", { x1, y1, x2, y2, stroke: AXIS_COLOR });
  const text = (words, at, anchor, more = {}) =>
    element("text", {
      x: at[0], y: at[1], "text-anchor": anchor, "font-size": 13, fill: "#57606a", ...more,
    }, [words]);
  const drawn = [line(LEFT, base, WIDTH - RIGHT, base)];
  for (const size of niceSizes(low, high)) {
    const place = x(Math.log(size));
    drawn.push(
      line(place, base, place, base + 5),
      text(writeNumber(size, "count"), [place, base + 19], "middle"),
    );
  }
  const step = niceStep((to - from) / 4);
  for (let loss = Math.ceil(from / step) * step; loss <= to; loss += step) {
    drawn.push(
      line(LEFT - 5, y(loss), LEFT, y(loss)),
      text(loss.toFixed(Math.max(0, -exponentOf(step))), [LEFT - 9, y(loss) + 4], "end"),
    );
  }
  const name = settings.sizeIsParams ? "Model size N, parameters" : settings.size.replace(/_/g, " ");
  const turned = { transform: `translate(14 ${(base + TOP) / 2}) rotate(-90)` };
  return [
    ...drawn,
    text(name, [(LEFT + WIDTH) / 2, HEIGHT - 6], "middle"),
    text(`expected ${settings.target}`, [0, 0], "middle", turned),
  ];
}

/** Draw the loss against the model's size at the budget: median, band, optimum and range. */
function drawCurve(svg, planner, asked, found, settings, most) {
  const frame = frameOf(planner, asked, found, most);
  svg.replaceChildren();
  if (frame) svg.append(...marksOf(frame, found), ...axesOf(frame, settings));
}
