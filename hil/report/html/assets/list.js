// A list of events, of any length: only the rows in sight are in the page.

const ROW = 22;

class List {
  constructor(box, choose) {
    this.box = box;
    this.choose = choose;
    this.test = null;
    this.shown = new Uint32Array(0);
    this.selected = -1;
    this.room = make('div', { class: 'room' });
    box.append(this.room);
    box.addEventListener('scroll', () => this.ask(), { passive: true });
    box.addEventListener('click', (e) => this._click(e));
    box.addEventListener('keydown', (e) => this._key(e));
    new ResizeObserver(() => this.ask()).observe(box);
  }

  show(test, mask, consoleOnly) {
    this.test = test;
    this.consoleOnly = consoleOnly;
    const found = [];
    for (let i = 0; i < test.count; i++) {
      if ((!mask || mask[i]) && (!consoleOnly || test.lane[i] === test.consoleRow)) found.push(i);
    }
    this.shown = Uint32Array.from(found);
    this.room.style.height = this.shown.length * ROW + 'px';
    this.box.classList.toggle('console', consoleOnly);
    this.draw();
  }

  select(i, bring = true) {
    this.selected = i;
    if (bring && i >= 0) {
      const at = lowerBound(this.shown, i, 0, this.shown.length);
      const top = at * ROW, high = this.box.clientHeight;
      if (top < this.box.scrollTop || top > this.box.scrollTop + high - ROW * 2) this.box.scrollTop = top - high / 2;
    }
    this.ask();
  }

  ask() {
    if (this._asked || !this.test) return;
    this._asked = requestAnimationFrame(() => { this._asked = 0; this.draw(); });
  }

  draw() {
    // Rows that are still there from a longer list would keep the box scrolled beyond the end of this one.
    const top = Math.min(this.box.scrollTop, Math.max(0, this.shown.length * ROW - this.box.clientHeight));
    const first = Math.max(0, Math.floor(top / ROW) - 4);
    const last = Math.min(this.shown.length, first + Math.ceil(this.box.clientHeight / ROW) + 8);
    const rows = [];
    for (let at = first; at < last; at++) rows.push(this._row(at));
    if (!this.shown.length) rows.push(make('div', { class: 'none' }, this.consoleOnly ? 'No console line fits.' : 'No event fits.'));
    this.room.replaceChildren(...rows);
    this.box.setAttribute('aria-activedescendant', this.selected >= 0 ? 'row-' + this.selected : '');
  }

  _row(at) {
    const test = this.test, i = this.shown[at], tone = test.tone[i];
    const row = make('div', {
      class: 'row' + (tone === BAD ? ' bad' : tone === ODD ? ' odd' : ''), id: 'row-' + i, role: 'option',
      'aria-selected': i === this.selected ? 'true' : 'false', 'aria-setsize': this.shown.length, 'aria-posinset': at + 1, 'data-i': i,
    },
    make('span', { class: 'when' }, seconds(test.time[i])),
    this.consoleOnly ? null : make('span', { class: 'what', 'data-lane': test.lanes[test.lane[i]] }, test.what(i)),
    make('span', { class: 'text' }, test.line(i)));
    row.style.transform = 'translateY(' + at * ROW + 'px)';
    return row;
  }

  _click(e) {
    const row = e.target.closest('.row');
    if (row && !String(getSelection())) this.choose(Number(row.dataset.i));
  }

  _key(e) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity };
    if (!(e.key in steps) || !this.shown.length) return;
    e.preventDefault();
    e.stopPropagation();
    this.step(steps[e.key]);
  }

  // Select the event so many rows on; the first one where none is selected.
  step(by) {
    if (!this.shown.length) return;
    const at = this.selected < 0 ? -1 : lowerBound(this.shown, this.selected, 0, this.shown.length);
    const there = this.shown[at] === this.selected;
    const next = at + (by > 0 && !there && at >= 0 ? by - 1 : by);
    this.choose(this.shown[Math.min(Math.max(next, 0), this.shown.length - 1)]);
  }
}
