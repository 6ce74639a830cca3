// The events of one lane of the picture, and how to draw them at any scale in time that grows with the width alone:
// from pixel to pixel by binary search, with running counts for what is between.

class Marks {
  constructor(test, row, mask) {
    let n = 0;
    for (let i = 0; i < test.count; i++) if (test.lane[i] === row && (!mask || mask[i])) n++;
    this.index = new Uint32Array(n);
    this.time = new Float64Array(n);
    this.odd = new Uint32Array(n + 1);
    this.bad = new Uint32Array(n + 1);
    for (let i = 0, j = 0; i < test.count; i++) {
      if (test.lane[i] !== row || (mask && !mask[i])) continue;
      this.index[j] = i;
      this.time[j] = test.time[i];
      this.odd[j + 1] = this.odd[j] + (test.tone[i] === ODD ? 1 : 0);
      this.bad[j + 1] = this.bad[j] + (test.tone[i] === BAD ? 1 : 0);
      j++;
    }
    this.count = n;
  }

  // The pixel columns that have events, as [x, from, to]: those of [from, to).
  columns(start, perPixel, width) {
    const found = [];
    let at = lowerBound(this.time, start - perPixel, 0, this.count);
    while (at < this.count) {
      const x = Math.floor((this.time[at] - start) / perPixel);
      if (x > width) break;
      const to = this._past(at, start + (x + 1) * perPixel);
      found.push([x, at, to]);
      at = to;
    }
    return found;
  }

  // The first index after `at` whose time is `time` or later; found by doubling, as it is mostly near.
  _past(at, time) {
    let step = 1;
    while (at + step < this.count && this.time[at + step] < time) step *= 2;
    return lowerBound(this.time, time, at + (step >> 1) + (step === 1 ? 1 : 0), Math.min(at + step, this.count));
  }

  // How many of [from, to) are bad, and how many odd.
  tones(from, to) {
    return [this.bad[to] - this.bad[from], this.odd[to] - this.odd[from]];
  }

  // The event nearest to `time`, as an index into the test; -1 without any.
  nearest(time) {
    const after = lowerBound(this.time, time, 0, this.count);
    if (!this.count) return -1;
    if (after === 0) return this.index[0];
    if (after === this.count) return this.index[after - 1];
    return this.index[time - this.time[after - 1] <= this.time[after] - time ? after - 1 : after];
  }
}
