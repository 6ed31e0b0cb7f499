//! What only a real broker shows.
