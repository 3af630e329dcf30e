"""The parts of a measurement. Each takes the stage and adds its name to the results."""
