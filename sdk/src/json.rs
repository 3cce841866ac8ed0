//! JSON with little machine code: every connector carries this, and `serde_json`'s own writer and typed reader are made anew
//! for every type that passes through them (they were 600 kB of a messenger that understands all commands).
//!
//! A delivery is parsed into nodes that borrow its texts ([`Node`]), or into a [`Value`](serde_json::Value) ([`parse`]); Rust types
//! are read out of that value ([`read`]), and written without a value in between ([`write()`]). The JSON is the same.

mod node;
mod number;
mod object;
mod parse;
mod plain;
mod read;
mod write;
mod writer;

pub use node::Node;
pub use object::Object;
pub use parse::parse;
pub use read::read;
pub use write::write;
pub(crate) use write::write_value;
pub(crate) use writer::Writer;

use std::fmt::{self, Display, Formatter};

/// Why a document could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// An error that says this.
    #[cold]
    #[inline(never)]
    pub(crate) fn of(parts: &[&str]) -> Self {
        Self(parts.concat())
    }
}

impl Display for Error {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl serde::ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

// What was found instead is not printed: the printing of numbers alone is 20 kB.
impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }

    #[cold]
    fn invalid_type(_: serde::de::Unexpected, expected: &dyn serde::de::Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    #[cold]
    fn invalid_value(_: serde::de::Unexpected, expected: &dyn serde::de::Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    #[cold]
    fn invalid_length(_: usize, expected: &dyn serde::de::Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    #[cold]
    fn unknown_variant(variant: &str, _: &'static [&'static str]) -> Self {
        Self(format!("`{variant}` is not one of the known values"))
    }

    #[cold]
    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self(format!("the field `{field}` is not known"))
    }

    #[cold]
    fn missing_field(field: &'static str) -> Self {
        Self(format!("the field `{field}` is missing"))
    }

    #[cold]
    fn duplicate_field(field: &'static str) -> Self {
        Self(format!("the field `{field}` stands there twice"))
    }
}
