//! Text of bytes: UTF-8, or the code page of older Russian sites where it cannot be UTF-8.

/// Windows-1251 from 0x80 to 0xBF; from 0xC0 on it is А–я in order.
const UPPER: &str = "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\u{98}™љ›њќћџ\u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї°±Ііґµ¶·ё№є»јЅѕї";

/// The bytes as UTF-8, else as windows-1251.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|it| windows_1251(*it)).collect(),
    }
}

fn windows_1251(byte: u8) -> char {
    match byte {
        0..=0x7f => char::from(byte),
        0x80..=0xbf => UPPER.chars().nth(usize::from(byte) - 0x80).unwrap_or(char::REPLACEMENT_CHARACTER),
        0xc0.. => char::from_u32(0x410 + u32::from(byte) - 0xc0).unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn older_russian_sites_are_read() {
        assert_eq!(super::text(b"\xc8\xe2\xe0\xed \xb8 \xb9 5"), "Иван ё № 5");
        assert_eq!(super::text("Иван".as_bytes()), "Иван");
        assert_eq!(super::UPPER.chars().count(), 64);
    }
}
