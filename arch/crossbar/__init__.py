"""Memristor crossbars; the rules stand in specification/crossbar.md."""
