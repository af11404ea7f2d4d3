"""Balance equations: one weak-form term is one short function, UFL only."""
