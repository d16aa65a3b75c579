/** Icons, drawn on 16 by 16 with one stroke. */
const PATHS = {
  home: 'M2.5 7.2 8 2.5l5.5 4.7M4 6v7.5h3v-4h2v4h3V6',
  flask: 'M6 2h4M6.7 2v4.3L3 12.4A1 1 0 0 0 3.9 14h8.2a1 1 0 0 0 .9-1.6L9.3 6.3V2M4.8 10h6.4',
  box: 'M8 1.8 13.7 5v6L8 14.2 2.3 11V5zM2.5 5.1 8 8.2l5.5-3.1M8 8.2v5.8',
  layers: 'm8 2 6 3.2-6 3.2-6-3.2zM2.3 8.2 8 11.2l5.7-3M2.3 11 8 14l5.7-3',
  graph: 'M4.5 3.5a1.5 1.5 0 1 1-3 0 1.5 1.5 0 0 1 3 0Zm0 9a1.5 1.5 0 1 1-3 0 1.5 1.5 0 0 1 3 0Zm10-4.5a1.5 1.5 0 1 1-3 0 1.5 1.5 0 0 1 3 0ZM4.5 3.5C8 3.5 8 8 11.5 8M4.5 12.5C8 12.5 8 8 11.5 8',
  shield: 'M8 1.8 13 3.6v4.2c0 3-2.1 5.2-5 6.4-2.9-1.2-5-3.4-5-6.4V3.6zM5.8 8l1.6 1.6 3-3.2',
  gear: 'M8 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4ZM8 1.8v1.7M8 12.5v1.7M1.8 8h1.7M12.5 8h1.7M3.6 3.6l1.2 1.2M11.2 11.2l1.2 1.2M3.6 12.4l1.2-1.2M11.2 4.8l1.2-1.2',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.3 14 14',
  close: 'm3.5 3.5 9 9M12.5 3.5l-9 9',
  check: 'm3 8.5 3.3 3.3L13 4.7',
  down: 'm4 6 4 4 4-4',
  right: 'm6 4 4 4-4 4',
  left: 'm10 4-4 4 4 4',
  up: 'm4 10 4-4 4 4',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  eye: 'M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z',
  eyeoff: 'M2 2l12 12M6.3 3.8A6 6 0 0 1 8 3.5c4 0 6.5 4.5 6.5 4.5a11 11 0 0 1-1.8 2.3M10.5 12A6 6 0 0 1 8 12.5C4 12.5 1.5 8 1.5 8a11 11 0 0 1 2.6-3',
  columns: 'M2.5 3h11v10h-11zM6.2 3v10M9.9 3v10',
  filter: 'M2 4h12M4.5 8h7M6.5 12h3',
  group: 'M2 3.5h12M2 8h5M2 12.5h5M10 7v6M10 10h4',
  chart: 'M2 2.5v11h12M4.5 10.5l3-4 2.5 2 3.5-5',
  table: 'M2 3h12v10H2zM2 6.5h12M2 9.8h12M6.5 3v10',
  scatter: 'M2 2.5v11h12M5.5 10.5h.01M8 6.5h.01M10.5 9h.01M12.5 4.5h.01M6 5h.01',
  parallel: 'M3 2v12M8 2v12M13 2v12M3 11l5-7 5 5M3 5l5 6 5-7',
  compare: 'M5.5 2.5h-3v11h3M10.5 2.5h3v11h-3M8 1.5v13',
  pin: 'M6 2h4l-.4 4.2L12 8.5v1H4v-1l2.4-2.3zM8 9.5V14',
  trash: 'M2.5 4h11M6 4V2.5h4V4M4 4l.6 9.5h6.8L12 4M6.7 6.5v4.5M9.3 6.5v4.5',
  tag: 'M2.5 2.5h5l6 6-5 5-6-6zM5.3 5.3h.01',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  external: 'M9 2.5h4.5V7M13.5 2.5 7.5 8.5M6.5 3.5h-4v10h10v-4',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.5',
  alert: 'M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.7h.01',
  bolt: 'M9 1.5 3 9h4.5L7 14.5 13 7H8.5z',
  file: 'M3.5 1.8h6l3 3v9.4h-9zM9.5 1.8v3h3',
  folder: 'M1.8 3.5h4.5l1.5 2h6.4v7.5H1.8z',
  code: 'm5 4.5-3.5 3.5L5 11.5M11 4.5 14.5 8 11 11.5M9 3 7 13',
  play: 'M4.5 2.8v10.4L13 8z',
  user: 'M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8ZM2.5 14c.5-2.8 2.7-4.3 5.5-4.3s5 1.5 5.5 4.3',
  sun: 'M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9',
  moon: 'M13.5 9.5A5.8 5.8 0 0 1 6.5 2.5a5.8 5.8 0 1 0 7 7Z',
  screen: 'M2 3h12v8H2zM6 13.5h4',
  download: 'M8 2.5v7.5M4.8 7 8 10.2 11.2 7M2.5 13.5h11',
  expand: 'M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9',
  undo: 'M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M3 6.5 6 3.5M3 6.5l3 3',
  dots: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  git: 'M5 4.5a1.5 1.5 0 1 1-3 0 1.5 1.5 0 0 1 3 0Zm0 7a1.5 1.5 0 1 1-3 0 1.5 1.5 0 0 1 3 0Zm9-5a1.5 1.5 0 1 1-3 0 1.5 1.5 0 0 1 3 0ZM3.5 6v4M12.5 8c0 2.5-4 2-7.5 3.5',
  save: 'M2.5 2.5h8.5l2.5 2.5v8.5h-11zM5 2.5v3.5h5V2.5M5 13.5V9.5h6v4',
  info: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 7.3V11M8 5h.01',
  bell: 'M4 7a4 4 0 0 1 8 0c0 3.5 1.5 4.5 1.5 4.5h-11S4 10.5 4 7ZM6.7 13.5h2.6',
  key: 'M6 10.5a3.5 3.5 0 1 0 0-.01ZM8.5 7.5l5-5M11 5l2 2',
  keyboard: 'M1.5 4h13v8h-13zM4 6.7h.01M6.7 6.7h.01M9.3 6.7h.01M12 6.7h.01M5 9.5h6',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16, className }: { name: IconName; size?: number; className?: string }) {
  return (
    <svg
      className={className}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === 'dots' || name === 'scatter' ? 2 : 1.4}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
