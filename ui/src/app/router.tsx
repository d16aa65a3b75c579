/** Every address of the app. Pages come when they are opened; what their addresses may say is known from the start. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { readAuditSearch } from '@/pages/audit/search';
import { readCompareSearch } from '@/pages/compare/search';
import { readExperimentSearch } from '@/pages/experiments/search';
import { readRunSearch } from '@/pages/run/search';
import { readSettingsSearch } from '@/pages/settings/search';
import { addressOf, placeOf } from './mlflow-links';
import { Failed, NotFound } from './shell/lost';
import { Shell } from './shell/shell';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const experiments = createRoute({
  getParentRoute: () => root,
  path: '/experiments',
  component: lazyRouteComponent(() => import('@/pages/experiments/list'), 'ExperimentList'),
});

const experiment = createRoute({
  getParentRoute: () => root,
  path: '/experiments/$experiments',
  validateSearch: readExperimentSearch,
  component: lazyRouteComponent(() => import('@/pages/experiments/experiment'), 'ExperimentPage'),
});

const run = createRoute({
  getParentRoute: () => root,
  path: '/runs/$run',
  validateSearch: readRunSearch,
  component: lazyRouteComponent(() => import('@/pages/run/run'), 'RunPage'),
});

const compare = createRoute({
  getParentRoute: () => root,
  path: '/compare',
  validateSearch: readCompareSearch,
  component: lazyRouteComponent(() => import('@/pages/compare/compare'), 'ComparePage'),
});

const models = createRoute({ getParentRoute: () => root, path: '/models', component: lazyRouteComponent(() => import('@/pages/models/board'), 'ModelBoard') });
const model = createRoute({ getParentRoute: () => root, path: '/models/$name', component: lazyRouteComponent(() => import('@/pages/models/model'), 'ModelPage') });
const modelVersion = createRoute({ getParentRoute: () => root, path: '/models/$name/$version', component: lazyRouteComponent(() => import('@/pages/models/version'), 'VersionPage') });

const features = createRoute({ getParentRoute: () => root, path: '/features', component: lazyRouteComponent(() => import('@/pages/features/catalog'), 'FeatureCatalog') });
const feature = createRoute({ getParentRoute: () => root, path: '/features/$kind/$name', component: lazyRouteComponent(() => import('@/pages/features/feature'), 'FeaturePage') });

const lineage = createRoute({ getParentRoute: () => root, path: '/lineage/$', component: lazyRouteComponent(() => import('@/pages/lineage/lineage'), 'LineagePage') });
const lineageStart = createRoute({ getParentRoute: () => root, path: '/lineage', component: lazyRouteComponent(() => import('@/pages/lineage/start'), 'LineageStart') });

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: ({ location }) => {
    const place = placeOf(location.hash);
    if (place !== null) redirect({ href: addressOf(place), replace: true, throw: true });
  },
  component: lazyRouteComponent(() => import('@/pages/home/home'), 'HomePage'),
});

const audit = createRoute({ getParentRoute: () => root, path: '/audit', validateSearch: readAuditSearch, component: lazyRouteComponent(() => import('@/pages/audit/audit'), 'AuditPage') });
const settings = createRoute({ getParentRoute: () => root, path: '/settings', validateSearch: readSettingsSearch, component: lazyRouteComponent(() => import('@/pages/settings/settings'), 'SettingsPage') });

const tree = root.addChildren([home, experiments, experiment, run, compare, models, model, modelVersion, features, feature, lineage, lineageStart, audit, settings]);

export function makeRouter() {
  return createRouter({
    routeTree: tree,
    defaultPreload: 'intent',
    defaultErrorComponent: Failed,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: false,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
