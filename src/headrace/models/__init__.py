"""The model registry: versions, stages, aliases, gates, promotion, rollback and their audit trail."""
