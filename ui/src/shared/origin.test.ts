import { expect, test } from 'vitest';
import { originOf, packagesOf } from './origin';

const CAPTURED = {
  python: '3.11.9',
  implementation: 'CPython',
  platform: 'Linux-6.8-x86_64',
  variables: { CUDA_VISIBLE_DEVICES: '0' },
  process: { entry: 'script', source: '/work/train.py', arguments: ['/work/train.py', '--lr', '0.1'], folder: '/work' },
  host: { host: 'gpu-7', user: 'ada', pid: 4121, cpu: 'Xeon', cores: 1, threads: 8, memory: 33_567_514_624, image: '', container: 'ab'.repeat(32), runtime: 'docker' },
};
const TAGS = { 'mlflow.source.name': '/work/train.py', 'mlflow.source.git.branch': 'main' };

test('each fact is said once, in units that people read', () => {
  const { facts, variables } = originOf(JSON.stringify(CAPTURED), { user: 'ada', tags: TAGS });
  expect(facts).toEqual([
    ['Source', '/work/train.py'],
    ['Arguments', '--lr 0.1'],
    ['Folder', '/work'],
    ['Branch', 'main'],
    ['Python', '3.11.9'],
    ['Platform', 'Linux-6.8-x86_64'],
    ['Host', 'gpu-7'],
    ['Processor', 'Xeon, 1 core, 8 threads'],
    ['Memory', '34 GB'],
    ['Container', 'docker abababababab'],
    ['Process', '4121'],
  ]);
  expect(variables).toEqual([['CUDA_VISIBLE_DEVICES', '0']]);
});

test('modules are shown as they are started, and a user beside the one whose run it is', () => {
  const process = { ...CAPTURED.process, entry: 'module', source: 'team.train', arguments: ['x'] };
  const { facts } = originOf(JSON.stringify({ process, host: { user: 'robot' } }), { user: 'ada', tags: {} });
  expect(facts).toEqual([
    ['Source', 'python -m team.train'],
    ['Folder', '/work'],
    ['User', 'robot'],
  ]);
});

test('packages are read out of requirements', () => {
  expect(packagesOf('numpy==2.1.0\n# a note\nours @ git+https://example.com/ours\n-e .\n')).toEqual([['numpy', '2.1.0'], ['ours', 'git+https://example.com/ours']]);
});

test('without a capture, or with a broken one, the tags are shown', () => {
  for (const text of [undefined, '{"python": "3.', 'null']) expect(originOf(text, { user: 'ada', tags: TAGS }).facts).toEqual([['Source', '/work/train.py'], ['Branch', 'main']]);
});
