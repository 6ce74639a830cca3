// The picture under the pointer: hover, drag, wheel, the strip; what is under it in words.

class Pointer {
  constructor(picture, tip, choose) {
    this.picture = picture;
    this.tip = tip;
    this.choose = choose;
    this.drag = null;
    const canvas = picture.canvas;
    canvas.addEventListener('pointerdown', (e) => this._down(e));
    canvas.addEventListener('pointermove', (e) => this._move(e));
    canvas.addEventListener('pointerup', (e) => this._up(e));
    canvas.addEventListener('pointercancel', () => { this.drag = null; });
    canvas.addEventListener('pointerleave', () => this._leave());
    canvas.addEventListener('dblclick', (e) => this._zoomIn(e));
    canvas.addEventListener('wheel', (e) => this._wheel(e), { passive: false });
  }

  _down(e) {
    if (e.button !== 0 || !this.picture.test) return;
    this.picture.canvas.setPointerCapture(e.pointerId);
    const inStrip = e.offsetY < STRIP;
    this.drag = { x: e.offsetX, start: this.picture.start, end: this.picture.end, inStrip, moved: false };
    if (inStrip) this._toStrip(e.offsetX);
  }

  _toStrip(x) {
    const picture = this.picture, at = ((x - GUTTER) / picture.plot) * picture.test.length;
    const half = (picture.end - picture.start) / 2;
    picture.view(at - half, at + half);
  }

  _move(e) {
    const picture = this.picture;
    if (!picture.test) return;
    if (this.drag) {
      this.drag.moved = this.drag.moved || Math.abs(e.offsetX - this.drag.x) > 3;
      if (this.drag.inStrip) this._toStrip(e.offsetX);
      else if (this.drag.moved) {
        const by = (this.drag.x - e.offsetX) * picture.perPixel;
        picture.view(this.drag.start + by, this.drag.end + by);
      }
      this.tip.hidden = true;
      return;
    }
    picture.hover = { x: e.offsetX, y: e.offsetY };
    picture.ask();
    this._tell(e);
  }

  _up(e) {
    const drag = this.drag;
    this.drag = null;
    if (!drag || drag.moved || drag.inStrip) return;
    const i = this._under(e.offsetX, e.offsetY, 12);
    if (i >= 0) this.choose(i);
  }

  _leave() {
    this.picture.hover = null;
    this.tip.hidden = true;
    if (this.picture.test) this.picture.ask();
  }

  _zoomIn(e) {
    if (e.offsetY >= STRIP) this.picture.zoom(0.25, Math.max(GUTTER, e.offsetX));
  }

  _wheel(e) {
    if (!this.picture.test) return;
    e.preventDefault();
    const lines = e.deltaMode === 1 ? 16 : 1;
    if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      this.picture.move(((e.deltaX || e.deltaY) * lines) / this.picture.plot);
    } else this.picture.zoom(Math.exp(Math.max(-1, Math.min(1, e.deltaY * lines * 0.0022))), Math.max(GUTTER, e.offsetX));
  }

  _under(x, y, reach) {
    const picture = this.picture, row = picture.row(y);
    if (row < 0 || x < GUTTER) return -1;
    const i = picture.marks[row].nearest(picture.time(x - 1));
    return i >= 0 && Math.abs(picture.x(picture.test.time[i]) - x + 1) <= reach ? i : -1;
  }

  _bar(x, y) {
    const picture = this.picture, row = picture.row(y), at = picture.time(x);
    if (row < 0 || x < GUTTER) return null;
    const under = picture.test.spans.filter(([lane, began, ended]) => lane === row && began <= at && at <= (ended ?? picture.test.length));
    return under.find((bar) => !bar[5]) || null;
  }

  _tell(e) {
    const test = this.picture.test, i = this._under(e.offsetX, e.offsetY, 8), bar = i < 0 ? this._bar(e.offsetX, e.offsetY) : null;
    this.tip.hidden = i < 0 && !bar;
    if (i >= 0) {
      this.tip.replaceChildren(
        make('b', {}, test.what(i)), make('span', { class: 'quiet' }, seconds(test.time[i], 1)),
        make('span', { class: 'tip-text' }, test.line(i, 600)));
    } else if (bar) {
      const last = bar[2] === null ? test.length : bar[2];
      this.tip.replaceChildren(
        make('b', {}, bar[4]), make('span', { class: 'quiet' }, seconds(bar[1]) + ' + ' + span(last - bar[1]) + (bar[2] === null ? ' and on' : '')));
    } else return;
    const box = this.tip.getBoundingClientRect(), room = this.picture.width;
    this.tip.style.left = Math.max(4, Math.min(e.offsetX + 14, room - box.width - 4)) + 'px';
    this.tip.style.top = e.offsetY + 18 + 'px';
  }
}
