/** The lineage of one thing. */
import './lineage.css';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { ImpactPanel } from '@/shared/lineage/impact';
import { LineageMap } from '@/shared/lineage/lineage-map';
import { hasPage, PageOf } from '@/shared/lineage/page-of';
import { wholeOf } from '@/shared/lineage/names';
import { Boundary } from '@/shared/ui/feedback';
import { Icon } from '@/shared/ui/icon';
import { LineageStart } from './start';

export function LineagePage() {
  const { _splat: urn = '' } = useParams({ from: '/lineage/$' });
  const { impact = false } = useSearch({ from: '/lineage/$' });
  const navigate = useNavigate({ from: '/lineage/$' });
  if (urn === '') return <LineageStart />; // the router takes /lineage for a name that is empty
  return (
    <div className="page">
      <header className="page-head">
        <nav className="crumbs grow" aria-label="Where">
          <Link to="/lineage">Lineage</Link>
          <Icon name="right" size={12} />
          <h1 className="cut mono" title={urn}>
            {urn}
          </h1>
        </nav>
        {hasPage(urn) && (
          <PageOf urn={urn} className="button">
            Open its page
          </PageOf>
        )}
      </header>
      <Boundary key={urn}>
        <div className="lineage-page" data-impact={impact || undefined}>
          <LineageMap urn={urn} impact={impact} onImpact={(on) => void navigate({ search: on ? { impact: true } : {} })} />
          {impact && <ImpactPanel whole={wholeOf(urn) ?? urn} urn={urn} onChoose={(part) => void navigate({ to: '/lineage/$', params: { _splat: part }, search: { impact: true } })} />}
        </div>
      </Boundary>
    </div>
  );
}
