#![doc = include_str!("../README.md")]

pub mod api;
pub mod asterisk;
pub mod bodies;
pub mod clock;
pub mod database;
pub mod fake;
pub mod files;
pub mod hub;
pub mod line;
pub mod mail;
pub mod odoo;
pub mod proxy;
pub mod vendor;
pub mod wait;
