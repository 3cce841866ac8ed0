//! The component. A program of its own beside the library: a library that tests link too is built without link-time optimisation.

#![cfg_attr(target_arch = "wasm32", no_main)]

use bitrix24::Bitrix24;

patchbay_sdk::register!(Bitrix24: webhook, polling, commands, check);

/// Natively there is nothing to run: the hub loads the `.wasm`.
#[cfg(not(target_arch = "wasm32"))]
fn main() {}
