//! Random bad input.
