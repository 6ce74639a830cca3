// The timeline as a picture: a lane for each witness, what lasts as bars, events as marks, the whole test in a strip.

const GUTTER = 124, STRIP = 40, AXIS = 24, LANE = 40, PAD = 8;
const TOP = STRIP + AXIS;
const CLOSEST = 20; // microseconds across the whole width, at the closest

class Picture {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.changed = changed;
    this.test = null;
    this.hover = null;
    this.selected = -1;
    this.pins = new Map();
    this._asked = 0;
    this._colours = null;
    this._forPrint = false;
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
  }

  show(test) {
    this.test = test;
    this.selected = -1;
    this.hover = null;
    this.pins = new Map();
    this.rows = test.lanes.map(() => true);
    this.filter(null);
    this.start = -test.length * 0.01;
    this.end = test.length * 1.01;
    this.resize();
  }

  filter(mask) {
    this.mask = mask;
    this.marks = this.test.lanes.map((_, row) => new Marks(this.test, row, mask));
    this.strip = null;
    this.ask();
  }

  // -- the view ---------------------------------------------------------------------------------------------------

  get plot() { return Math.max(50, this.width - GUTTER - PAD); }
  get perPixel() { return (this.end - this.start) / this.plot; }
  x(time) { return GUTTER + (time - this.start) / this.perPixel; }
  time(x) { return this.start + (x - GUTTER) * this.perPixel; }
  row(y) { return y < TOP ? -1 : Math.min(Math.floor((y - TOP) / LANE), this.test.lanes.length - 1); }

  view(start, end, slowly = false) {
    const most = this.test.length * 1.2;
    const wide = Math.min(Math.max(end - start, CLOSEST), most);
    let from = (start + end) / 2 - wide / 2;
    from = Math.min(Math.max(from, -this.test.length * 0.1), this.test.length * 1.1 - wide);
    if (slowly && !matchMedia('(prefers-reduced-motion: reduce)').matches) this._glide(from, from + wide);
    else this._set(from, from + wide);
  }

  _set(start, end) {
    this._gliding = 0;
    this.start = start;
    this.end = end;
    this.ask();
    this.changed();
  }

  _glide(start, end) {
    const from = [this.start, this.end], begun = performance.now(), turn = (this._gliding = (this._gliding || 0) + 1);
    const step = (now) => {
      if (this._gliding !== turn) return;
      const part = Math.min(1, (now - begun) / 180), eased = 1 - (1 - part) ** 3;
      this.start = from[0] + (start - from[0]) * eased;
      this.end = from[1] + (end - from[1]) * eased;
      this.ask();
      if (part < 1) requestAnimationFrame(step);
      else this.changed();
    };
    requestAnimationFrame(step);
  }

  zoom(factor, x = null) {
    const still = x === null ? this._middle() : this.time(x);
    this.view(still - (still - this.start) * factor, still + (this.end - still) * factor, x === null);
  }

  _middle() {
    const chosen = this.selected >= 0 ? this.test.time[this.selected] : NaN;
    return chosen >= this.start && chosen <= this.end ? chosen : (this.start + this.end) / 2;
  }

  move(share) {
    const by = (this.end - this.start) * share;
    this.view(this.start + by, this.end + by);
  }

  fit() { this.view(-this.test.length * 0.01, this.test.length * 1.01, true); }

  // Bring a moment into the middle, no wider than `wide` microseconds.
  goTo(time, wide = Infinity) {
    const half = Math.min(this.end - this.start, wide) / 2;
    this.view(time - half, time + half, true);
  }

  reveal(i) {
    const at = this.test.time[i], edge = (this.end - this.start) * 0.03;
    if (at < this.start + edge || at > this.end - edge) this.goTo(at);
    else this.ask();
  }

  // -- drawing ----------------------------------------------------------------------------------------------------

  resize() {
    if (!this.test) return;
    this.width = Math.max(300, this.canvas.parentElement.clientWidth);
    this.height = TOP + this.test.lanes.length * LANE + PAD;
    const ratio = Math.max(this._forPrint ? 2 : 1, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.width = this.width + 'px';
    this.canvas.style.height = this.height + 'px';
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.strip = null;
    this.draw();
  }

  recolour(forPrint = false) {
    this._colours = null;
    this._forPrint = forPrint;
    this.strip = null;
    if (this.test) this.resize();
  }

  // A colour of colours.css as it is now; the scheme decides, so an element has to say.
  colour(name) {
    if (!this._colours) this._colours = new Map();
    if (!this._colours.has(name)) {
      this.canvas.style.color = 'var(--' + name + ')';
      this._colours.set(name, getComputedStyle(this.canvas).color);
    }
    return this._colours.get(name);
  }

  font(size, name = 'sans', weight = '') {
    this._fonts = this._fonts || { sans: '', mono: '' };
    this._fonts[name] = this._fonts[name] || getComputedStyle(this.canvas).getPropertyValue('--' + name);
    return weight + ' ' + size + 'px ' + this._fonts[name];
  }

  ask() {
    if (this._asked) return;
    this._asked = requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (this._asked) cancelAnimationFrame(this._asked);
    this._asked = 0;
    if (!this.test || !this.width) return;
    const c = this.context;
    c.clearRect(0, 0, this.width, this.height);
    this._lanes(c);
    this._axis(c);
    c.save();
    c.beginPath();
    c.rect(GUTTER, STRIP, this.plot, this.height - STRIP);
    c.clip();
    for (const bar of this.test.spans) this._bar(c, bar);
    this.marks.forEach((marks, row) => this._marks(c, marks, row));
    this._moments(c);
    c.restore();
    this._strip(c);
  }

  top(row) { return TOP + row * LANE; }

  _lanes(c) {
    c.font = this.font(12, 'sans');
    c.textBaseline = 'middle';
    this.test.lanes.forEach((name, row) => {
      c.fillStyle = this.colour(row % 2 ? 'lane-b' : 'lane-a');
      c.fillRect(0, this.top(row), this.width, LANE);
      c.fillStyle = this.colour(laneColour(name));
      c.fillRect(0, this.top(row) + 6, 3, LANE - 12);
      c.fillStyle = this.colour(this.rows[row] ? 'text' : 'faint');
      c.fillText(name, 12, this.top(row) + LANE / 2);
      if (!this.marks[row].count && !this.test.spans.some((bar) => bar[0] === row)) {
        c.fillStyle = this.colour('faint');
        c.fillText(!this.rows[row] ? 'not shown' : this.mask ? 'nothing fits' : 'nothing', GUTTER + 18, this.top(row) + LANE / 2);
      }
    });
  }

  _axis(c) {
    const step = niceStep((this.end - this.start) / Math.max(2, this.plot / 110));
    c.font = this.font(11, 'sans');
    c.textBaseline = 'middle';
    for (let tick = Math.ceil(this.start / step) * step; tick <= this.end; tick += step) {
      const x = Math.round(this.x(tick)) + 0.5;
      c.strokeStyle = this.colour('grid');
      c.beginPath();
      c.moveTo(x, TOP - 5);
      c.lineTo(x, this.height);
      c.stroke();
      c.fillStyle = this.colour('quiet');
      const words = seconds(tick, step), wide = c.measureText(words).width, left = Math.min(x + 4, this.width - wide - 2);
      const failed = this.test.failed === null ? -Infinity : this.x(this.test.failed); // its tag would lie upon this
      if (Math.abs(left + wide / 2 - failed) > wide / 2 + 24) c.fillText(words, left, STRIP + AXIS / 2);
    }
  }

  _bar(c, [row, began, ended, tone, label, part]) {
    if (!this.rows[row]) return;
    const last = ended === null ? this.test.length : ended;
    if (last < this.start || began > this.end) return;
    const x0 = Math.max(GUTTER - 4, this.x(began)), x1 = Math.min(this.width + 4, this.x(last));
    const y = this.top(row) + (part ? LANE - 7 : 3), high = part ? 4 : LANE - 6, wide = Math.max(2, x1 - x0);
    c.fillStyle = this.colour('bar-' + (tone === PLAIN ? 'plain' : tone === GOOD ? 'good' : tone === ODD ? 'odd' : 'bad'));
    c.globalAlpha = part ? 0.9 : 1;
    c.beginPath();
    c.roundRect(x0, y, wide, high, part ? 2 : 4);
    c.fill();
    c.globalAlpha = 1;
    const seen = Math.max(x0, GUTTER);
    if (part || x1 - seen < 34) return;
    c.save();
    c.beginPath();
    c.rect(seen, y, x1 - seen - 4, high);
    c.clip();
    c.font = this.font(11, 'sans');
    c.fillStyle = this.colour('bar-text');
    c.fillText(legible(label), seen + 6, y + 7);
    c.restore();
  }

  // A mark for each column; where many are in one, higher for more, with the share of bad and odd ones on top.
  _marks(c, marks, row) {
    const columns = marks.columns(this.start, this.perPixel, this.plot);
    const most = columns.reduce((top, [, from, to]) => Math.max(top, to - from), 1);
    const middle = this.top(row) + LANE / 2 + 5, base = this.colour(laneColour(this.test.lanes[row]));
    let signed = -99;
    for (const [x, from, to] of columns) {
      const many = to - from, high = most === 1 ? 14 : 11 + 15 * Math.sqrt(many / most), top = middle - high / 2;
      const [bad, odd] = marks.tones(from, to);
      c.fillStyle = base;
      c.fillRect(GUTTER + x, top, 2, high);
      if (!bad && !odd) continue;
      const red = bad ? Math.max(3, (high * bad) / many) : 0, amber = odd ? Math.max(3, (high * odd) / many) : 0;
      c.fillStyle = this.colour('odd');
      c.fillRect(GUTTER + x, top, 2, Math.min(high, red + amber));
      c.fillStyle = this.colour(bad ? 'bad' : 'odd');
      c.fillRect(GUTTER + x, top, 2, red || amber);
      if (x - signed < 9) continue;
      this._sign(c, GUTTER + x + 1, top - 3, bad ? BAD : ODD);
      signed = x;
    }
    if (columns.length <= this.plot / 24) this._labels(c, marks, row, columns, middle);
  }

  // What is bad or odd has a form as well as a colour.
  _sign(c, x, y, tone) {
    c.beginPath();
    if (tone === BAD) {
      c.moveTo(x - 4, y - 3);
      c.lineTo(x + 4, y - 3);
      c.lineTo(x, y + 3);
    } else c.arc(x, y, 2.2, 0, 7);
    c.fill();
  }

  _labels(c, marks, row, columns, middle) {
    c.font = this.font(11, 'mono');
    columns.forEach(([x, from, to], n) => {
      const room = (n + 1 < columns.length ? columns[n + 1][0] : this.plot) - x - 10, many = to - from;
      if (room < 22) return;
      const i = marks.index[from];
      const words = many > 1 ? '×' + many : row === this.test.consoleRow ? this.test.line(i, 160) : kindWords(this.test, i);
      c.save();
      c.beginPath();
      c.rect(GUTTER + x + 5, middle - LANE / 2, room, LANE);
      c.clip();
      c.fillStyle = this.colour('label');
      c.fillText(words, GUTTER + x + 6, middle);
      c.restore();
    });
  }

  _moments(c) {
    if (this.test.failed !== null) this._line(c, this.x(this.test.failed), 'bad', this._failedWords(), [5, 3]);
    if (this.hover && this.hover.x >= GUTTER && this.hover.x <= GUTTER + this.plot) {
      this._line(c, this.hover.x, 'faint', seconds(this.time(this.hover.x), this.perPixel), [2, 3]);
    }
    for (const [i, number] of this.pins) this._pin(c, i, number);
    if (this.selected >= 0) {
      const x = this.x(this.test.time[this.selected]), y = this.top(this.test.lane[this.selected]);
      this._line(c, x, 'accent', '', []);
      c.strokeStyle = this.colour('accent');
      c.lineWidth = 2;
      c.strokeRect(x - 5, y + 13, 12, LANE - 15);
      c.lineWidth = 1;
    }
  }

  // With an arrow where the moment of failure is not in sight: the tag stays at the edge behind which it lies.
  _failedWords() {
    const words = ['', 'unfinished'].includes(this.test.verdict) ? 'run ended' : 'failed', at = this.test.failed;
    return at < this.start ? '← ' + words : at > this.end ? words + ' →' : words;
  }

  _line(c, x, colour, words, dashes) {
    c.strokeStyle = this.colour(colour);
    c.setLineDash(dashes);
    c.beginPath();
    c.moveTo(Math.round(x) + 0.5, STRIP + 2);
    c.lineTo(Math.round(x) + 0.5, this.height);
    c.stroke();
    c.setLineDash([]);
    if (!words) return;
    c.font = this.font(11, 'sans');
    const wide = c.measureText(words).width + 10, left = Math.min(Math.max(x - wide / 2, GUTTER), GUTTER + this.plot - wide);
    c.fillStyle = this.colour(colour === 'faint' ? 'tag' : colour);
    c.beginPath();
    c.roundRect(left, STRIP + 3, wide, 17, 4);
    c.fill();
    c.fillStyle = this.colour(colour === 'faint' ? 'text' : 'on-' + colour);
    c.fillText(words, left + 5, STRIP + 12);
  }

  _pin(c, i, number) {
    const x = this.x(this.test.time[i]), y = this.top(this.test.lane[i]) + LANE - 8;
    if (x < GUTTER - 10 || x > this.width + 10) return;
    c.fillStyle = this.colour('pin');
    c.beginPath();
    c.arc(x + 1, y, 7, 0, 7);
    c.fill();
    c.fillStyle = this.colour('on-pin');
    c.font = this.font(10, 'sans', 'bold');
    c.textAlign = 'center';
    c.fillText(String(number), x + 1, y + 0.5);
    c.textAlign = 'left';
  }

  // The whole test, small; drawn once, and then copied.
  _strip(c) {
    if (!this.strip) this.strip = this._drawnStrip();
    c.drawImage(this.strip, 0, 0, this.width, STRIP);
    const scale = this.plot / this.test.length, x0 = GUTTER + this.start * scale, x1 = GUTTER + this.end * scale;
    const left = Math.min(Math.max(x0, GUTTER), GUTTER + this.plot), right = Math.max(Math.min(x1, GUTTER + this.plot), left + 2);
    c.fillStyle = this.colour('veil');
    c.fillRect(GUTTER, 4, left - GUTTER, STRIP - 8);
    c.fillRect(right, 4, GUTTER + this.plot - right, STRIP - 8);
    c.strokeStyle = this.colour('accent');
    c.strokeRect(left + 0.5, 4.5, Math.max(2, right - left - 1), STRIP - 9);
    if (this.test.failed !== null) {
      c.fillStyle = this.colour('bad');
      c.fillRect(GUTTER + this.test.failed * scale - 1, 2, 2, STRIP - 4);
    }
  }

  _drawnStrip() {
    const made = document.createElement('canvas'), ratio = this.canvas.width / this.width;
    made.width = Math.round(this.width * ratio);
    made.height = Math.round(STRIP * ratio);
    const c = made.getContext('2d'), high = (STRIP - 10) / this.test.lanes.length;
    c.scale(ratio, ratio);
    c.fillStyle = this.colour('lane-b');
    c.fillRect(GUTTER, 4, this.plot, STRIP - 8);
    this.marks.forEach((marks, row) => {
      const base = this.colour(laneColour(this.test.lanes[row]));
      const bar = Math.max(1.5, high - 0.5);
      for (const [x, from, to] of marks.columns(0, this.test.length / this.plot, this.plot)) {
        c.fillStyle = base;
        c.fillRect(GUTTER + x, 5 + row * high, 1.5, bar);
        const bad = marks.tones(from, to)[0];
        if (!bad) continue;
        c.fillStyle = this.colour('bad');
        c.fillRect(GUTTER + x, 5 + row * high, 1.5, Math.max(1, (bar * bad) / (to - from)));
      }
    });
    c.font = this.font(11, 'sans');
    c.textBaseline = 'middle';
    c.fillStyle = this.colour('quiet');
    c.fillText(this.test.verdict ? 'whole test' : 'whole run', 12, STRIP / 2);
    return made;
  }
}

const laneColour = (name) => 'lane-' + name.replaceAll(' ', '-').toLowerCase();

function kindWords(test, i) {
  const kind = test.kinds[test.kind[i]];
  const data = test.data(i);
  const about = data.topic ?? data.name ?? data.mode ?? data.client_id ?? data.reason ?? data.cause ?? data.text ?? '';
  return legible(kind[1] + (about === '' ? '' : ' ' + short(about)).slice(0, 90));
}

// A step of 1, 2 or 5 times a power of ten that is at least `least`.
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= least);
}
