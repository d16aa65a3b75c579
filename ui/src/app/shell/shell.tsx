/** The frame around every page: the rail, the palette, the list of keys. */
import './shell.css';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState, useSyncExternalStore } from 'react';
import { live } from '@/api/live';
import { chooseTheme, chosenTheme, type Theme } from '@/shared/chart/theme';
import { useKeys } from '@/shared/keys';
import { IconButton } from '@/shared/ui/controls';
import { Icon, type IconName } from '@/shared/ui/icon';
import { Menu, Tip } from '@/shared/ui/overlays';
import { Toasts } from '@/shared/ui/toasts';

const Palette = lazy(() => import('./palette').then((module) => ({ default: module.Palette })));
const KeyHelp = lazy(() => import('./key-help').then((module) => ({ default: module.KeyHelp })));

const PLACES = [
  { to: '/', label: 'Home', icon: 'home' },
  { to: '/experiments', label: 'Experiments', icon: 'flask' },
  { to: '/models', label: 'Models', icon: 'box' },
  { to: '/features', label: 'Features', icon: 'layers' },
  { to: '/lineage', label: 'Lineage', icon: 'graph' },
  { to: '/audit', label: 'Audit', icon: 'shield' },
] as const satisfies readonly { to: string; label: string; icon: IconName }[];

export function Shell() {
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  useKeys({ 'mod+k': () => setPalette(true), '?': () => setHelp(true) });
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <nav className="rail" aria-label="Main">
        <Link to="/" className="brand" aria-label="Headrace, home">
          <Mark />
          <span>Headrace</span>
        </Link>
        <button type="button" className="rail-search" onClick={() => setPalette(true)} aria-label="Search and commands">
          <Icon name="search" size={14} />
          <span className="grow">Search</span>
          <kbd>Ctrl K</kbd>
        </button>
        <ul className="rail-places">
          {PLACES.map((place) => (
            <li key={place.to}>
              <RailLink {...place} />
            </li>
          ))}
        </ul>
        <div className="rail-foot">
          <LivePill />
          <span className="rail-tools">
            <ThemeMenu />
            <IconButton icon="keyboard" label="Keys" keys="?" onClick={() => setHelp(true)} />
          </span>
        </div>
      </nav>
      <main id="main" className="main" tabIndex={-1}>
        <Outlet />
      </main>
      <Toasts />
      <Suspense>
        {palette && <Palette onClose={() => setPalette(false)} />}
        {help && <KeyHelp onClose={() => setHelp(false)} />}
      </Suspense>
      <Title />
    </div>
  );
}

function RailLink({ to, label, icon }: (typeof PLACES)[number]) {
  return (
    <Link to={to} className="rail-link" activeProps={{ 'aria-current': 'page' }} activeOptions={{ exact: to === '/', includeSearch: false }}>
      <Icon name={icon} />
      <span>{label}</span>
    </Link>
  );
}

function Mark() {
  return (
    <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <g fill="none" stroke="var(--accent-text)" strokeWidth="2.8" strokeLinecap="round">
        <path d="M6 9c7 0 7 7 12 7h8" />
        <path d="M6 16h20" opacity=".75" />
        <path d="M6 23c7 0 7-7 12-7" opacity=".6" />
      </g>
    </svg>
  );
}

const SAID = {
  connecting: 'Connecting',
  live: 'Live',
  paused: 'Paused',
  reconnecting: 'Reconnecting',
} as const;

/** The truth about the stream of events: what is shown is as new as this says. */
function LivePill() {
  const state = useSyncExternalStore(live.watch, () => live.state);
  const running = useSyncExternalStore(live.watch, () => live.running);
  const text = state === 'live' ? (running > 0 ? `${running} running now. Press to pause.` : 'Changes appear by themselves. Press to pause.')
    : state === 'paused' ? 'What is shown may be old. Press to go on.' : 'The server doesn’t answer; trying again. What is shown may be old.';
  return (
    <Tip text={text}>
      <button type="button" className="live" data-state={state} onClick={live.toggle} aria-label={`${SAID[state]}. ${text}`}>
        <i />
        <span role="status">{SAID[state]}</span>
        {state === 'live' && running > 0 && <b>{running}</b>}
      </button>
    </Tip>
  );
}

const THEMES: { value: Theme; label: string; icon: IconName }[] = [
  { value: 'system', label: 'As the system', icon: 'screen' },
  { value: 'light', label: 'Light', icon: 'sun' },
  { value: 'dark', label: 'Dark', icon: 'moon' },
];

function ThemeMenu() {
  const [theme, setTheme] = useState(chosenTheme);
  const choose = (next: Theme) => {
    chooseTheme(next);
    setTheme(next);
  };
  return (
    <Menu
      align="start"
      trigger={
        <button type="button" className="icon-button" aria-label="Theme">
          <Icon name={THEMES.find((item) => item.value === theme)?.icon ?? 'screen'} size={15} />
        </button>
      }
      items={THEMES.map((item) => ({ label: item.label, icon: item.icon, checked: item.value === theme, onSelect: () => choose(item.value) }))}
    />
  );
}

/** The title of the tab is the page's heading. */
function Title() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(() => {
    const told = () => {
      const heading = document.querySelector('h1')?.textContent ?? '';
      document.title = heading === '' ? 'Headrace' : `${heading} · Headrace`;
    };
    told();
    const observer = new MutationObserver(told);
    const main = document.getElementById('main');
    if (main !== null) observer.observe(main, { subtree: true, childList: true });
    return () => observer.disconnect();
  }, [path]);
  return null;
}
