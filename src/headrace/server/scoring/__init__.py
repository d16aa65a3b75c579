"""The inference service over HTTP: our own predictions and MLflow's scoring protocol."""
