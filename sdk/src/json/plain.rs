//! Finds the bytes that mean something inside a JSON text, eight at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many of the first bytes stand in a JSON text as they are: no quote, no backslash, no control character among them.
pub fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|it| it.first_chunk()) {
        let special = special(u64::from_le_bytes(*eight));
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|it| *it >= b' ' && *it != b'"' && *it != b'\\') {
        at += 1;
    }
    at
}

/// The high bit of each special byte. Bytes above the first special one may be marked by mistake.
fn special(eight: u64) -> u64 {
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let is = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
    (below(eight, b' ') | is(b'"') | is(b'\\')) & HIGH
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn every_byte_is_judged_alike_at_every_place() {
        for length in 0..30 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    for other in [b'x', 0xd0, 0xff, b'!', b'#', b'['] {
                        let mut text = vec![other; length];
                        text[at] = byte;
                        let expected = if byte < b' ' || byte == b'"' || byte == b'\\' { at } else { length };
                        assert_eq!(plain(&text), expected, "{byte} at {at} of {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_is_found() {
        for (text, expected) in [("ab\"\\cdefghi", 2), ("\\\"", 0), ("яблоко\n\"", 12), ("0123456\u{1f}\"", 7), ("", 0)] {
            assert_eq!(plain(text.as_bytes()), expected, "{text}");
        }
    }
}
