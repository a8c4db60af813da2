// Numbers as people write and read them.

const SUFFIXES = { K: 1e3, M: 1e6, B: 1e9, G: 1e9, T: 1e12, Q: 1e15 };

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
