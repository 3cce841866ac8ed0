//! People: who is one, what somebody decided about it.

mod operations;
