#![doc = include_str!("../README.md")]

pub mod bindings;
mod commands;
mod connector;
pub mod events;
mod fit;
#[cfg(any(target_arch = "wasm32", test))]
mod heap;
pub mod host;
pub mod http;
pub mod json;
pub mod socket;
pub mod text;

pub use connector::{CommandKind, Connector, Failure, Frames, Page, Piece, Reply, Request, Retry, Target};
pub use patchbay_schemas as schemas;
pub use serde_json;

/// Makes a type the connector of this crate: embeds `connector.toml` and exports the named abilities.
///
/// ```ignore
/// patchbay_sdk::register!(Telegram: webhook, polling, commands, check);
/// ```
#[macro_export]
macro_rules! register {
    ($connector:ty: $($ability:ident),+ $(,)?) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            #[expect(unsafe_code, reason = "a custom section holds the manifest, so that the host reads it without running code")]
            #[unsafe(link_section = "patchbay:manifest")]
            #[used]
            static MANIFEST: [u8; include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/connector.toml")).len()] =
                *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/connector.toml"));
            // Natively there is nobody to export to, and no linker that takes names like `check@0.1.0#check`.
            #[cfg(target_arch = "wasm32")]
            const _: () = { $($crate::__export!($ability, $connector);)+ };
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn() = $crate::connector_adapter::is_connector::<$connector>;
        };
    };
}

/// What `register!` makes of one ability. Not for authors.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    (webhook, $connector:ty) => {
        const _: () = {
            type Exported = $crate::connector_adapter::Adapter<$connector>;
    $crate::bindings::webhook::export_webhook!(Exported with_types_in $crate::bindings::webhook);
        };
    };
    (polling, $connector:ty) => {
        const _: () = {
            type Exported = $crate::connector_adapter::Adapter<$connector>;
    $crate::bindings::polling::export_polling!(Exported with_types_in $crate::bindings::polling);
        };
    };
    (stream, $connector:ty) => {
        const _: () = {
            type Exported = $crate::connector_adapter::Adapter<$connector>;
    $crate::bindings::stream::export_stream!(Exported with_types_in $crate::bindings::stream);
        };
    };
    (commands, $connector:ty) => {
        const _: () = {
            type Exported = $crate::connector_adapter::Adapter<$connector>;
    $crate::bindings::commands::export_commands!(Exported with_types_in $crate::bindings::commands);
        };
    };
    (check, $connector:ty) => {
        const _: () = {
            type Exported = $crate::connector_adapter::Adapter<$connector>;
    $crate::bindings::check::export_check!(Exported with_types_in $crate::bindings::check);
        };
    };
}

#[doc(hidden)]
pub mod connector_adapter;
