/** What to do first, with this server's own address. */
import { Empty, Snippet } from '@/shared/ui/feedback';

export function Start() {
  const run = `import headrace as hr

store = hr.connect("${location.origin}")
with store.start_run(experiment="first", params={"depth": 6}) as run:
    for step in range(100):
        run.log_metrics({"loss": 1 / (step + 1)}, step=step)`;
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
