"""Floor 3: Nipype interfaces around imaging engines."""
