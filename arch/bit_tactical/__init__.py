"""Bit-Tactical; the rules stand in specification/bit_tactical.md."""
