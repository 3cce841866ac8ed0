//! Whole-hub tests: the real program as a process, driven over HTTP, beside fake vendors.
//!
//! Each scenario runs on both databases. When a hub is dropped, the doctor proves its sums and its log is searched for secrets.

mod alerts;
mod authoring;
mod commands;
mod conformance;
mod delivery;
mod installing;
mod intake;
mod limits;
mod mango;
mod messages;
mod operating;
mod outside;
mod polling;
mod rates;
mod real_odoo;
mod refusals;
mod trouble;
mod whatsapp;
