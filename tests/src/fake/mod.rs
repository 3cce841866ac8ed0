//! Fake vendors that behave like the real ones.

pub mod bitrix24;
pub mod line;
pub mod mango;
pub mod oauth2;
pub mod odoo;
pub mod telegram;
mod trouble;
pub mod whatsapp;
