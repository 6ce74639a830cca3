// The first page: which verdicts and scenarios the matrix shows, and the keys that move in it.

const SIGNS = { FAIL: '✕', ERROR: '⚡', flaky: '≈', quarantined: 'Q', WARN: '!', pass: '✓', 'n/a': '–', unfinished: '…', retried: '↻' };

class Overview {
  constructor() {
    this.table = byId('matrix');
    this.cells = [...this.table.querySelectorAll('td a, th a')];
    this.hidden = new Set();
    this._focus(this.cells[0]);
    this.table.addEventListener('keydown', (e) => this._key(e));
    this.table.addEventListener('focusin', (e) => this._focus(e.target.closest('td a, th a')));
    byId('scenario-filter').addEventListener('input', () => this.filter());
    for (const button of document.querySelectorAll('.count')) button.addEventListener('click', () => this._toggle(button));
  }

  // The numbers of the tests that share a cell with this one.
  siblings(number) {
    const found = this.cells.map((cell) => cell.dataset.tests.split(' ').map(Number)).find((tests) => tests.includes(number));
    return found || [number];
  }

  cellOf(number) {
    return this.cells.find((cell) => cell.dataset.tests.split(' ').includes(String(number)));
  }

  rows() { return [...this.table.tBodies].flatMap((body) => [...body.rows]); }

  // A click shows that verdict alone; on the only one shown, all of them again.
  _toggle(button) {
    const all = [...document.querySelectorAll('.count')], alone = all.every((other) => (other === button) === (other.getAttribute('aria-pressed') === 'true'));
    for (const other of all) other.setAttribute('aria-pressed', String(alone || other === button));
    this.hidden = new Set(all.filter((other) => other.getAttribute('aria-pressed') === 'false').map((other) => other.dataset.verdict));
    this.filter();
  }

  filter() {
    const words = byId('scenario-filter').value.trim().toLowerCase();
    let shown = 0;
    for (const row of this.rows()) {
      const cells = [...row.querySelectorAll('td a')], verdicts = !row.closest('.outside');
      for (const cell of cells) cell.classList.toggle('dim', this.hidden.has(cell.dataset.verdict));
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(words) || (verdicts ? cells.every((cell) => this.hidden.has(cell.dataset.verdict)) : this.hidden.size > 0);
      shown += row.hidden ? 0 : 1;
    }
    byId('matrix-empty').hidden = shown > 0;
  }

  _focus(cell) {
    if (!cell) return;
    for (const other of this.cells) other.tabIndex = other === cell ? 0 : -1;
  }

  _key(e) {
    const cell = e.target.closest('td a, th a'), by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    if (!cell || !by || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    const rows = this.rows().filter((row) => !row.hidden);
    let y = rows.indexOf(cell.closest('tr')), x = cell.closest('td, th').cellIndex;
    for (y += by[0], x += by[1]; y >= 0 && y < rows.length && x >= 0 && x < rows[y].cells.length; y += by[0], x += by[1]) {
      const next = rows[y].cells[x].querySelector('a');
      if (next) return next.focus();
    }
  }
}
