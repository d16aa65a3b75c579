/** Where what a run logged is registered already. Pure. */
import type { Model, Version } from '@/api/models';

interface Registered {
  model: string;
  version: Version;
}

/** The versions that are this logged model, by model, the newest first. */
export function registeredOf(models: readonly Model[], logged: string): Registered[] {
  return models.flatMap(({ name, versions }) => versions.filter((version) => version.model_id === logged).map((version) => ({ model: name, version })));
}

/** The model that a next version belongs to: where this logged model is, or another of its run; else one of its own name. */
export function proposed(models: readonly Model[], logged: string, run: string, name: string): string {
  const ofRun = models.find(({ versions }) => versions.some((version) => version.run_id === run));
  return registeredOf(models, logged)[0]?.model ?? ofRun?.name ?? name;
}
