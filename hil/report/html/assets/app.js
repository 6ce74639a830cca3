// What is shown, by the address: #test-12 or nothing; theme, keys, print.

const overview = new Overview();
const detail = new Detail();
const tests = document.querySelectorAll('script[id^="chunk-"]').length;
let last = null;

async function route() {
  const wanted = /^#test-(\d+)$/.exec(location.hash);
  const test = wanted ? await unpack(Number(wanted[1])) : null;
  if (wanted && location.hash !== wanted[0]) return; // somebody was quicker
  byId('overview').hidden = Boolean(test);
  byId('detail').hidden = !test;
  if (test) {
    const n = test.number;
    last = n;
    detail.show(test, overview.siblings(n), [n > 0 ? n - 1 : null, n + 1 < tests ? n + 1 : null]);
    scrollTo(0, 0);
    byId('d-title').focus({ preventScroll: true });
    document.documentElement.dataset.test = n;
  } else {
    delete document.documentElement.dataset.test;
    const cell = last === null ? null : overview.cellOf(last);
    if (cell) cell.focus();
  }
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
