"""What every stage shares: contracts, keys, artifacts, checks, the lease, progress and the run's record."""
