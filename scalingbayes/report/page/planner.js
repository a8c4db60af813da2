// The planner's arithmetic: the compute-optimal run of each draw, as scalingbayes computes it.
// It has no access to the page, so that tests can run it in any engine of JavaScript.

const LOWEST_SCALE = -50;
const HIGHEST_SCALE = 150;
const BISECTIONS = 60;
const LOG_USUAL_RATIO = 3; // log of tokens over size, where a search starts
const GRID_STEP = 0.25; // of the scale
const GRID_REACH = 80; // steps of the grid to each side of its centre
const FIRST_STEP = 0.1; // of the scale, from the last draw's optimum
const SCALE_ERROR = 1e-5; // of the last step to an optimal scale
const LONGEST_RANGE = 5; // of the scale, to each side of an optimum
const RANGE_STEP = 0.25; // of the scale
const HUGE = 1e6; // above any slope or loss of interest
const RANGE_ERROR = 1e-4; // of the last step to the end of a range

/** Return the numbers that a text of base 64 holds as float64, the lowest byte first. */
function decodeNumbers(text) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const values = new Uint8Array(128);
  for (let place = 0; place < 64; place += 1) values[letters.charCodeAt(place)] = place;
  const length = Math.floor((text.replace(/=+$/, "").length * 3) / 4);
  const bytes = new Uint8Array(length);
  for (let from = 0, to = 0; to < length; from += 4) {
    const word =
      (values[text.charCodeAt(from)] << 18) |
      (values[text.charCodeAt(from + 1)] << 12) |
      (values[text.charCodeAt(from + 2)] << 6) |
      values[text.charCodeAt(from + 3)];
    for (let shift = 16; shift >= 0 && to < length; shift -= 8) bytes[to++] = word >> shift;
  }
  return new Float64Array(bytes.buffer);
}

/** Return the root of an increasing function; the upper end where it stays negative. */
function bisect(excess) {
  let low = LOWEST_SCALE;
  let high = HIGHEST_SCALE;
  for (let step = 0; step < BISECTIONS; step += 1) {
    const half = (low + high) / 2;
    if (excess(half) > 0) high = half;
    else low = half;
  }
  return high;
}

/** Return a loss; infinite where it is undefined, because no tokens are left. */
function orInfinite(value) {
  return Number.isNaN(value) ? Infinity : value;
}

/** Return the point of a grid that is the local minimum nearest to `centre`; NaN if none is. */
function nearestGridMinimum(f, centre) {
  const known = new Map();
  const at = (place) => {
    if (Math.abs(place) > GRID_REACH) return -Infinity; // the ends are no minima
    if (!known.has(place)) known.set(place, orInfinite(f(centre + place * GRID_STEP)));
    return known.get(place);
  };
  const isMinimum = (place) => at(place) < at(place - 1) && at(place) <= at(place + 1);
  for (let distance = 0; distance < GRID_REACH; distance += 1) {
    for (const place of distance ? [-distance, distance] : [0]) {
      if (isMinimum(place)) return centre + place * GRID_STEP;
    }
  }
  return NaN;
}

/** Return the root of a function between two points, by the Illinois method. */
function rootBetween(f, low, fLow, high, fHigh, error) {
  let [a, fa, b, fb] = [low, fLow, high, fHigh];
  if (!(fa < 0)) return a;
  if (!(fb > 0)) return b;
  let before = 0; // the end that the last step replaced
  let last = NaN;
  for (let count = 0; count < 60; count += 1) {
    const x = fb < HUGE ? a + ((b - a) * fa) / (fa - fb) : (a + b) / 2;
    const fx = f(x);
    if (fx === 0 || Math.abs(x - last) < error || b - a < error) return x;
    last = x;
    if (fx < 0) {
      [a, fa] = [x, fx];
      if (before === -1) fb /= 2;
      before = -1;
    } else {
      [b, fb] = [x, fx];
      if (before === 1) fa /= 2;
      before = 1;
    }
  }
  return (a + b) / 2;
}

/** Return the only root of an increasing function; NaN if it has none. */
function rootFrom(f, guess, error) {
  let [a, fa] = [guess, f(guess)];
  const direction = fa > 0 ? -1 : 1;
  for (let step = FIRST_STEP; a > LOWEST_SCALE && a < HIGHEST_SCALE; step *= 2) {
    const b = a + direction * step;
    const fb = f(b);
    if (fa > 0 !== fb > 0) {
      return direction > 0
        ? rootBetween(f, a, fa, b, fb, error)
        : rootBetween(f, b, fb, a, fa, error);
    }
    [a, fa] = [b, fb];
  }
  return NaN;
}

/** Return how far from an optimum, in one direction, a loss first exceeds a level. */
function distanceToLevel(f, least, level, longest) {
  if (!(level > least) || !(longest > 0)) return 0;
  if (level === Infinity) return longest;
  // The root of the excess over the least loss is almost linear in the distance.
  const target = Math.sqrt(level - least);
  const excess = (distance) => {
    const above = orInfinite(f(distance)) - least;
    return Math.min(above > 0 ? Math.sqrt(above) : 0, 2 * HUGE) - target;
  };
  let [a, fa] = [0, -target];
  while (a < longest) {
    const b = Math.min(a + RANGE_STEP, longest);
    const fb = excess(b);
    if (fb > 0) return rootBetween(excess, a, fa, b, fb, RANGE_ERROR);
    [a, fa] = [b, fb];
  }
  return longest;
}

/** Return the quantile of numbers that are sorted, interpolated linearly as numpy does. */
function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** Return the median and the ends of the interval of equal tails. */
function summarise(draws, prob) {
  const sorted = Float64Array.from(draws).sort();
  return {
    median: quantile(sorted, 0.5),
    lower: quantile(sorted, (1 - prob) / 2),
    upper: quantile(sorted, (1 + prob) / 2),
  };
}

/**
 * Return the runs that a budget pays for, as functions of a model's scale.
 *
 * @param functions The cost in JavaScript.
 * @param asked The budget `compute`, the `servedTokens`, and the limits.
 */
function budgetLine(functions, asked) {
  const { logSize, logTraining } = functions;
  const served = asked.servedTokens || 0;
  const logBudget = Math.log(asked.compute);
  const most = Math.log(asked.maxTokens || Infinity);
  const affordable = functions.logTokens([served, logBudget]);
  const withLess = functions.logTokens([served, logBudget + Math.log1p(-functions.waste)]);
  const line = { logBudget, logSize, served, low: LOWEST_SCALE, high: HIGHEST_SCALE };
  line.logTokens = (scale) => Math.min(affordable(scale), most);
  line.logTokensOfLess = (scale) => Math.min(withLess(scale), most);
  const orNone = (scale) => {
    const found = affordable(scale);
    return Number.isNaN(found) ? -Infinity : found; // serving costs more than the budget
  };
  const lowerHigh = (excess) => {
    line.high = Math.min(line.high, bisect(excess));
  };
  if (served) {
    const logServed = functions.logServed([served]);
    lowerHigh((scale) => logServed(scale) - logBudget);
  }
  if (asked.maxSize) lowerHigh((scale) => logSize(scale) - Math.log(asked.maxSize));
  if (asked.maxTokens) line.low = bisect((scale) => most - orNone(scale));
  if (asked.minRatio) {
    const ratio = Math.log(asked.minRatio);
    lowerHigh((scale) => ratio + logSize(scale) - orNone(scale));
    if (asked.maxTokens) lowerHigh((scale) => logSize(scale) + ratio - most);
  }
  line.unspent = Boolean(asked.maxTokens) && line.low > line.high;
  line.usual = bisect(
    (scale) => LOG_USUAL_RATIO + logSize(scale) + logTraining(scale) - logBudget,
  );
  return line;
}

/**
 * Return a planner.
 *
 * @param data Numbers of the fit, from Python: `draws` (an array a parameter), `errors` (one
 *   standard normal a draw, or null), `seen` (the
 *   smallest and largest `training`, `size` and `tokens` of the runs), `errorPerDecade`, `oneMinimum` (whether the
 *   loss along a budget has one minimum), `perplexity`, `waste` and `prob`.
 * @param functions The law and its cost, translated from Python: `loss` of log size and log
 *   tokens; along a budget, by scale, `lossAlong` and its derivative `slopeAlong`; and of the cost
 *   `logSize`, `logTraining`, `logTableTraining`, `logServed` and `logTokens`.
 */
function createPlanner(data, functions) {
  const count = data.draws[0].length;

  function parametersOf(draw, inputs) {
    const fixed = new Array(data.draws.length + inputs.length);
    for (let place = 0; place < data.draws.length; place += 1) {
      fixed[place] = data.draws[place][draw];
    }
    for (let place = 0; place < inputs.length; place += 1) {
      fixed[data.draws.length + place] = inputs[place];
    }
    return fixed;
  }

  /** Return the loss in the user's unit, with the law's own error beyond the runs. */
  function reported(loss, draw, logSize, logTokens) {
    let shifted = loss;
    if (data.errors !== null) {
      const logCompute = functions.logTableTraining(logSize) + logTokens;
      const decades = Math.max((logCompute - Math.log(data.seen.training[1])) / Math.LN10, 0);
      shifted *= Math.exp(data.errorPerDecade * decades * data.errors[draw]);
    }
    return data.perplexity ? Math.exp(shifted) : shifted;
  }

  /** Return the scale of least loss along a budget, without limits; NaN if there is none. */
  function bestScale(fixed, line, guess) {
    const along = [...fixed, line.served, line.logBudget];
    const slope = functions.slopeAlong(along);
    const slopeOrOne = (scale) => {
      const found = slope(scale);
      return Number.isNaN(found) ? 1 : found; // no tokens are left: the model is too large
    };
    if (data.oneMinimum) return rootFrom(slopeOrOne, guess, SCALE_ERROR);
    const near = nearestGridMinimum(functions.lossAlong(along), line.usual);
    if (Number.isNaN(near)) return NaN;
    const [low, high] = [near - GRID_STEP, near + GRID_STEP];
    return rootBetween(slopeOrOne, low, slopeOrOne(low), high, slopeOrOne(high), SCALE_ERROR);
  }

  /** Return every few draws of the best run, and of the sizes that are nearly as good. */
  function answer(asked, every) {
    const line = budgetLine({ ...functions, waste: data.waste }, asked);
    const found = {};
    for (const name of ["size", "tokens", "ratio", "loss", "smallest", "largest"]) {
      found[name] = new Float64Array(Math.ceil(count / every));
    }
    let guess = line.usual;
    let lost = 0;
    for (let draw = 0, place = 0; draw < count; draw += every, place += 1) {
      const fixed = parametersOf(draw, asked.inputs);
      const loss = functions.loss(fixed);
      const free = bestScale(fixed, line, guess);
      if (Number.isNaN(free)) lost += 1;
      else guess = free;
      const scale = Math.min(Math.max(free, line.low), line.high);
      const logSize = line.logSize(scale);
      const logTokens = line.logTokens(scale);
      const least = loss(logSize, logTokens);
      const level = orInfinite(loss(logSize, line.logTokensOfLess(scale)));
      const at = (other) => loss(line.logSize(other), line.logTokens(other));
      const longest = (room) => Math.min(Math.max(room, 0), LONGEST_RANGE);
      const down = longest(scale - line.low);
      const up = longest(line.high - scale);
      const smaller = distanceToLevel((step) => at(scale - step), least, level, down);
      const larger = distanceToLevel((step) => at(scale + step), least, level, up);
      found.size[place] = Math.exp(logSize);
      found.tokens[place] = Math.exp(logTokens);
      found.ratio[place] = Math.exp(logTokens - logSize);
      found.loss[place] = reported(least, draw, logSize, logTokens);
      found.smallest[place] = Math.exp(line.logSize(scale - smaller));
      found.largest[place] = Math.exp(line.logSize(scale + larger));
    }
    return { draws: found, lost: lost / found.size.length, unspent: line.unspent };
  }

  /**
   * Return medians and intervals of the best run and of the range of sizes, and the training
   * compute of the median run.
   *
   * @param every Use each draw (1), or every few draws for a quick answer.
   */
  function summary(asked, every = 1) {
    const { draws, lost, unspent } = answer(asked, every);
    const found = { lost, unspent };
    for (const name of Object.keys(draws)) {
      if (!lost) found[name] = summarise(draws[name], data.prob);
    }
    if (!lost) {
      const [logSize, logTokens] = [Math.log(found.size.median), Math.log(found.tokens.median)];
      found.training = Math.exp(functions.logTableTraining(logSize) + logTokens);
    }
    return found;
  }

  /** Return, for each size, the median and the interval of the loss of a run of the budget. */
  function curve(asked, logSizes, most) {
    const line = budgetLine({ ...functions, waste: data.waste }, asked);
    const step = Math.max(1, Math.floor(count / most));
    const runs = logSizes.map((logSize) => {
      const scale = bisect((each) => line.logSize(each) - logSize);
      return [logSize, line.logTokens(scale), []];
    });
    for (let draw = 0; draw < count; draw += step) {
      const loss = functions.loss(parametersOf(draw, asked.inputs));
      for (const [logSize, logTokens, losses] of runs) {
        losses.push(reported(loss(logSize, logTokens), draw, logSize, logTokens));
      }
    }
    return runs.map(([, , losses]) => summarise(losses, data.prob));
  }

  return { summary, curve, count };
}
