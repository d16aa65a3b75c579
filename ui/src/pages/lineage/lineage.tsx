/** The lineage of one thing. */
import { Link, useParams } from '@tanstack/react-router';
import { LineageMap } from '@/shared/lineage/lineage-map';
import { Boundary } from '@/shared/ui/feedback';
import { Icon } from '@/shared/ui/icon';
import { LineageStart } from './start';

export function LineagePage() {
  const { _splat: urn = '' } = useParams({ from: '/lineage/$' });
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
      </header>
      <Boundary key={urn}>
        <LineageMap urn={urn} />
      </Boundary>
    </div>
  );
}
