// Numbers for the eye, written as reports/quantity.py writes them.
const NO_BREAK = "\u00a0";
const THIN = "\u202f";
const NOTHING = "\u2013";
const DIGITS = 3;
const SETTING_DIGITS = 6;
const EXACT_BELOW = 10000;
const PREFIXES = ["a", "f", "p", "n", "\u00b5", "m", "", "k", "M", "G", "T"];
const FIRST_EXPONENT = -18;
const LAST_EXPONENT = 12;
const MORE_DIGITS = 30; // beyond these no double differs from a tie

function exponentOf(value) {
  return Number(value.toExponential().split("e")[1]);
}

// Digits behind the point, a tie to the even digit.
function fixed(value, places) {
  const exact = value.toFixed(places + MORE_DIGITS);
  const kept = exact.slice(0, -MORE_DIGITS).replace(/\.$/, "");
  const tie = /^50*$/.test(exact.slice(-MORE_DIGITS));
  return tie && "02468".includes(kept.at(-1)) ? kept : value.toFixed(places);
}

function rounded(value, digits = DIGITS) {
  if (value === 0) return "0";
  let places = Math.min(digits - 1 - exponentOf(value), 60);
  if (places > 0 && Number(fixed(Math.abs(value), places)) >= Number(`1e${digits - places}`)) places -= 1;
  return fixed(value, Math.max(places, 0));
}

function withUnit(number, unit) {
  return unit ? number + NO_BREAK + unit : number;
}

function si(value, unit) {
  if (value === 0 || unit === "mm\u00b2") return withUnit(rounded(value), unit);
  let exponent = 3 * Math.floor(exponentOf(value) / 3);
  exponent = Math.min(Math.max(exponent, FIRST_EXPONENT), LAST_EXPONENT);
  let text = rounded(value / Number(`1e${exponent}`));
  if (Number(text) >= 1000 && exponent < LAST_EXPONENT) {
    exponent += 3;
    text = rounded(value / Number(`1e${exponent}`));
  }
  return withUnit(text, PREFIXES[(exponent - FIRST_EXPONENT) / 3] + unit);
}

function grouped(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, THIN);
}

function setting(value) {
  const text = rounded(value, SETTING_DIGITS);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

// A number in a form: kind and unit as reports.quantity.form gives them.
function written(form, value, whole) {
  if (Number.isNaN(value)) return NOTHING;
  if (form.kind === "close") return fixed(value, 3);
  if (form.kind === "times") return `${rounded(value)}\u00d7`;
  if (form.kind === "share") return fixed(100 * value, 1) + NO_BREAK + "%";
  if (form.kind === "plain") return withUnit(rounded(value), form.unit);
  if (form.kind === "si") return si(value, form.unit);
  if (!whole) return form.kind === "setting" ? setting(value) : rounded(value);
  return form.kind === "exact" || Math.abs(value) < EXACT_BELOW ? grouped(value) : si(value, "");
}

// What somebody types for a number: 1500, 1.5k, 1.5 ms, 12 %; NaN for anything else.
function typed(text, unit) {
  const clean = text.trim().replace(/[\s\u00a0\u202f]/g, "").replace("u", "\u00b5");
  const bare = unit && clean.endsWith(unit) ? clean.slice(0, -unit.length) : clean;
  const found = /^([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)([afpn\u00b5mkMGT%\u00d7]?)$/.exec(bare);
  if (!found) return NaN;
  if (found[2] === "%") return Number(found[1]) / 100;
  const place = PREFIXES.indexOf(found[2] === "\u00d7" ? "" : found[2]);
  return Number(found[1]) * Number(`1e${FIRST_EXPONENT + 3 * place}`);
}
