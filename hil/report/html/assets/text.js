// Text from devices is hostile: it gets into the page as text alone, and what would not show is shown as an escape.
// hil/report/legible.py does the same for all that is plain HTML.

const COLOURS = /\x1b\[[0-9;:]*m/g;
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Co}\u2028\u2029\ufeff\u00ad]/gu;

function escaped(character) {
  const code = character.codePointAt(0);
  if (code < 0x100) return '\\x' + code.toString(16).padStart(2, '0');
  return code < 0x10000 ? '\\u' + code.toString(16).padStart(4, '0') : '\\U' + code.toString(16).padStart(8, '0');
}

function legible(text, keep = '') {
  if (/^[ -~]*$/.test(text)) return text;
  return text.replace(COLOURS, '').replace(HIDDEN, (c) => (keep.includes(c) ? c : escaped(c)));
}

const byId = (id) => document.getElementById(id);

// An element with attributes and children; a string child is text.
function make(name, attributes, ...children) {
  const found = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'text') found.textContent = legible(String(value), '\n\t');
    else if (key.startsWith('on')) found.addEventListener(key.slice(2), value);
    else found.setAttribute(key, value === true ? '' : legible(String(value), '\n'));
  }
  for (const child of children.flat(Infinity)) if (child) found.append(typeof child === 'string' ? legible(child, '\n\t') : child);
  return found;
}

// Microseconds for people; `step` is the smallest difference that matters.
function seconds(micro, step = 1000) {
  const digits = step >= 1e6 ? 0 : step >= 1e5 ? 1 : step >= 1e4 ? 2 : step >= 1000 ? 3 : step >= 100 ? 4 : step >= 10 ? 5 : 6;
  return (micro / 1e6).toFixed(digits) + ' s';
}

function span(micro) {
  if (micro < 1000) return Math.round(micro) + ' µs';
  if (micro < 999500) return (micro / 1000).toFixed(micro < 10000 ? 1 : 0) + ' ms';
  if (micro < 6e7) return (micro / 1e6).toFixed(1) + ' s';
  return Math.floor(micro / 6e7) + ' min ' + Math.round((micro % 6e7) / 1e6) + ' s';
}

function clock(wall) {
  return new Date(wall * 1000).toISOString().replace('T', ' ').replace('Z', ' UTC');
}
