#![doc = include_str!("../README.md")]

pub mod bench;
pub mod compare;
pub mod estimate;
pub mod features;
pub mod normalise;
pub mod record;
pub mod resolve;
pub mod symbols;
pub mod terms;
pub mod text;
pub mod weights;

pub use compare::same_name;
