"""MLflow's experiments, runs, models and registry, out of its database or from its server."""
