"""The notebooks run in order, each in a kernel of its own, with a report."""
