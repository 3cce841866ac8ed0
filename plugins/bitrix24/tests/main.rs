//! The connector without its host, against the fake Bitrix24.

mod answers;
mod application;
mod common;
mod contacts;
mod fixtures;
mod hearing;
mod mapping;
mod notes;
mod together;
mod trouble;
mod writing;
