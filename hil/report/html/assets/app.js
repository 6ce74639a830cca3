// What is shown, by the address: #test-12, #event-4711 or nothing; theme, keys, print.

const overview = new Overview();
const detail = new Detail();
const blocks = [...document.querySelectorAll('script[id^="chunk-"]')];
let last = null;

async function route() {
  const address = location.hash, [, kind, number] = /^#(test|event)-(\d+)$/.exec(address) || [];
  const [test, at] = kind === 'event' ? await find(Number(number)) : [kind ? await unpack(Number(number)) : null, -1];
  if (location.hash !== address) return; // somebody was quicker
  byId('overview').hidden = Boolean(test);
  byId('detail').hidden = !test;
  byId('no-event').hidden = kind !== 'event' || Boolean(test);
  byId('no-event').textContent = kind === 'event' ? 'There is no event #' + number + ' in this run.' : '';
  if (test) {
    const n = test.number;
    last = n;
    detail.show(test, overview.siblings(n), [n > 0 ? n - 1 : null, n + 1 < blocks.length ? n + 1 : null]);
    scrollTo(0, 0);
    byId('d-title').focus({ preventScroll: true });
    document.documentElement.dataset.test = n;
    if (at >= 0) detail.goTo(at);
  } else {
    delete document.documentElement.dataset.test;
    const cell = last === null ? null : overview.cellOf(last);
    if (cell) cell.focus();
  }
}

// The test that has the event of that number, and the event's index: the one that is open, if it has it.
async function find(sequence) {
  const open = byId('detail').hidden ? null : detail.test;
  if (open && open.at(sequence) >= 0) return [open, open.at(sequence)];
  for (const [n, { dataset }] of blocks.entries()) {
    if (sequence < Number(dataset.first) || sequence > Number(dataset.last)) continue;
    const test = await unpack(n), i = test.at(sequence);
    if (i >= 0) return [test, i];
  }
  return [null, -1];
}

addEventListener('hashchange', route);
byId('d-back').addEventListener('click', (e) => { e.preventDefault(); back(); });

function back() {
  history.pushState(null, '', location.pathname + location.search);
  route();
}

// -- theme ---------------------------------------------------------------------------------------------------------

const THEMES = ['', 'light', 'dark'];

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  byId('theme').textContent = name ? 'Theme: ' + name : 'Theme: system';
  detail.picture.recolour();
}

byId('theme').onclick = () => setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || '') + 1) % THEMES.length]);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => detail.picture.recolour());

// -- print: the picture as it is, in the colours of paper ------------------------------------------------------------

const paper = matchMedia('print');
paper.addEventListener('change', () => detail.picture.recolour(paper.matches));
addEventListener('beforeprint', () => detail.picture.recolour(true));
addEventListener('afterprint', () => detail.picture.recolour(false));

// -- keys ----------------------------------------------------------------------------------------------------------

const help = byId('help');
byId('keys').onclick = () => help.showModal();
byId('help-close').onclick = () => help.close();

addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || help.open) return;
  const typing = e.target.matches('input'), open = !byId('detail').hidden;
  if (e.key === 'Escape') {
    if (typing && e.target.value) {
      e.target.value = '';
      e.target.dispatchEvent(new Event('input'));
    } else if (typing) e.target.blur();
    else if (open) back();
    return;
  }
  if (typing) return;
  if (e.key === '/') byId(open ? 'p-filter' : 'scenario-filter').focus();
  else if (e.key === '?') help.showModal();
  else if (e.key === 't') byId('theme').click();
  else if (!open || !detail.key(e.key)) return;
  e.preventDefault();
});

setTheme('');
await route();
document.documentElement.dataset.ready = 'yes';
