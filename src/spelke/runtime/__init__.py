"""Where work runs: device and dtype with the reason, seeds, atomic files."""
