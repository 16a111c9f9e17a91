"""Many runs under one protocol: grids, their statistics, figures and the ledger."""
