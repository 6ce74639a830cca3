// The language of filters, as `hil watch` has it (hil/watch/filtering.py): words, "phrases", kind:a,b, is:bad, -not.

const TONES = { plain: PLAIN, good: GOOD, odd: ODD, bad: BAD };
const FIELDS = {
  source: (kind) => kind[0],
  kind: (kind) => kind[1],
  lane: (kind, lanes) => lanes[kind[2]].replaceAll(' ', '-'),
};

// What is typed, as terms of which all have to hold: each looks for a `word`, or asks a `kind` of events; `not` turns
// it round. `number`: of the one event that is meant. `trouble`: why there is nothing to go by, in a line.
function parseFilter(text) {
  const number = /^\s*#(\d+)\s*$/.exec(text);
  if (number) return { terms: [], number: Number(number[1]) };
  const terms = (text.match(/(?:"[^"]*"?|[^\s"])+/g) || []).map((typed) => {
    const not = typed.startsWith('-') && typed.length > 1;
    return { not, ...parseTerm(not ? typed.slice(1) : typed) };
  });
  const trouble = terms.map((term) => term.trouble).find(Boolean);
  return trouble ? { terms: [], trouble } : { terms };
}

function parseTerm(typed) {
  const [, field, values] = /^(source|kind|lane|is):(.*)$/i.exec(typed) || [];
  if (!field) return { word: typed.replaceAll('"', '').toLowerCase() };
  const name = field.toLowerCase(), chosen = values.replaceAll('"', '').toLowerCase().split(',').filter(Boolean);
  if (!chosen.length) return { trouble: 'found ' + typed + ', expected a value behind the colon' };
  if (name === 'is') {
    const unknown = chosen.find((one) => !Object.hasOwn(TONES, one));
    if (unknown) return { trouble: 'found is:' + unknown + ', expected one of bad, odd, good, plain' };
    return { kind: (kind) => chosen.some((one) => TONES[one] === kind[3]) };
  }
  const patterns = chosen.map((one) => new RegExp('^' + one.split('*').map(quoted).join('.*') + '$'));
  return { kind: (kind, lanes) => patterns.some((one) => one.test(FIELDS[name](kind, lanes).toLowerCase())) };
}

const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
