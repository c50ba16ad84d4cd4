"""Files to arrays and back: one file per medium or dataset."""
