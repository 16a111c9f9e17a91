"""Many runs under one protocol: grids, their statistics, plots and the ledger."""
