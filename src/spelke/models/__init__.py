"""Networks only: no files, no loops, no sampling."""
