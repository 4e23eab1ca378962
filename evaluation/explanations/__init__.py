"""How models explain themselves: maps of many films, what was measured of them, and what follows."""
