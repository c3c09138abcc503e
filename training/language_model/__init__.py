"""The n-gram language model of beam search: its texts and its estimation."""
