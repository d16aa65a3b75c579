/** What to do first, with this server's own address. */
import { Empty, Snippet } from '@/shared/ui/feedback';

export function Start() {
  const run = `import headrace as hr
with hr.connect("${location.origin}").start_run(experiment="first", params={"depth": 6}) as run:
    run.log_metrics({"loss": 0.25}, step=1)`;
  return (
    <Empty icon="flask" title="Log the first run">
      <p>It appears here while it goes on.</p>
      <Snippet text={run} label="Copy the code" />
      <p>A program that logs to MLflow needs no change, only this server’s address:</p>
      <Snippet text={`export MLFLOW_TRACKING_URI=${location.origin}`} label="Copy the setting" />
      <p>Or look at a whole project with real data:</p>
      <Snippet text="headrace demo demo/ && headrace -C demo/ server" label="Copy the commands" />
    </Empty>
  );
}
