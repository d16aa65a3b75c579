"""MLflow's wire shapes: translates between its REST protocol and our services, and nothing else."""
