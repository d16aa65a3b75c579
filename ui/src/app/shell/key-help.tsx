/** Which keys there are. */
import { Dialog } from '@/shared/ui/overlays';

const KEYS: [string, [string, string][]][] = [
  ['Everywhere', [['Ctrl K', 'Search and commands'], ['?', 'This list'], ['/', 'To the query or the search of the page'], ['Esc', 'Close what is open']]],
  ['Experiments', [['1', 'Table'], ['2', 'Charts'], ['3', 'Compare what is visible'], ['4', 'Scatter'], ['5', 'Parallel coordinates'], ['6', 'What mattered'], ['0', 'Table and charts'], ['j k', 'Next and previous run'], ['x', 'Show or hide the run'], ['e', 'Open the run'], ['o', 'Show or hide the runs nested in it'], ['c', 'Compare what is visible']]],
  ['Models', [['j k', 'Next and previous version on the board'], ['p', 'Promote the version'], ['Enter', 'Open the version']]],
  ['Compare', [['n p', 'Next and previous difference'], ['h', 'Hide what is equal']]],
];

export function KeyHelp({ onClose }: { onClose: () => void }) {
  return (
    <Dialog open onClose={onClose} title="Keys">
      {KEYS.map(([title, keys]) => (
        <section key={title} className="keys">
          <h3>{title}</h3>
          <dl>
            {keys.map(([key, text]) => (
              <div key={key}>
                <dt>{text}</dt>
                <dd>
                  {key.split(' ').map((one) => (
                    <kbd key={one}>{one}</kbd>
                  ))}
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </Dialog>
  );
}
