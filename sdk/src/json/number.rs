//! Numbers as decimal text.

use std::iter;

/// Up to here every whole number has its own `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Nine decimal digits to a limb.
const LIMB: u64 = 1_000_000_000;

/// The first powers of ten: the exact ones.
const POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// `mantissa · 10^exponent`: exact as far as 15 digits and 22 places, off by a few last bits beyond.
pub fn scaled(mantissa: u64, exponent: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the nearest is what is asked for")]
    let mut number = mantissa as f64;
    // Nothing but zero or infinity is left beyond.
    let mut rest = exponent.unsigned_abs().min(400);
    while rest > 0 {
        let step = rest.min(22);
        let power = usize::try_from(step).ok().and_then(|it| POWERS.get(it)).copied().unwrap_or(1.0);
        number = if exponent < 0 { number / power } else { number * power };
        rest -= step;
    }
    number
}

/// Writes a whole number.
pub fn whole(out: &mut String, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        let digit = (number % 10) as u8;
        digits[at] = b'0' + digit;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().copied().map(char::from));
}

/// Writes a finite number so that reading gives the same number back.
pub fn float(out: &mut String, number: f64) {
    if number.is_sign_negative() {
        out.push('-');
    }
    let number = number.abs();
    if !short(out, number) {
        long(out, number);
    }
}

/// Numbers of at most 15 digits, which is nearly all that people and programs write: coordinates, prices, scores.
///
/// Both the digits as a whole number and the power of ten are exact, so their quotient is the `f64` nearest to the text.
fn short(out: &mut String, number: f64) -> bool {
    let mut scale: u64 = 1;
    for places in 0..=15_usize {
        #[expect(clippy::cast_precision_loss, reason = "at most 10^15")]
        let (digits, power) = ((number * scale as f64).round(), scale as f64);
        if digits >= EXACT {
            return false;
        }
        #[expect(clippy::float_cmp, reason = "the same number back is what is asked for")]
        if digits / power == number {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative and below 2^53")]
            let digits = digits as u64;
            whole(out, digits / scale);
            out.push('.');
            let mut fraction = String::with_capacity(20);
            whole(&mut fraction, digits % scale);
            out.extend(iter::repeat_n('0', places.saturating_sub(fraction.len())));
            out.push_str(&fraction);
            return true;
        }
        scale *= 10;
    }
    false
}

/// Any number, by its first 17 digits: `1.2345678901234567e-300`. Seventeen tell any two numbers apart.
fn long(out: &mut String, number: f64) {
    let bits = number.to_bits();
    let (biased, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let mantissa = if biased == 0 { fraction } else { fraction | 1 << 52 };
    let exponent = i64::try_from(biased.max(1)).unwrap_or_default() - 1075;
    // number = mantissa · 2^exponent, or mantissa · 5^-exponent · 10^exponent.
    let mut limbs = vec![mantissa % LIMB, mantissa / LIMB];
    let (base, point) = if exponent < 0 { (5, exponent) } else { (2, 0) };
    for _ in 0..exponent.unsigned_abs() {
        multiply(&mut limbs, base);
    }
    let mut digits = Vec::new();
    for limb in limbs.iter().rev() {
        let mut part = String::with_capacity(20);
        whole(&mut part, *limb);
        digits.extend(iter::repeat_n(b'0', 9_usize.saturating_sub(part.len())));
        digits.extend_from_slice(part.as_bytes());
    }
    let leading = digits.iter().take_while(|it| **it == b'0').count();
    let digits = digits.get(leading..).unwrap_or_default();
    let power = point + i64::try_from(digits.len()).unwrap_or_default();
    let mut significant = digits.iter().take(17).fold(0_u64, |sum, it| sum * 10 + u64::from(it - b'0'));
    significant += u64::from(digits.get(17).is_some_and(|it| *it >= b'5'));
    whole(out, significant);
    out.push('e');
    let power = power - i64::try_from(digits.len().min(17)).unwrap_or_default();
    if power < 0 {
        out.push('-');
    }
    whole(out, power.unsigned_abs());
}

fn multiply(limbs: &mut Vec<u64>, by: u64) {
    let mut carry = 0;
    for limb in limbs.iter_mut() {
        let product = *limb * by + carry;
        *limb = product % LIMB;
        carry = product / LIMB;
    }
    if carry > 0 {
        limbs.push(carry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: f64) -> String {
        let mut out = String::new();
        float(&mut out, number);
        out
    }

    #[test]
    fn ordinary_numbers_look_as_people_write_them() {
        for (number, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (55.755_826, "55.755826"),
            (-37.617_299_9, "-37.6172999"),
            (0.000_001, "0.000001"),
            (4.5, "4.5"),
            (123_456_789_012.345, "123456789012.345"),
        ] {
            assert_eq!(text(number), expected);
        }
    }

    #[test]
    fn every_finite_number_is_read_back_as_itself() {
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
        let edges =
            [f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e23, 0.1 + 0.2, 9_007_199_254_740_993.0, 1e15, 1e16, 1e22, 123_456.789_012_345_68];
        let random = iter::repeat_with(|| {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            f64::from_bits(bits)
        });
        for number in edges.into_iter().chain(random.filter(|it| it.is_finite()).take(2_000)) {
            let written = text(number);
            assert_eq!(written.parse::<f64>().map(f64::to_bits), Ok(number.to_bits()), "{written}");
        }
    }

    #[test]
    fn scaling_is_exact_for_ordinary_numbers_and_near_for_all() {
        assert_eq!(scaled(55_755_826, -6).to_bits(), 55.755_826_f64.to_bits());
        assert_eq!(scaled(123_456_789_012_345, 22).to_bits(), 1.234_567_890_123_45e36_f64.to_bits());
        for (mantissa, exponent, expected) in [
            (17_976_931_348_623_157, 292, f64::MAX),
            (22_250_738_585_072_014, -324, f64::MIN_POSITIVE),
            (12_345_678_901_234_567_890, -19, 1.234_567_890_123_456_8),
        ] {
            assert!((scaled(mantissa, exponent) / expected - 1.0).abs() < 1e-14, "{mantissa}e{exponent}");
        }
        assert_eq!((scaled(1, 400), scaled(1, -400)), (f64::INFINITY, 0.0));
    }

    #[test]
    fn whole_numbers_keep_every_digit() {
        let mut out = String::new();
        for number in [0, 7, 10, u64::MAX] {
            whole(&mut out, number);
            out.push(' ');
        }
        assert_eq!(out, "0 7 10 18446744073709551615 ");
    }
}
