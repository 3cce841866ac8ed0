//! One form for everything that points at a person.

pub mod date;
pub mod email;
pub mod given;
pub mod handle;
pub mod name;
pub mod phone;
pub mod place;
pub mod sound;
pub mod spelling;
