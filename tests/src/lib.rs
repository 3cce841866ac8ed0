//! Whole-hub tests, and the fake vendors and real servers that they run against.

pub mod fake;
