//! Fake vendors that behave like the real ones.

pub mod odoo;
pub mod telegram;
