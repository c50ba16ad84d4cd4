"""Model and partial sequence to flow: sampling, order, cache, the batched engine."""
