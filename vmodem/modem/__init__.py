"""The place where the engine's actions become I/O."""
