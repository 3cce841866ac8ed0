//! Signed deliveries: which header carries the signature and how it is written.

/// How a vendor writes an HMAC-SHA256 over the body.
struct Style {
    header: &'static str,
    prefix: &'static str,
    write: fn(&[u8]) -> String,
}

const STYLES: [Style; 3] = [
    Style { header: "typeform-signature", prefix: "sha256=", write: base64 },
    Style { header: "x-hub-signature-256", prefix: "sha256=", write: hex },
    Style { header: "tally-signature", prefix: "", write: base64 },
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|it| [it >> 4, it & 15]).filter_map(|it| char::from_digit(u32::from(it), 16)).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let digit = |place: u32| char::from(DIGITS[(bits >> place & 63) as usize]);
        let last = if chunk.len() > 2 { digit(0) } else { '=' };
        [digit(18), digit(12), if chunk.len() > 1 { digit(6) } else { '=' }, last]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_the_vendors_write_them() {
        for (bytes, wanted) in [(&b"f"[..], "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xff\xfe\xfd\xfc", "//79/A==")] {
            assert_eq!(base64(bytes), wanted);
        }
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
    }

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
