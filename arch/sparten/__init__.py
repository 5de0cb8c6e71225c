"""SparTen; the rules stand in specification/sparten.md."""
