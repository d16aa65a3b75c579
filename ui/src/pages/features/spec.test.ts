import { describe, expect, it } from 'vitest';
import type { Definition } from '@/api/queries';
import { inputsOf, keysOf, typed, type GroupSpec } from './spec';

describe('what is typed', () => {
  it('is sent by its type', () => {
    expect(JSON.stringify([typed('id', 'int64', ' 7 '), typed('x', 'float64', '0.5'), typed('b', 'bool', 'true'), typed('s', 'string', '7'), typed('input', '', '2'), typed('input', '', 'a b')])).toBe('[7,0.5,true,"7",2,"a b"]');
  });
  it('keeps every digit where the browser can', () => {
    const text = JSON.stringify({ id: typed('id', 'int64', '9007199254740993') });
    expect(text).toBe('rawJSON' in JSON ? '{"id":9007199254740993}' : '{"id":9007199254740992}');
  });
  it('is refused where it isn’t of the type', () => {
    for (const [type, text] of [['int64', '1.5'], ['int64', 'seven'], ['int64', '007'], ['float64', ''], ['bool', 'yes']] as const) {
      expect(() => typed('id', type, text)).toThrow('id is');
    }
  });
});

it('a request holds keys, and what on-demand features take besides', () => {
  const groups = new Map<string, GroupSpec>([['trips', { entity: 'driver', features: [{ name: 'count' }] }]]);
  const entity = { name: 'driver', spec: { keys: [['driver_id', 'int64']] } } as unknown as Definition;
  const features = [
    { group: 'trips', prefix: 'd_', keys: { driver_id: 'driver' } },
    { on_demand: { name: 'reward', inputs: ['d_count', 'bonus', 'driver'] } },
    { on_demand: { name: 'more', inputs: ['reward', 'bonus'] } },
  ];
  const view = { kind: 'view', name: 'v', spec: { features } } as unknown as Definition;
  const keys = keysOf(view, groups, [entity]);
  expect(keys).toEqual([['driver', 'int64']]);
  expect(inputsOf(view, groups, keys)).toEqual(['bonus']);
});
