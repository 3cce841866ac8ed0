//! Is this connector sound? Its own fixtures and what every connector must do, by the real `.wasm` in the real plugin host, with no
//! network but cassettes.
//!
//! ```text
//! fixtures/ ─ fixture (cases) ─ rig (a connection in memory) ─ expectation (what came out, what should have) ─ budget
//! connector.toml ─ suite (checks made from the manifest and the cases)
//! ```

pub mod budget;
pub mod case;
pub mod expectation;
pub mod fixture;
pub mod rig;
pub mod scrub;
pub mod suite;
