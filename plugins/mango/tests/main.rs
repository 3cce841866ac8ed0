//! The connector without its host: what is mapped, assembled, sent and checked.

mod calls;
mod fake;
mod mapping;
mod sending;
