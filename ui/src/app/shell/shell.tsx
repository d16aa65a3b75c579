/** The frame around every page: the rail, the palette, the list of keys. */
import './shell.css';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState, useSyncExternalStore } from 'react';
import { actsAs, limitOf, may, meQuery, signOut, type Me } from '@/api/accounts';
import { live } from '@/api/live';
import { release } from '@/api/release';
import { chooseTheme, chosenTheme, type Theme } from '@/shared/chart/theme';
import { useKeys } from '@/shared/keys';
import { Button, IconButton } from '@/shared/ui/controls';
import { Skeleton } from '@/shared/ui/feedback';
import { Icon, type IconName } from '@/shared/ui/icon';
import { Menu, Tip } from '@/shared/ui/overlays';
import { toast, Toasts } from '@/shared/ui/toasts';
import { SearchDialog } from './search-dialog';

const SignIn = lazy(() => import('@/pages/sign-in/sign-in').then((module) => ({ default: module.SignIn })));
const KeyHelp = lazy(() => import('./key-help').then((module) => ({ default: module.KeyHelp })));

const PLACES = [
  { to: '/', label: 'Home', icon: 'home', needs: '' },
  { to: '/experiments', label: 'Experiments', icon: 'flask', needs: 'runs:read' },
  { to: '/models', label: 'Models', icon: 'box', needs: 'models:read' },
  { to: '/features', label: 'Features', icon: 'layers', needs: 'definitions:read' },
  { to: '/lineage', label: 'Lineage', icon: 'graph', needs: 'lineage:read' },
  { to: '/audit', label: 'Audit', icon: 'shield', needs: 'models:read' },
  { to: '/settings', label: 'Settings', icon: 'gear', needs: '' },
] as const satisfies readonly { to: string; label: string; icon: IconName; needs: string }[];

export function Shell() {
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const me = useQuery(meQuery());
  const isOut = me.data !== undefined && !me.data.open && me.data.name === null;
  const isIn = !me.isPending && !isOut;
  useEffect(() => {
    if (!isIn) return;
    live.start();
    return live.stop;
  }, [isIn]);
  useKeys({ 'mod+k': () => setPalette(true), '?': () => setHelp(true) });
  if (isOut) {
    return (
      <Suspense>
        <SignIn />
        <Title />
      </Suspense>
    );
  }
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
          {PLACES.filter(({ needs }) => me.data === undefined || needs === '' || may(me.data, needs)).map((place) => (
            <li key={place.to}>
              <RailLink {...place} />
            </li>
          ))}
        </ul>
        {me.data !== undefined && me.data.name !== null && <AccountMenu me={me.data} />}
        <div className="rail-foot">
          <LivePill />
          <span className="rail-tools">
            <ThemeMenu />
            <IconButton icon="keyboard" label="Keys" keys="?" onClick={() => setHelp(true)} />
          </span>
        </div>
      </nav>
      <main id="main" className="main" tabIndex={-1}>
        <NewRelease />
        {me.isPending ? <Skeleton lines={6} /> : <Outlet />}
      </main>
      <Toasts />
      {palette && <SearchDialog onClose={() => setPalette(false)} />}
      <Suspense>
        {help && <KeyHelp onClose={() => setHelp(false)} />}
      </Suspense>
      <Title />
    </div>
  );
}

function RailLink({ to, label, icon }: (typeof PLACES)[number]) {
  return (
    <Link to={to} className="rail-link" aria-label={label} title={label} activeProps={{ 'aria-current': 'page' }} activeOptions={{ exact: to === '/', includeSearch: false }}>
      <Icon name={icon} />
      <span>{label}</span>
    </Link>
  );
}

function AccountMenu({ me }: { me: Me }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const leave = () =>
    void signOut(client).catch((error: unknown) => toast(error instanceof Error ? error.message : String(error), { bad: true }));
  return (
    <Menu
      align="start"
      trigger={
        <button type="button" className="rail-account" aria-label={`Signed in as ${me.name ?? ''}, ${actsAs(me)}`} title={limitOf(me)}>
          <Icon name="user" size={15} />
          <span className="cut">{me.name}</span>
          <span className="quiet">{actsAs(me)}</span>
        </button>
      }
      items={[
        { label: 'Account and tokens', icon: 'key', onSelect: () => void navigate({ to: '/settings' }) },
        'line',
        { label: 'Sign out', icon: 'external', onSelect: leave },
      ]}
    />
  );
}

/** A tab that is older than the server says so, and lets whoever is in the middle of something finish it. */
function NewRelease() {
  const newer = useSyncExternalStore(release.watch, () => release.newer);
  if (!newer) return null;
  return (
    <div className="newer" role="status">
      <Icon name="undo" size={14} />
      <span className="grow">The server has a newer release than this tab. Nothing is lost by reloading.</span>
      <Button onClick={() => location.reload()}>Reload</Button>
    </div>
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
    : state === 'paused' ? 'What is shown may be old. Press to go on.' : state === 'connecting' ? 'Asking the server to tell of changes.' : 'The server doesn’t answer; trying again. What is shown may be old.';
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
    observer.observe(document.getElementById('main') ?? document.body, { subtree: true, childList: true });
    return () => observer.disconnect();
  }, [path]);
  return null;
}
