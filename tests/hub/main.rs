//! Whole-hub tests: the real program as a process, driven over HTTP, beside fake vendors.
//!
//! Each scenario runs on both databases. When a hub is dropped, the doctor proves its sums and its log is searched for secrets.

mod alerts;
mod authoring;
mod authorising;
mod bitrix24;
mod both_ways;
mod commands;
mod conflicts;
mod conformance;
mod contract;
mod delivery;
mod developing;
mod enclosures;
mod growth;
mod importing;
mod installing;
mod intake;
mod languages;
mod limits;
mod mango;
mod mapping;
mod messages;
mod open_lines;
mod operating;
mod outside;
mod people;
mod polling;
mod quarantine;
mod rates;
mod real_asterisk;
mod real_mail;
mod real_odoo;
mod recording;
mod refusals;
mod registering;
mod reloading;
mod replay;
mod secrets;
mod sockets;
mod streams;
mod tokens;
mod trouble;
mod whatsapp;
