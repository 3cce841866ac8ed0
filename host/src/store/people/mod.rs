//! People: which contacts are shown as one, why, and back again.
//!
//! A merge is a row of `merges` between two contacts and the pointer `merged_into`; nothing else of either changes. So taking it back is putting
//! the pointer right: identities, claims, conversations, interactions and leads never left the contact that they came to. Only interactions that
//! joined the other person's lead meanwhile go to a lead of their own.

mod belongings;
mod dossier;
mod effects;
mod erase;
mod groups;
mod matching;
mod merging;
mod pins;
mod questions;
mod records;
mod regroup;
mod revisits;
mod shown;
mod weights;
mod why;

pub use belongings::Remote;
pub use dossier::Dossier;
pub(super) use effects::Effects;
pub use erase::{Erased, Erasure, Files};
pub(super) use groups::places;
pub use matching::{Loaded, Progress, stored_key};
pub use merging::Merging;
pub use pins::PinView;
pub(super) use questions::ask;
pub use questions::{Asked, QuestionView};
pub use regroup::Found;
pub(super) use shown::people_in;
pub use weights::{Answered, WeightsView};
pub use why::{MergeView, ReasonView, SourceView, Why};

/// Who merges where no person does.
pub const RULE: &str = "rule";
