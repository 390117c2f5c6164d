"""How a model structures its thoughts today: traces in segments, and what these show over many."""
