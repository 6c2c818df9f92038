"""The live page for trader and ops: reads the streams and the workers' health, writes nothing."""
