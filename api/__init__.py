"""HTTP front end: accepts recordings and serves jobs, transcripts and waveforms."""
