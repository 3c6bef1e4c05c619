"""Who may be learned from, and what a network sees: split, manifest, subjects, patches."""
