//! Signed deliveries: which header carries the signature and how it is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How a vendor writes an HMAC-SHA256 over the body.
struct Style {
    header: &'static str,
    prefix: &'static str,
    write: fn(&[u8]) -> String,
}

const STYLES: [Style; 3] = [
    Style { header: "typeform-signature", prefix: "sha256=", write: |it| STANDARD.encode(it) },
    Style { header: "x-hub-signature-256", prefix: "sha256=", write: |it| hex::encode(it) },
    Style { header: "tally-signature", prefix: "", write: |it| STANDARD.encode(it) },
];

/// True when one of the known headers carries the signature `mac`.
#[must_use]
pub fn is_signed<'a>(header: impl Fn(&str) -> Option<&'a str>, mac: &[u8]) -> bool {
    STYLES.iter().any(|style| {
        let presented = header(style.header).and_then(|it| it.trim().strip_prefix(style.prefix));
        presented.is_some_and(|it| same(it.as_bytes(), (style.write)(mac).as_bytes()))
    })
}

/// Takes as long for a wrong signature as for the right one.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |found, (left, right)| found | (left ^ right)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vendors_header_is_known_and_a_mix_is_not() {
        let mac = [0xda, 0x2a, 0x6f, 0x74];
        let signed = |name: &'static str, value: &'static str| is_signed(|it| (it == name).then_some(value), &mac);
        assert!(signed("typeform-signature", "sha256=2ipvdA=="));
        assert!(signed("tally-signature", "2ipvdA=="));
        assert!(signed("x-hub-signature-256", "sha256=da2a6f74"));
        assert!(!signed("typeform-signature", "sha256=da2a6f74"), "hex instead of base64");
        assert!(!signed("typeform-signature", "2ipvdA=="), "no prefix");
        assert!(!signed("x-other", "sha256=2ipvdA=="));
        assert!(!signed("typeform-signature", "sha256="));
    }
}
