"""Text on its way to targets: spelling, letters, phones, transliteration, and which sentences may be used."""
