/** The dialogs that change what serves: a move with its gate report, and going back. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Problem } from '@/api/client';
import { gatesQuery, modelQuery, move, rollback, type Model, type Report, type Stage, type Version } from '@/api/models';
import { useMay } from '@/shared/may';
import { Button, Input, Switch } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { number } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Dialog } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';
import { ruleOf } from './figures';
import { moveName, movedMeanwhile } from './moves';


export function MoveDialog({ model, version, to, onClose }: { model: Model; version: Version; to: Stage; onClose: () => void }) {
  const gated = to === 'Production' && version.stage !== 'Archived';
  const gates = useQuery({ ...gatesQuery(model.name, version.version), enabled: gated, staleTime: 0 });
  const [reason, setReason] = useState('');
  const [force, setForce] = useState(false);
  const forces = useMay()('models:force');
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: async () => {
      const now = await client.query({ ...modelQuery(model.name), staleTime: 0 });
      const met = movedMeanwhile(model, version, now);
      if (met !== null) throw new Error(met);
      return move(model.name, version.version, to, reason.trim(), force);
    },
    onSuccess: () => {
      toast(`${model.name} version ${version.version} is in ${to}`);
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['models'] }),
  });
  const refused = gated && gates.data?.passed === false;
  const verb = moveName(version.stage, to) ?? 'Move';
  return (
    <Dialog
      open
      wide={gated}
      onClose={onClose}
      title={`${verb} ${model.name} version ${version.version}${to === 'Production' ? '' : ` to ${to}`}`}
      text={to === 'Production' ? (model.champion === null ? 'It becomes the first champion.' : `It becomes the champion. Version ${model.champion} is archived in the same step.`) : undefined}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone={refused ? 'bad' : 'primary'} busy={change.isPending} disabled={(gated && gates.data === undefined) || (refused && (!force || reason.trim() === ''))} onClick={() => change.mutate()}>
            {refused ? 'Promote against the gates' : verb}
          </Button>
        </>
      }
    >
      {gated && gates.isPending && <Skeleton lines={3} label="Asking the gates" />}
      {gated && gates.isError && <Failure error={gates.error} retry={() => void gates.refetch()} />}
      {gates.data !== undefined && gated && <GateTable report={gates.data} />}
      {refused && forces && <Switch label="Promote although a gate refuses. The audit trail says so in red." checked={force} onChange={setForce} />}
      {refused && !forces && <p className="quiet">An admin may promote it although a gate refuses.</p>}
      <Input placeholder={refused ? 'Why? A reason is needed.' : 'Why? (goes into the history)'} aria-label="Reason" value={reason} onChange={(event) => setReason(event.target.value)} />
      {change.isError && <p className="dialog-wrong" role="alert">{told(change.error)}</p>}
    </Dialog>
  );
}

function told(error: Error): string {
  return error instanceof Problem && error.status === 409 ? `${error.message} Look again: what you saw may have changed.` : error.message;
}

export function RollbackDialog({ model, to, onClose }: { model: Model; to: number; onClose: () => void }) {
  const [reason, setReason] = useState('');
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: () => rollback(model.name, reason.trim(), to),
    onSuccess: () => {
      toast(`${model.name} is back at version ${to}`);
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['models'] }),
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Put version ${to} back`}
      text={model.champion === null ? undefined : `Version ${to} serves at once; version ${model.champion} is archived. No gate is asked.`}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" icon="undo" busy={change.isPending} onClick={() => change.mutate()}>
            Roll back
          </Button>
        </>
      }
    >
      <Input placeholder="Why? (goes into the history)" aria-label="Reason" value={reason} onChange={(event) => setReason(event.target.value)} autoFocus />
      {change.isError && <p className="dialog-wrong" role="alert">{told(change.error)}</p>}
    </Dialog>
  );
}

export function GateTable({ report }: { report: Report }) {
  if (report.conditions.length === 0) return <p className="quiet">{report.note === '' ? 'No gate is set for this model.' : report.note}</p>;
  return (
    <div className="gates">
      <p className="gate-decision" data-passed={report.passed}>
        <Icon name={report.passed ? 'check' : 'alert'} size={15} />
        {report.passed ? 'Every gate is passed' : report.forced ? 'Promoted against a gate' : 'A gate refuses'}
        <span className="quiet">{report.champion === null ? 'no champion yet' : `against version ${report.champion}`}</span>
      </p>
      <div className="table-scroll" tabIndex={0} role="group" aria-label="What each gate says">
        <table className="grid-table" aria-label="Gates">
          <thead>
            <tr>
              <th>Gate</th>
              <th className="num">Figure</th>
              <th className="num">Has to reach</th>
              <th className="num">Champion</th>
              <th>Data</th>
            </tr>
          </thead>
          <tbody>
            {report.conditions.map((item) => (
              <tr key={`${item.metric} ${item.rule}`}>
                <td>
                  <span className="gate-light" data-passed={item.passed}>
                    <Icon name={item.passed ? 'check' : 'close'} size={12} />
                    <span className="unseen">{item.passed ? 'passed' : 'failed'}</span>
                  </span>
                  <b>{item.metric}</b> <span className="quiet">{ruleOf(item)}</span>
                  {!item.passed && <p className="gate-why">{item.explanation}</p>}
                </td>
                <td className="num">
                  <b>{number(item.figure)}</b>
                </td>
                <td className="num">{number(item.threshold)}</td>
                <td className="num">{number(item.champion)}</td>
                <td className="quiet">{item.dataset === '' ? '–' : item.dataset}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
