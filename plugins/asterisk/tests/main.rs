//! The connector without its host: calls as real Asterisks told them, by either interface.

mod calls;
mod fake;
mod starting;
