"""What a study did, proven from its own records: lineage, plan against execution, leakage, changed files."""
