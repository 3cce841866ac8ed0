//! What a call used up.

/// What a call used up, of an engine that measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Instructions that the guest executed, roughly: the same for the same call of the same `.wasm` on any machine.
    pub fuel: u64,
    /// Most linear memory that the instance had so far, bytes.
    pub memory: u64,
    /// Calls of host functions.
    pub host_calls: u32,
}
