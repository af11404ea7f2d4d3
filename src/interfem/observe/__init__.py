"""What a run shows of itself: scalars, field files, the record of the run."""
