"""Reports: what the commands print, as text and as JSON."""
