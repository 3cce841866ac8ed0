//! The schemas, the examples and the Rust types say the same thing.

mod documents;
mod edits;
mod examples;
mod kinds;
mod manifests;
mod random;
mod schemas;
mod strategies;
mod validators;
