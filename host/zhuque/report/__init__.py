"""What the host shows: figures now, plots and exports later."""
