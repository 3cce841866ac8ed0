//! The connector without its host: what is mapped, sent, polled and checked.

mod fake;
mod mapping;
mod outside;
mod registering;
mod sending;
