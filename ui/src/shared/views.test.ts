import { beforeEach, expect, it } from 'vitest';
import { allViews, keepViews, sharedViews, tagOf, viewsOf } from './views';

beforeEach(() => localStorage.clear());

it('finds what was kept, of every experiment', () => {
  keepViews('1', [{ name: 'deep', search: { q: "params.depth = '8'" } }]);
  keepViews('2,3', [{ name: 'both', search: {} }]);
  expect(allViews().map(({ experiments, view }) => `${experiments} ${view.name}`)).toEqual(['1 deep', '2,3 both']);
});

it('passes over what no release wrote', () => {
  localStorage.setItem('headrace.views.1', '{"not": "a list"}');
  localStorage.setItem('headrace.views.2', '[null, 3, {"name": "kept"}]');
  localStorage.setItem('headrace.views.4', 'not JSON');
  expect(allViews()).toEqual([{ experiments: '2', view: { name: 'kept', search: {} } }]);
});

it('forgets an experiment without views', () => {
  keepViews('1', [{ name: 'deep', search: {} }]);
  keepViews('1', []);
  expect(localStorage.length).toBe(0);
  expect(viewsOf('1')).toEqual([]);
});

it('reads the views that experiments bear, and passes over what is none', () => {
  const kept = tagOf({ name: 'wide', search: { cols: ['params.a'] } }, '1,3', 'mara', []);
  const tags = { [kept.tag]: kept.text, 'headrace.view/x': 'not JSON', 'headrace.view/y': '{"name": 3}', team: '{"name": "no view"}' };
  expect(sharedViews([{ id: '1', tags }])).toEqual([{ name: 'wide', search: { cols: ['params.a'] }, of: '1,3', by: 'mara', tag: kept.tag }]);
});

it('replaces the view of the same name and experiments alone', () => {
  const known = [{ name: 'wide', search: {}, of: '1', by: '', tag: 'headrace.view/a' }];
  expect(tagOf({ name: 'wide', search: {} }, '1', '', known).tag).toBe('headrace.view/a');
  for (const [name, of] of [['wide', '1,3'], ['other', '1']] as const) expect(tagOf({ name, search: {} }, of, '', known).tag).toMatch(/^headrace\.view\/[0-9a-f]{12}$/);
});
