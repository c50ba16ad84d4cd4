"""Where things are: points, the patch grid, crops and the way back, cameras. Pure functions."""
