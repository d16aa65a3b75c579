/** Runs in the page's head, before the app is here: begins to read what the page at this address asks for first. */
import { address, begin } from '@/api/request';
import { searchOf } from '@/api/search';
import { asked, columnsOf, lastColumns } from '@/pages/experiments/columns';
import { partOf, readTableSearch, tableOf } from '@/pages/experiments/table-query';

/** What an address says, as the router reads it. */
function read(search: string): Record<string, unknown> {
  const value = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  };
  return Object.fromEntries([...new URLSearchParams(search)].map(([name, text]) => [name, value(text)]));
}

begin('GET', '/api/v1/accounts/me');
const experiments = /^\/experiments\/([\w,-]+)\/?$/.exec(location.pathname)?.[1];
if (experiments !== undefined) {
  const search = readTableSearch(read(location.search));
  const columns = columnsOf(search, undefined, lastColumns(experiments));
  begin('POST', '/api/v1/runs/search', JSON.stringify(searchOf(partOf(tableOf(experiments, search, asked(search, columns)), 0, 0))));
  begin('GET', address('/api/v1/experiments/{experiments}/keys', { path: { experiments }, query: { exact: false } }));
  begin('GET', '/api/v1/experiments');
}
