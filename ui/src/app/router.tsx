/** Every address of the app. Pages come when they are opened; what their addresses may say is known from the start. */
import type { QueryClient, QueryKey, UseQueryOptions } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { experimentsQuery, filesQuery, keysQuery, runQuery, runsQuery, tableQuery } from '@/api/queries';
import { readAuditSearch } from '@/pages/audit/search';
import { readCompareSearch, sideBySide } from '@/pages/compare/search';
import { readExperimentSearch } from '@/pages/experiments/search';
import { asked, columnsOf, lastColumns } from '@/pages/experiments/columns';
import { partOf, tableOf, type TableSearch } from '@/pages/experiments/table-query';
import { readFeaturesSearch } from '@/pages/features/search';
import { readLineageSearch } from '@/pages/lineage/search';
import { readVersionSearch } from '@/pages/models/search';
import { readRunSearch } from '@/pages/run/search';
import { readSettingsSearch } from '@/pages/settings/search';
import { told } from '@/shared/search';
import { addressOf, placeOf } from './mlflow-links';
import { Failed, NotFound, loaded } from './shell/lost';
import { Shell } from './shell/shell';

interface Context {
  client: QueryClient;
}

/** Begins to read what a page will ask for, while the page itself is still on its way; the page tells of what fails. */
function begin<T, D, K extends QueryKey>(client: QueryClient, query: UseQueryOptions<T, Error, D, K>): void {
  client.query(query).catch(() => undefined);
}

const root = createRootRouteWithContext<Context>()({ component: Shell, notFoundComponent: NotFound });

const experiments = createRoute({
  getParentRoute: () => root,
  path: '/experiments',
  loader: ({ context }) => begin(context.client, experimentsQuery()),
  component: lazyRouteComponent(loaded(() => import('@/pages/experiments/list')), 'ExperimentList'),
});

const experiment = createRoute({
  getParentRoute: () => root,
  path: '/experiments/$experiments',
  validateSearch: readExperimentSearch,
  loaderDeps: ({ search: { q, sort, cols, by, deleted, open } }) => told<TableSearch>({ q, sort, cols, by, deleted, open }),
  loader: ({ context, params: { experiments }, deps }) => {
    const columns = columnsOf(deps, undefined, lastColumns(experiments));
    begin(context.client, tableQuery(partOf(tableOf(experiments, deps, asked(deps, columns)), 0, 0)));
    begin(context.client, keysQuery(experiments));
    begin(context.client, experimentsQuery());
  },
  component: lazyRouteComponent(loaded(() => import('@/pages/experiments/experiment')), 'ExperimentPage'),
});

const run = createRoute({
  getParentRoute: () => root,
  path: '/runs/$run',
  validateSearch: readRunSearch,
  loader: ({ context, params }) => {
    begin(context.client, runQuery(params.run));
    begin(context.client, filesQuery(params.run));
  },
  component: lazyRouteComponent(loaded(() => import('@/pages/run/run')), 'RunPage'),
});

const compare = createRoute({
  getParentRoute: () => root,
  path: '/compare',
  validateSearch: readCompareSearch,
  loaderDeps: ({ search }) => ({ runs: sideBySide(search).shown }),
  loader: ({ context, deps }) => begin(context.client, runsQuery(deps.runs)),
  component: lazyRouteComponent(loaded(() => import('@/pages/compare/compare')), 'ComparePage'),
});

const models = createRoute({ getParentRoute: () => root, path: '/models', component: lazyRouteComponent(loaded(() => import('@/pages/models/board')), 'ModelBoard') });
const model = createRoute({ getParentRoute: () => root, path: '/models/$name', component: lazyRouteComponent(loaded(() => import('@/pages/models/model')), 'ModelPage') });
const modelVersion = createRoute({ getParentRoute: () => root, path: '/models/$name/$version', validateSearch: readVersionSearch, component: lazyRouteComponent(loaded(() => import('@/pages/models/version')), 'VersionPage') });

const features = createRoute({ getParentRoute: () => root, path: '/features', validateSearch: readFeaturesSearch, component: lazyRouteComponent(loaded(() => import('@/pages/features/catalog')), 'FeatureCatalog') });
const feature = createRoute({ getParentRoute: () => root, path: '/features/$kind/$name', component: lazyRouteComponent(loaded(() => import('@/pages/features/feature')), 'FeaturePage') });

const lineage = createRoute({ getParentRoute: () => root, path: '/lineage/$', validateSearch: readLineageSearch, component: lazyRouteComponent(loaded(() => import('@/pages/lineage/lineage')), 'LineagePage') });
const lineageStart = createRoute({ getParentRoute: () => root, path: '/lineage', component: lazyRouteComponent(loaded(() => import('@/pages/lineage/start')), 'LineageStart') });

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: ({ location }) => {
    const place = placeOf(location.hash);
    if (place !== null) redirect({ href: addressOf(place), replace: true, throw: true });
  },
  component: lazyRouteComponent(loaded(() => import('@/pages/home/home')), 'HomePage'),
});

const audit = createRoute({ getParentRoute: () => root, path: '/audit', validateSearch: readAuditSearch, component: lazyRouteComponent(loaded(() => import('@/pages/audit/audit')), 'AuditPage') });
const settings = createRoute({ getParentRoute: () => root, path: '/settings', validateSearch: readSettingsSearch, component: lazyRouteComponent(loaded(() => import('@/pages/settings/settings')), 'SettingsPage') });

const tree = root.addChildren([home, experiments, experiment, run, compare, models, model, modelVersion, features, feature, lineage, lineageStart, audit, settings]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { client },
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
