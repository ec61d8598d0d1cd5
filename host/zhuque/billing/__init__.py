"""Money, as pure arithmetic: tariffs, the energy of each half hour, the cost of a session. No database, no clock."""
