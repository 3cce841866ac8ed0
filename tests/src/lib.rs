#![doc = include_str!("../README.md")]

pub mod api;
pub mod bodies;
pub mod database;
pub mod fake;
pub mod files;
pub mod hub;
pub mod odoo;
pub mod vendor;
pub mod wait;
