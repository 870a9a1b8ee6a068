"""What a run leaves on disk: cells, protocols, records, the results folder."""
