// A test, unpacked from its block in the page: see hil/report/html/chunks.py for the form.

const PLAIN = 0, GOOD = 1, ODD = 2, BAD = 3;
const CONSOLE_LANE = 'console';

async function unpack(number) {
  const block = byId('chunk-' + number);
  if (!block) return null;
  const raw = atob(block.textContent);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Test(number, JSON.parse(await new Response(stream).text()));
}

class Test {
  constructor(number, told) {
    Object.assign(this, told);
    this.number = number;
    this.count = told.t.length;
    this.time = new Float64Array(this.count);
    this.sequence = new Float64Array(this.count);
    this.kind = Uint16Array.from(told.k);
    this.words = Uint32Array.from(told.d);
    this.lane = new Uint8Array(this.count);
    this.tone = new Uint8Array(this.count);
    for (let i = 0, t = 0, s = -1; i < this.count; i++) {
      this.time[i] = t += told.t[i];
      this.sequence[i] = s += told.s[i];
      const kind = told.kinds[told.k[i]];
      this.lane[i] = kind[2];
      this.tone[i] = kind[3];
    }
    this.length = Math.max(told.length, this.count ? this.time[this.count - 1] : 0, 1000);
    this.consoleRow = told.lanes.indexOf(CONSOLE_LANE);
    this._low = null;
  }

  what(i) {
    const kind = this.kinds[this.kind[i]];
    return kind[0] + '.' + kind[1];
  }

  // The event's data: an object, made when somebody looks.
  data(i) {
    const raw = this.texts[this.words[i]];
    if (raw.startsWith('=')) return { text: raw.slice(1) };
    return raw ? JSON.parse(raw) : {};
  }

  // The event's data in one line.
  line(i, most = 400) { return this._said(this.words[i], most); }

  // What text number n says, in one line.
  _said(n, most) {
    const raw = this.texts[n];
    if (raw.startsWith('=')) return legible(raw.slice(1, most + 1));
    if (!raw) return '';
    const said = Object.entries(JSON.parse(raw)).map(([key, value]) => key + '=' + short(value));
    return legible(said.join(' ').slice(0, most));
  }

  // Which events a filter (see filter.js) lets through, on the rows that `rows` shows; null: all.
  filtered(filter, rows) {
    if (filter.number !== undefined) {
      const only = new Uint8Array(this.count), i = this.at(filter.number);
      if (i >= 0) only[i] = 1;
      return only;
    }
    if (rows.every(Boolean) && !filter.terms.length) return null;
    const terms = filter.terms.map((term) => this._asked(term));
    return Uint8Array.from(this.kind, (kind, i) =>
      (rows[this.lane[i]] && terms.every(({ not, kinds, texts }) => (kinds[kind] || texts[this.words[i]]) !== not) ? 1 : 0));
  }

  // The kinds and texts for which a term of a filter holds, asked once and not for each event.
  _asked({ not, word, kind }) {
    if (kind) return { not, kinds: this.kinds.map((one) => kind(one, this.lanes)), texts: this.texts.map(() => false) };
    this._low = this._low || this.texts.map((_, n) => this._said(n, Infinity).toLowerCase());
    const kinds = this.kinds.map((one) => (one[0] + '.' + one[1]).toLowerCase().includes(word));
    return { not, kinds, texts: this._low.map((text) => text.includes(word)) };
  }

  // The index of the event with that sequence number, or -1.
  at(sequence) {
    const i = lowerBound(this.sequence, sequence, 0, this.count);
    return i < this.count && this.sequence[i] === sequence ? i : -1;
  }
}

function short(value) {
  if (value === null || typeof value !== 'object') return String(value);
  if (typeof value.hex === 'string') return value.bytes + ' bytes ' + value.hex.slice(0, 60);
  if (Array.isArray(value)) return '[' + value.map(short).join(', ') + ']';
  return '{' + Object.entries(value).map(([key, inner]) => key + '=' + short(inner)).join(', ') + '}';
}

// The first index in [from, to) whose value is at least `wanted`.
function lowerBound(values, wanted, from, to) {
  while (from < to) {
    const middle = (from + to) >> 1;
    if (values[middle] < wanted) from = middle + 1;
    else to = middle;
  }
  return from;
}
