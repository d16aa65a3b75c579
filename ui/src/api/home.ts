/** What the first page reads: what runs, what failed, and what was done last. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { searchRuns } from './queries';

const DAY = 86_400_000;
const MOST = 8;

export const runningQuery = () =>
  queryOptions({
    queryKey: ['home', 'running'],
    queryFn: ({ signal }) => searchRuns({ filter: "attributes.status = 'RUNNING'", order_by: ['attributes.start_time DESC'], limit: MOST, offset: 0, view: 'active' }, signal),
    placeholderData: keepPreviousData,
  });

/** The newest of the runs that came to their end. */
export const finishedQuery = () =>
  queryOptions({
    queryKey: ['home', 'finished'],
    queryFn: ({ signal }) => searchRuns({ filter: "attributes.status = 'FINISHED'", order_by: ['attributes.start_time DESC'], limit: MOST, offset: 0, view: 'active' }, signal),
    placeholderData: keepPreviousData,
  });

/** Runs that failed within a day. Read again each minute: what is old by then leaves the list. */
export const failedQuery = () =>
  queryOptions({
    queryKey: ['home', 'failed'],
    queryFn: ({ signal }) =>
      searchRuns(
        { filter: `attributes.status = 'FAILED' AND attributes.end_time > ${Date.now() - DAY}`, order_by: ['attributes.end_time DESC'], columns: ['tags.headrace.error'], limit: MOST, offset: 0, view: 'active' },
        signal,
      ),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });
