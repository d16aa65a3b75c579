import { beforeEach, expect, it } from 'vitest';
import { allViews, keepViews, viewsOf } from './views';

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
