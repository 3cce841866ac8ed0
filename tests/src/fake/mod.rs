//! Fake vendors that behave like the real ones.

pub mod mango;
pub mod odoo;
pub mod telegram;
pub mod whatsapp;
