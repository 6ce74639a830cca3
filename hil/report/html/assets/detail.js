// One test: picture, list, diagnosis, the chosen event; all that happens to one of them happens to the others.

class Detail {
  constructor() {
    this.test = null;
    this.tab = 'events';
    this.picture = new Picture(byId('picture'), () => {});
    this.pointer = new Pointer(this.picture, byId('tip'), (i) => this.select(i));
    this.list = new List(byId('list'), (i) => this.select(i));
    byId('p-fit').onclick = () => this.picture.fit();
    byId('p-in').onclick = () => this.picture.zoom(0.5);
    byId('p-out').onclick = () => this.picture.zoom(2);
    byId('p-failure').onclick = () => this.toFailure();
    byId('p-filter').oninput = () => this.refilter();
    byId('p-filter').onkeydown = (e) => { if (e.key === 'Enter' && /^#\d+$/.test(e.target.value.trim())) location.hash = 'event-' + e.target.value.trim().slice(1); };
    byId('picture').addEventListener('keydown', (e) => this._pictureKey(e));
    for (const name of ['events', 'console', 'failure']) byId('tab-' + name).onclick = () => this.showTab(name);
    document.querySelector('.tabs').addEventListener('keydown', (e) => this._tabKey(e));
  }

  show(test, siblings, neighbours) {
    this.test = test;
    byId('p-filter').value = '';
    this.picture.show(test);
    this._head(siblings, neighbours);
    this._lanes();
    this._diagnosis();
    this._notes();
    this._failure();
    this.tellEvent(-1);
    this.list.selected = -1;
    this.list.box.scrollTop = 0;
    this.showTab('events');
    this.refilter();
  }

  // -- what stands above ------------------------------------------------------------------------------------------

  _head(siblings, neighbours) {
    const test = this.test, badge = byId('d-badge');
    badge.hidden = !test.verdict;
    badge.dataset.verdict = test.verdict;
    badge.replaceChildren(make('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[test.verdict] || ''), ' ' + test.verdict);
    byId('d-title').textContent = legible(test.scenario);
    byId('d-board').textContent = legible(test.board);
    byId('d-about').textContent = legible(test.about);
    byId('d-several').replaceChildren(...(siblings.length > 1 ? siblings.map((n, at) =>
      make('a', { href: '#test-' + n, 'aria-current': n === test.number ? 'true' : null, title: 'test ' + (at + 1) + ' of ' + siblings.length }, String(at + 1))) : []));
    const phases = test.phases.map(([when, outcome, took]) => when + ' ' + span(took * 1e6) + (outcome === 'passed' ? '' : ' ' + outcome));
    const said = [test.name, test.place, clock(test.began), ...phases, test.worker, test.count.toLocaleString('en') + ' events'];
    byId('d-facts').textContent = legible(said.filter(Boolean).join('  ·  '));
    const why = test.failures.length ? message(test.failures[0][1]) : test.verdict === 'unfinished' ? 'The run ended before this test did.' : test.reasons.join('; ');
    byId('d-why').hidden = !why;
    byId('d-why').textContent = legible(why, '\n');
    byId('d-why').dataset.verdict = test.verdict;
    for (const [id, n] of [['d-previous', neighbours[0]], ['d-next', neighbours[1]]]) {
      byId(id).disabled = n === null;
      byId(id).onclick = () => { location.hash = 'test-' + n; };
    }
    byId('p-failure').disabled = test.failed === null;
  }

  _lanes() {
    byId('p-lanes').replaceChildren(...this.test.lanes.map((name, row) => make('button', {
      type: 'button', 'aria-pressed': 'true', 'data-lane': name,
      onclick: (e) => {
        this.picture.rows[row] = !this.picture.rows[row];
        e.currentTarget.setAttribute('aria-pressed', String(this.picture.rows[row]));
        this.refilter();
      },
    }, name)));
  }

  // -- filter, tabs ------------------------------------------------------------------------------------------------

  refilter() {
    const filter = parseFilter(byId('p-filter').value), mask = this.test.filtered(filter, this.picture.rows);
    this.picture.filter(mask);
    if (this.tab !== 'failure') this.list.show(this.test, mask, this.tab === 'console');
    this.mask = mask;
    const shown = mask ? mask.reduce((sum, one) => sum + one, 0) : this.test.count;
    const counted = mask ? shown.toLocaleString('en') + ' of ' + this.test.count.toLocaleString('en') : '';
    byId('p-count').textContent = legible(filter.trouble || counted);
  }

  showTab(name) {
    this.tab = name;
    for (const other of ['events', 'console', 'failure']) {
      byId('tab-' + other).setAttribute('aria-selected', String(other === name));
      byId('tab-' + other).tabIndex = other === name ? 0 : -1;
    }
    byId('pane-list').hidden = name === 'failure';
    byId('pane-list').setAttribute('aria-labelledby', 'tab-' + name);
    byId('pane-failure').hidden = name !== 'failure';
    if (name !== 'failure') {
      this.list.box.setAttribute('aria-label', name === 'console' ? 'Console' : 'Events');
      this.list.show(this.test, this.mask, name === 'console');
      this.list.select(this.list.selected);
    }
  }

  _tabKey(e) {
    const names = ['events', 'console', 'failure'].filter((name) => !byId('tab-' + name).hidden);
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!by) return;
    e.preventDefault();
    e.stopPropagation();
    const next = names[(names.indexOf(this.tab) + by + names.length) % names.length];
    this.showTab(next);
    byId('tab-' + next).focus();
  }

  // -- the chosen event --------------------------------------------------------------------------------------------

  select(i) {
    if (i < 0 || i >= this.test.count) return;
    this.picture.selected = i;
    this.picture.reveal(i);
    this.list.select(i);
    this.tellEvent(i);
  }

  // Choose an event, and bring it into the middle.
  goTo(i) {
    if (this.tab === 'failure') this.showTab('events');
    this.select(i);
    this.picture.goTo(this.test.time[i], this.test.length / 4);
  }

  tellEvent(i) {
    const box = byId('event-box'), test = this.test;
    if (i < 0) {
      box.replaceChildren(make('p', { class: 'quiet' }, 'Choose an event in the picture or in the list.'));
      return;
    }
    const rows = Object.entries(test.data(i)).map(([key, value]) => [key, typeof value === 'object' ? JSON.stringify(value, null, 1) : String(value)]);
    const about = [['time', seconds(test.time[i], 1)], ['clock', clock(test.began + test.time[i] / 1e6)], ['number', make('a', { href: '#event-' + test.sequence[i], title: 'A link to this event of timeline.jsonl' }, '#' + test.sequence[i])]];
    box.replaceChildren(
      make('h3', {}, make('span', { class: 'dot', 'data-lane': test.lanes[test.lane[i]] }), test.what(i)),
      make('dl', {}, [...about, ...rows].map(([key, value]) => [make('dt', {}, key), value instanceof Node ? make('dd', {}, value) : make('dd', { text: value })])));
  }

  step(by) {
    if (this.tab === 'failure') this.showTab('events');
    this.list.step(by);
  }

  // The nearest event in the next lane that has one, up or down.
  _changeLane(by) {
    const picture = this.picture, from = picture.selected;
    const time = from < 0 ? (picture.start + picture.end) / 2 : this.test.time[from];
    let row = from < 0 ? (by > 0 ? -1 : this.test.lanes.length) : this.test.lane[from];
    for (row += by; row >= 0 && row < this.test.lanes.length; row += by) {
      const i = picture.marks[row].nearest(time);
      if (i >= 0) return this.select(i);
    }
  }

  _pictureKey(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const act = {
      ArrowLeft: () => this.picture.move(-0.1), ArrowRight: () => this.picture.move(0.1),
      ArrowUp: () => this._changeLane(-1), ArrowDown: () => this._changeLane(1),
      Home: () => this.picture.fit(), PageUp: () => this.picture.move(-0.8), PageDown: () => this.picture.move(0.8),
    }[e.key];
    if (!act) return;
    e.preventDefault();
    act();
  }

  key(key) {
    const act = {
      '+': () => this.picture.zoom(0.5), '=': () => this.picture.zoom(0.5), '-': () => this.picture.zoom(2), 0: () => this.picture.fit(),
      f: () => this.toFailure(), n: () => this.step(1), p: () => this.step(-1),
      '[': () => byId('d-previous').click(), ']': () => byId('d-next').click(),
    }[key];
    if (act) act();
    return Boolean(act);
  }

  toFailure() {
    const test = this.test;
    if (test.failed === null) return;
    const i = Math.min(Math.max(0, lowerBound(test.time, test.failed + 1, 0, test.count) - 1), test.count - 1);
    this.picture.goTo(test.failed, Math.max(test.length / 8, 2e6, i < 0 ? 0 : 2.4 * (test.failed - test.time[i])));
    if (i >= 0) {
      this.list.select(i);
      this.picture.selected = i;
      this.tellEvent(i);
    }
  }

  // -- beside it ---------------------------------------------------------------------------------------------------

  _diagnosis() {
    const test = this.test;
    let number = 0;
    byId('diagnosis').replaceChildren(...(test.diagnoses.length ? [make('h3', {}, 'Diagnosis')] : []), ...test.diagnoses.map((one, rank) => {
      const shown = one.evidence.map(([sequence, words]) => {
        const i = test.at(sequence);
        if (i < 0) return make('li', { class: 'before' }, make('a', { href: '#event-' + sequence, title: 'Open where this was seen' }, '#' + sequence), ' ' + words);
        if (!this.picture.pins.has(i)) this.picture.pins.set(i, ++number);
        return make('li', {}, make('button', { type: 'button', class: 'evidence', title: 'Event #' + sequence + ' of the timeline', onclick: () => this.goTo(i) },
          make('span', { class: 'pin' }, String(this.picture.pins.get(i))), make('span', { class: 'quiet' }, seconds(test.time[i])), ' ' + words));
      });
      return make('details', { class: 'cause', open: rank === 0 },
        make('summary', {}, make('b', {}, one.title), make('span', { class: 'sure' }, Math.round(one.confidence * 100) + ' %')),
        make('p', {}, one.explanation),
        shown.length ? make('ol', { class: 'shown' }, shown) : null,
        one.against.map((words) => make('p', { class: 'against' }, 'Against it: ' + words)),
        one.next.length ? make('p', { class: 'quiet' }, 'Look at next:') : null,
        make('ul', {}, one.next.map((words) => make('li', {}, words))),
        make('code', { class: 'slug' }, one.cause));
    }));
  }

  _notes() {
    const test = this.test, blocks = [['Warnings', test.warnings], ['Findings', test.findings], [test.verdict === 'n/a' ? 'Not applicable' : 'Why it counts as it does', test.reasons]];
    byId('d-notes').replaceChildren(...blocks.filter(([, words]) => words.length).map(([heading, words]) =>
      make('section', {}, make('h3', {}, heading), make('ul', {}, words.map((one) => make('li', {}, one))))));
  }

  _failure() {
    const test = this.test, parts = [...test.failures.map(([when, words]) => ['Failed in ' + when, words]), ...test.sections];
    byId('tab-failure').hidden = !parts.length;
    byId('pane-failure').replaceChildren(...parts.map(([title, words]) => [make('h3', {}, title), failureText(words)]).flat());
  }
}

// What pytest marks as the error: the first line that begins with an E, or else the last line.
function message(failure) {
  const lines = failure.trim().split('\n');
  const marked = lines.find((line) => line.startsWith('E  '));
  return (marked ? marked.slice(1).trim() : lines.pop()).replace(/^(?:[a-z_]\w*\.)+(?=[A-Z]\w*: )/, '').slice(0, 1000);
}

function failureText(words) {
  return make('pre', {}, words.split('\n').map((line) =>
    make('span', { class: line.startsWith('E ') ? 'bad' : line.startsWith('>') ? 'at' : null }, line + '\n')));
}
