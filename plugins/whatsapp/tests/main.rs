//! The connector without its host: what is mapped, sent and checked.

mod fake;
mod mapping;
mod registering;
mod sending;
mod verdicts;
mod windows;
