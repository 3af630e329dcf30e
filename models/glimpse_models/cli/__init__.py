"""The command line: one module per step, which turns words into typed options."""
