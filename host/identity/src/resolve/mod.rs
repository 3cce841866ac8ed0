//! Which records are one person.
//!
//! ```text
//! record ─ features ─► keys ─► blocks ─► pairs ─ compare ─► links (odds of at least `merge` or `ask`) ─► regions ─ join ─► people
//! ```
//! **People are a function of the set of records and of the statistics**: no decision looks at what was decided before. A link depends on two records
//! and on who else is known by the identities that they share; a person depends on the links of its region (what hangs together by links of at least `merge`) and on
//! nothing else, and a region is joined anew whenever one of its links changes. So order, doubling and batching cannot matter, and a record that is
//! withdrawn leaves no trace. Statistics (how often each value is said) are taken when [`Engine::settle`] is called, and stay as they are until then.

pub mod around;
pub mod engine;
mod index;
mod join;
pub mod keys;
#[cfg(test)]
mod tests;

pub use around::{Around, keys_of};
pub use engine::{Decision, Engine, Question, Settings, Verdict};
