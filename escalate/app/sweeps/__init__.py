"""sweeps: a file of axes becomes points, and points become rows in a results folder."""
