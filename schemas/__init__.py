"""Values and their rules: what every other folder agrees on. pydantic and the standard library only, no I/O."""
