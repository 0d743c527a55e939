"""Options that several commands have, and settings from options."""
