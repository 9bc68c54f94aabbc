//! Races that any store must bear.
